# ctid: two commands matter, `make demo` and `make test`. Each does all of its own set-up.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:

VENV := .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.ctid-installed
B ?=

.PHONY: help demo test check bench web lock lint setup-python setup-phones setup-browser clean

help: ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: setup-python setup-phones web ## a private Asterisk, the daemon, agents and callers; Ctrl-C ends it
	@$(PY) -m sim.demo

test: setup-python setup-phones setup-browser web ## everything: static checks, units, real Asterisk, real browser
	@bash tests/run.sh

check: setup-python ## the fast inner loop: static checks and the tests without outside parts
	@bash tests/run.sh fast

bench: setup-python setup-phones setup-browser web ## all benchmarks, or one: make bench B=idle_gap
	@$(PY) -m bench $(B)

web: setup-python ## build the browser client into ctid/web/
	@bash web/build.sh

lint: setup-python ## ruff, mypy, import-linter
	@bash tests/run.sh lint

lock: ## renew requirements.lock (hashes, no registry host)
	@$(VENV)/bin/pip-compile -q --upgrade --generate-hashes --extra sip --extra dev --strip-extras \
	  --no-header --no-annotate --no-emit-index-url --no-emit-find-links --no-emit-trusted-host \
	  --allow-unsafe -o requirements.lock pyproject.toml

setup-python: $(STAMP)

$(STAMP): requirements.lock pyproject.toml sim/setup_python.sh
	@bash sim/setup_python.sh $(VENV)
	@touch $@

setup-phones: setup-python
	@bash sim/setup.sh phones

setup-browser: setup-python
	@bash sim/setup.sh browser

clean: ## remove what was built; the private Asterisk's download is kept
	@rm -rf .demo .build ctid/web .mypy_cache .ruff_cache .pytest_cache .hypothesis
