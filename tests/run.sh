#!/usr/bin/env bash
# Runs the checks: `lint`, `fast` (lint and the tests without outside parts) or everything.
set -euo pipefail
cd "$(dirname "$0")/.."
mode=${1:-all}
bin=.venv/bin

step() { if [ -t 1 ]; then printf '\n\033[1m== %s\033[0m\n' "$1"; else printf '\n== %s\n' "$1"; fi; }

step "ruff"
$bin/ruff check .
$bin/ruff format --check -q . || { echo "run: .venv/bin/ruff format ."; exit 1; }
step "mypy"
$bin/mypy
step "import-linter"
$bin/lint-imports
[ "$mode" = lint ] && exit 0

if [ "$mode" = fast ]; then
  step "tests without outside parts"
  exec $bin/pytest -q -n 2 -m "unit or sim or store or daemon"
fi

step "browser client: unit tests"
bash web/build.sh test
step "the routing core: its tests reach every branch"
$bin/pytest -q -n 2 tests/routing --cov=routing --cov-branch --cov-report=term-missing:skip-covered \
  --cov-fail-under=100
step "tests without outside parts"
$bin/pytest -q -n 2 -m "unit or sim or store or daemon" --ignore=tests/routing
# Two at a time: most of their time is that of conversations. Those of one file stay together as long
# as both workers have something to do, for they share a house.
step "tests with a real Asterisk and a real browser"
$bin/pytest -q -n 2 --dist worksteal -m "asterisk or browser"
