# Everything a newcomer needs: `make demo` and `make test`. `make check` is what a change must pass.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# half as many workers again as processors, since tests wait for servers and time-outs for a third of their time; one that is
# done takes over from the others
WORKERS ?= $(shell $(PYTHON) -c "import os; print(max(2, (os.cpu_count() or 2) * 3 // 2))")
PACKAGES := classify cli console policies restore strongroom vault
SPREAD := --numprocesses $(WORKERS) --dist worksteal

.PHONY: help environment bytecode demo demo-console test test-full check lint types layers bench clean

help:
	@echo "make demo        a contact centre loses a client's reports and gets them back"
	@echo "make demo-console   the console in a browser, over a contact centre that has lost a folder"
	@echo "make test        the tests"
	@echo "make test-full   the tests at full depth: every fault, every kill, real servers (about an hour)"
	@echo "make check       ruff, mypy strict, import-linter, tests, docs: what a change must pass"
	@echo "make bench       Strongroom beside its peers (see benchmarks/README.md)"

demo: $(VENV)/.installed
	@$(BIN)/strongroom demo

demo-console: $(VENV)/.installed-dev
	@$(BIN)/strongroom demo --console

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest $(SPREAD)

test-full: $(VENV)/.installed-dev
	STRONGROOM_TEST_FSYNC=1 $(BIN)/python -m pytest $(SPREAD) -m "slow or not slow"

check: lint types layers test

environment: $(VENV)/.installed-dev

# For `.ci/run`: a clean checkout has none, and where Python was told to write none each worker of the tests, and each process
# that a test starts, would compile everything and rewrite every assertion for itself.
bytecode: $(VENV)/.installed-dev
	@$(BIN)/python -m compileall -q $(PACKAGES)
	@PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest --collect-only -qq > /dev/null

lint: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/.installed-dev
	$(BIN)/mypy

layers: $(VENV)/.installed-dev
	$(BIN)/lint-imports

bench: $(VENV)/.installed-dev
	$(BIN)/python -m benchmarks.run

$(VENV)/.installed: pyproject.toml
	@test -x $(BIN)/python || .ci/show "Making a Python environment in $(VENV)" $(PYTHON) -m venv $(VENV)
	@.ci/show "Bringing its pip up to date" $(PIP) --upgrade "pip>=25.1"
	@.ci/show "Installing Strongroom and its libraries, some 100 MB" $(PIP) --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@.ci/show "Installing what the tests need, some 500 MB" $(PIP) --group dev
	@touch $@

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache *.egg-info build
