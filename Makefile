# Everything a developer or CI types. Each target makes the environment it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Tests that run side by side. Most of them wait for servers: two of them use less than one core.
JOBS ?= 3
# Containers often set this: then each process of the tests compiles the whole package anew.
unexport PYTHONDONTWRITEBYTECODE
# What completions and the manual page are copied to by `make install-extras`.
PREFIX ?= /usr/local

# Installs these packages. A run that is interrupted may leave half a package: the mark makes the next `make` begin anew.
define install
	touch $(VENV)/.unfinished
	$(BIN)/python -m pip install --quiet $(1) || { status=$$?; rm -f $(VENV)/.unfinished; exit $$status; }
	rm -f $(VENV)/.unfinished
	touch $@
endef

ifneq ($(wildcard $(VENV)/.unfinished),)
  $(info The last set-up was interrupted: $(VENV) is made anew.)
  unfinished := $(shell rm -rf $(VENV))
endif

.PHONY: demo test test-all test-lowest fuzz bench performance lint types contracts schemas docs site completions \
	build pyz binary install-extras prepare-release release clean

demo: $(VENV)/.installed  ## Run the main job on an embedded, simulated fleet
	$(BIN)/revvlink demo

test: export REVVLINK_TEST_SKIPPED = $(VENV)/.skipped
test: $(VENV)/.developed  ## Run every test; the last table says what was skipped, and why
	rm -f $(VENV)/.skipped
	$(BIN)/python -m pytest -n $(JOBS) -m "not alone" $(TESTS) || test $$? -eq 5  # 5: TESTS has none of these
	$(BIN)/python -m pytest -m alone $(TESTS) || test $$? -eq 5

test-all: export REVVLINK_TEST_EXAMPLES = large
test-all: test  ## Run every test with many more random examples, other people's clients, every Python and the lowest libraries
	REVVLINK_TEST_CLIENTS=1 $(BIN)/python -m pytest -n $(JOBS) tests/third_party
	EVERY_PYTHON=1 bash .ci/other-pythons tests
	$(MAKE) test-lowest TESTS=tests
	$(MAKE) fuzz

test-lowest: $(VENV)/.releasable  ## Run TESTS with the lowest allowed libraries
	bash .ci/lowest-libraries $(TESTS)

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

pyz: $(VENV)/.releasable  ## Build one file that runs on each supported Python of this system, into dist/
	$(BIN)/python -m build --no-isolation --wheel --outdir build/wheel
	mkdir -p dist
	$(BIN)/python -m release.pyz "$$(ls -t build/wheel/*.whl | head -1)" dist

binary: $(VENV)/.releasable  ## Build one program with Python inside, as dist/revvlink
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python build/binary-venv
	$(BIN)/uv pip install --quiet --python build/binary-venv '.[redis,jq]' pyinstaller
	build/binary-venv/bin/pyinstaller --log-level ERROR --noconfirm --distpath dist --workpath build/pyinstaller \
		release/revvlink.spec

install-extras:  ## Copy completions and the manual page to PREFIX, such as ~/.local, for shells and man
	install -d $(DESTDIR)$(PREFIX)/share/bash-completion/completions $(DESTDIR)$(PREFIX)/share/zsh/site-functions \
		$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 644 completions/revvlink.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/revvlink
	install -m 644 completions/_revvlink $(DESTDIR)$(PREFIX)/share/zsh/site-functions/
	install -m 644 completions/revvlink.fish $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/
	install -m 644 man/revvlink.1 $(DESTDIR)$(PREFIX)/share/man/man1/

prepare-release: $(VENV)/.releasable  ## Write VERSION into the package and the changelog
	$(BIN)/python -m release.make_release prepare $(VERSION)
	$(MAKE) docs

release: $(VENV)/.releasable  ## Build a release into dist/ and set its tag; DRY_RUN=1 sets none, and warns instead of refusing
	$(BIN)/python -m release.make_release $(if $(DRY_RUN),--dry-run)

$(VENV)/.made:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "revvlink needs Python 3.11 or newer; name one: make PYTHON=python3.12 ...")'
	$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	$(call install,--upgrade pip)

$(VENV)/.installed: pyproject.toml | $(VENV)/.made
	$(call install,--editable .)

$(VENV)/.developed: $(VENV)/.installed
	$(call install,--group dev)

$(VENV)/.documented: $(VENV)/.developed
	$(call install,--group docs)

$(VENV)/.releasable: $(VENV)/.developed
	$(call install,--group release)

$(VENV)/.benched: $(VENV)/.developed
	$(call install,--group bench)

clean:
	rm -rf $(VENV) dist build site .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
