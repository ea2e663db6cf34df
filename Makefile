# `make demo` and `make test` are all one needs; both first make .venv, once.
# PYTHON=/path/to/python3 names another interpreter than the newest one found.

python := .venv/bin/python

.PHONY: demo test quick lint format docs pictures clean setup setup-dev

demo: setup
	@$(python) -m convatlas demo

test: lint
	$(python) -m pytest

# the same without the tests that take a second or more: a process to each core, of one thread,
# since two threads in each would wait for one another
quick: lint
	OMP_NUM_THREADS=1 $(python) -m pytest -m "not slow" -n auto

lint: setup-dev
	$(python) -m ruff check
	$(python) -m ruff format --check
	$(python) -m mypy

format: setup-dev
	$(python) -m ruff check --fix
	$(python) -m ruff format

# docs/_build/html/index.html is where to begin
docs: setup-dev
	$(python) -m sphinx -W --keep-going -b html docs docs/_build/html

pictures: setup-dev
	$(python) docs/pictures

# runs and demo hold trained models: they stay
clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist docs/_build src/*.egg-info

setup:
	@scripts/setup.sh

setup-dev:
	@scripts/setup.sh dev
