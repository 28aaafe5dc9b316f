# Everything that a fresh checkout needs. `make demo` and `make test` set themselves up.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BADEXP_HOME ?= var
export BADEXP_HOME

.PHONY: demo test check ui services services-down install format clean
.DEFAULT_GOAL := help

help:
	@echo "make demo    set up, simulate a survey, run the whole graph on it, say where the results are"
	@echo "make test    set up, check format, lint and types, run the tests"
	@echo "make ui      open the Dagster UI on the same home (BADEXP_HOME, default ./var)"
	@echo "make services       start webserver, daemon and code server on Postgres: deployments/services/README.md"
	@echo "make services-down  end them"
	@echo "make check   format, lint and types only"
	@echo "make format  format the code"

install: $(VENV)/installed

$(VENV)/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or later is needed; $(PYTHON) is $$($(PYTHON) --version). Try: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 1; }
	@echo "installing into $(VENV), once; it takes a few minutes"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: install
	@$(BIN)/badexp demo $(DEMO_OPTIONS)

ui: install
	@$(BIN)/badexp ui $(UI_OPTIONS)

$(VENV)/services: $(VENV)/installed
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[services]'
	@touch $@

services: $(VENV)/services
	@deployments/services/badexp-services up

services-down:
	@deployments/services/badexp-services down

check: install
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/lint-imports --no-cache --no-logo
	@$(BIN)/mypy

test: check
	@$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder $(TEST_OPTIONS)

format: install
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
