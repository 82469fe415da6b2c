#!/usr/bin/env bash
# Makes the virtual environment from the hashed lock file. Says what to install when it cannot.
set -euo pipefail
venv=${1:-.venv}
cd "$(dirname "$0")/.."

say() { printf '\033[0m%s\n' "$*" >&2; }
[ -t 2 ] || say() { printf '%s\n' "$*" >&2; }

# pjsua2 wheels exist for CPython 3.9 to 3.12: prefer 3.12 and 3.11 over a newer one.
python=
for name in python3.12 python3.11 python3 python3.13; do
  if command -v "$name" >/dev/null 2>&1 &&
     "$name" -c 'import sys, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2])' >/dev/null 2>&1; then
    python=$name
    break
  fi
done
if [ -z "$python" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  say "ctid: installing python3-venv"
  apt-get update -qq >&2 && apt-get install -y -qq --no-install-recommends python3 python3-venv >&2
  python=python3
fi
if [ -z "$python" ]; then
  say "ctid needs Python 3.11 or later with the venv module."
  say "On Debian: apt-get install python3 python3-venv"
  exit 1
fi

# an environment of another place or a broken one is made anew
if [ -x "$venv/bin/python" ] && ! "$venv/bin/python" -c 'import pip' >/dev/null 2>&1; then
  rm -rf "$venv"
fi
if [ ! -x "$venv/bin/python" ]; then
  say "ctid: making $venv with $("$python" --version)"
  "$python" -m venv "$venv"
fi
say "ctid: installing the locked dependencies"
export PIP_DISABLE_PIP_VERSION_CHECK=1
# --no-deps: the lock is complete. Where the resolver looks for itself, an extra (coverage[toml]) meets the newest
# release before the pinned one, and every new release upstream would break the installation.
"$venv/bin/python" -m pip install -q --no-deps --require-hashes -r requirements.lock 2> >(grep -v WARNING >&2 || true)
"$venv/bin/python" -m pip install -q --no-deps --no-build-isolation -e . 2> >(grep -v WARNING >&2 || true)
"$venv/bin/python" -m pip check >&2
say "ctid: Python environment ready"
