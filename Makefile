# `make quickstart` and `make test` set up everything they need, on a fresh machine.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: help quickstart docs test test-slow test-oldest test-newest lint format clean

help:  ## Show this list.
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/'

quickstart: $(VENV)/.plot  ## Find the latent dimensions of handwritten digits.
	$(BIN)/python examples/quickstart.py

docs: $(VENV)/.docs  ## Build the documentation site, docs/_build/html/index.html.
	OMP_NUM_THREADS=1 $(BIN)/python -m sphinx -W --keep-going -d docs/_build/doctrees docs docs/_build/html

test: lint  ## Lint, check the format, run the tests.
	$(BIN)/python -m pytest -n 2

test-slow: $(VENV)/.test  ## Run the tests that take minutes.
	$(BIN)/python -m pytest -m slow

test-oldest: $(VENV)-oldest/.test  ## Run the tests with the oldest releases that are supported.
	$(VENV)-oldest/bin/python -m pytest -n 2

test-newest:  ## Run the tests with the newest releases that there are.
	test -x $(VENV)-newest/bin/python || $(PYTHON) -m venv $(VENV)-newest
	$(VENV)-newest/bin/python -m pip install --quiet --upgrade --upgrade-strategy eager -e ".[test]"
	$(VENV)-newest/bin/python -m pytest -n 2

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(VENV)/.test  ## Put the code into format.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# One stamp for each set of extras; a new pyproject.toml or constraints.txt sets up anew.
$(VENV)/.%: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(INSTALL) -e ".[$*]"
	touch $@

$(VENV)-oldest/.test: pyproject.toml constraints-oldest.txt
	test -x $(VENV)-oldest/bin/python || $(PYTHON) -m venv $(VENV)-oldest
	$(VENV)-oldest/bin/python -m pip install --quiet --disable-pip-version-check -c constraints-oldest.txt -e ".[test]"
	touch $@

clean:  ## Remove the environment and what the examples and benchmarks wrote.
	rm -rf $(VENV) $(VENV)-oldest $(VENV)-newest docs/_build docs/auto_examples docs/generated examples/output benchmarks/output .mypy_cache .pytest_cache .ruff_cache .hypothesis
