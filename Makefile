# Everything a developer or CI types. Each target makes the environment it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Tests that run side by side. Most of them wait for servers: two of them use less than one core.
JOBS ?= 3

.PHONY: demo test test-all fuzz bench performance lint types contracts schemas docs site completions build clean

demo: $(VENV)/.installed  ## Run the main job on an embedded, simulated fleet
	$(BIN)/revvlink demo

test: $(VENV)/.developed  ## Run every test
	$(BIN)/python -m pytest -n $(JOBS) -m "not alone" $(TESTS) || test $$? -eq 5  # 5: TESTS has none of these
	$(BIN)/python -m pytest -m alone $(TESTS) || test $$? -eq 5

test-all: export REVVLINK_TEST_EXAMPLES = large
test-all: test  ## Run every test with many more random examples, on every Python that is installed
	EVERY_PYTHON=1 bash .ci/other-pythons tests

fuzz: $(VENV)/.developed  ## Give every parser changed input, for five minutes; `make fuzz SEED=7` repeats a run
	$(BIN)/python -m tests.fuzz $(if $(SEED),--seed $(SEED))

bench: $(VENV)/.benched  ## Measure, side by side with others; figures are ratios within this one run
	$(BIN)/python -m benchmarks

performance: $(VENV)/.benched  ## Measure all, keep the figures, and write docs/performance.md from them
	$(BIN)/python -m benchmarks --write-docs

lint: $(VENV)/.developed  ## Lint and check the format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.developed  ## Check the types, strictly, and those of other systems
	$(BIN)/mypy
	$(BIN)/mypy --platform darwin --cache-dir .mypy_cache/darwin
	$(BIN)/mypy --platform win32 --cache-dir .mypy_cache/win32 revvlink_cli docs  # tests use what POSIX has

contracts: $(VENV)/.developed  ## Check that imports run downward only
	$(BIN)/lint-imports

schemas: $(VENV)/.developed  ## Write the JSON Schemas of the commands into the package
	$(BIN)/python -m revvlink_cli.cli.json_schemas

docs: $(VENV)/.developed  ## Write what of the documentation comes from the code, and the manual page
	$(BIN)/python docs/generate.py
	$(BIN)/python docs/man.py
	$(BIN)/python docs/commands.py

site: $(VENV)/.documented  ## Build the documentation's site into site/, and check every link within it
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

completions: $(VENV)/.developed  ## Write the scripts that complete command lines
	$(BIN)/python -m revvlink_cli.cli.completion completions

build: $(VENV)/.developed  ## Build the source distribution and the wheel into dist/
	rm -rf dist
	$(BIN)/python -m build

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "revvlink needs Python 3.11 or newer; name one: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/.installed: $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/.developed: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --group dev
	touch $@

$(VENV)/.documented: $(VENV)/.developed
	$(BIN)/python -m pip install --quiet --group docs
	touch $@

$(VENV)/.benched: $(VENV)/.developed
	$(BIN)/python -m pip install --quiet --group bench
	touch $@

clean:
	rm -rf $(VENV) dist build site .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
