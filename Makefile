# Every command sets itself up, and is quick about it the second time: `run` needs what the venue needs, the others also
# the tools of whoever works on it.
PYTHON ?= python3
PORT ?= 8000
DATA ?= data
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
STAMP := $(VENV)/installed
TOOLS := $(VENV)/tools-installed

.PHONY: help install run test check bench crash clean

help:  ## Show this list.
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: $(STAMP)  ## Make the virtual environment (the other commands call this).

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Holdfast needs Python 3.11 or later; this is $$($(PYTHON) --version). Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@echo "Setting up $(VENV) (half a minute on a fresh machine) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
		{ echo "Could not make a virtual environment. On Debian: apt-get install python3-venv"; exit 1; }
	@$(PIP) -r requirements.lock -c requirements-dev.lock setuptools
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $(STAMP)

$(TOOLS): $(STAMP) requirements-dev.lock
	@echo "Adding the tools for tests to $(VENV) ..."
	@$(PIP) -r requirements-dev.lock
	@touch $(TOOLS)

run: install  ## Start the venue with live simulated traders (PORT=8000 DATA=data).
	@$(BIN)/holdfast run --data $(DATA) --port $(PORT) --demo

test: $(TOOLS)  ## Run every test, with the real clients in environments of their own.
	@$(BIN)/python scripts/test.py

check: $(TOOLS)  ## Lint, types and the fast tests.
	$(BIN)/ruff format --check holdfast tests bench scripts
	$(BIN)/ruff check holdfast tests bench scripts
	$(BIN)/mypy holdfast
	$(BIN)/pytest -q -m "not slow"

bench: $(TOOLS)  ## Print the tables of all benchmarks.
	@$(BIN)/python -m bench

crash: $(TOOLS)  ## Kill the venue and its gateways at random moments, 300 times (KILLS=300 GATEWAYS=2 SEED=...).
	@$(BIN)/python -m tests.crash.harness --kills $(or $(KILLS),300) --gateways $(or $(GATEWAYS),2) $(if $(SEED),--seed $(SEED))

clean:  ## Remove the virtual environments.
	rm -rf $(VENV) .venvs
