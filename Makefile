# Two commands do everything from a bare clone: `make run` and `make test`.
# They need Python 3.11 or newer with pip and venv, and the Python package index.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run test bench lint types layers unit format clean

run: $(VENV)/ready ## Install, then evaluate a strategy on real prices, offline
	@$(BIN)/desk demo

test: lint types layers unit ## Install, then check style, types, layers and behaviour

bench: $(VENV)/ready ## Measure what is claimed about speed, beside peers in environments of their own (15 minutes)
	@$(BIN)/python benchmarks/bench.py

lint: $(VENV)/ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/ready-dev
	$(BIN)/mypy

layers: $(VENV)/ready-dev
	$(BIN)/lint-imports

unit: $(VENV)/ready-dev
	$(BIN)/python -m pytest -n 2

format: $(VENV)/ready-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed; $(PYTHON) is older. Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/ready: pyproject.toml | $(VENV)/bin/python
	@echo "Installing the desk into $(VENV) (about a minute)"
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/ready-dev: pyproject.toml | $(VENV)/bin/python
	@echo "Installing the desk and its checkers into $(VENV) (about a minute)"
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@ $(VENV)/ready

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .import_linter_cache .hypothesis
