# Everything that a fresh checkout needs. `make demo` and `make test` set themselves up.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check
BADEXP_HOME ?= var
export BADEXP_HOME

.PHONY: demo test test-all test-versions check open ui services services-down install format clean
.DEFAULT_GOAL := help

help:
	@echo "make demo    set up, simulate a survey, run the whole graph on it, say where the results are"
	@echo "make test    set up, check format, lint, types and layers, run the quick tests (4 minutes on 2 cores)"
	@echo "make test-all       the same with the slow tests, too: browser, daemon, kills, Slurm, PostgreSQL, S3, surveys"
	@echo "make test-versions  the quick tests with the lowest and with the newest versions that pyproject.toml allows"
	@echo "make open    serve the home page of the same home: latest night, review, quality, reports"
	@echo "make ui      open the Dagster UI on the same home (BADEXP_HOME, default ./var)"
	@echo "make services       start webserver, daemon and code server on Postgres: deployments/services/README.md"
	@echo "make services-down  end them"
	@echo "make check   format, lint, types and layers only"
	@echo "make format  format the code"

install: $(VENV)/installed

$(VENV)/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or later is needed; $(PYTHON) is $$($(PYTHON) --version). Try: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 1; }
	@echo "installing into $(VENV), once; it takes a few minutes"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) --constraint constraints.txt --editable .
	@touch $@

$(VENV)/test-installed: $(VENV)/installed
	@echo "installing what tests need into $(VENV), once; it takes a few minutes"
	@$(PIP) --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: install
	@$(BIN)/badexp demo $(DEMO_OPTIONS)

open: install
	@$(BIN)/badexp open $(OPEN_OPTIONS)

ui: install
	@$(BIN)/badexp ui $(UI_OPTIONS)

$(VENV)/services: $(VENV)/installed
	@$(PIP) --constraint constraints.txt --editable '.[services]'
	@touch $@

services: $(VENV)/services
	@deployments/services/badexp-services up

services-down:
	@deployments/services/badexp-services down

check: $(VENV)/test-installed
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/lint-imports --no-cache --no-logo
	@$(BIN)/mypy --num-workers 2

# One thread in each process, as more wait for each other on two cores. Processes that tests start find the modules
# compiled, even where the environment says that none are kept.
PROCESSES ?= 2
PYTEST = -m pytest --numprocesses $(PROCESSES) --dist loadfile --no-loadscope-reorder
test test-all test-versions: export OMP_NUM_THREADS = 1
test test-all: export PYTHONDONTWRITEBYTECODE =

test: check
	@$(BIN)/python $(PYTEST) -m "not slow" $(TEST_OPTIONS)

# one session, which simulates a survey and runs the graph on it once for both tiers
test-all: check
	@$(BIN)/python $(PYTEST) $(TEST_OPTIONS)

# Environments beside .venv, made anew each time: the lowest versions as .ci/lowest_versions lists them, then the newest.
test-versions:
	@mkdir -p build && .ci/lowest_versions > build/lowest.txt && : > build/newest.txt
	@for versions in lowest newest; do \
		echo "quick tests with the $$versions versions" && \
		rm -rf build/$$versions && $(PYTHON) -m venv build/$$versions && \
		build/$$versions/bin/python -m pip install --quiet --disable-pip-version-check \
			--constraint build/$$versions.txt --editable '.[dev]' && \
		build/$$versions/bin/python $(PYTEST) -m "not slow" $(TEST_OPTIONS) || exit 1; \
	done

format: $(VENV)/test-installed
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
