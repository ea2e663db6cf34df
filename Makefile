# `make demo` and `make test` are all one needs; both first make .venv, once.
# PYTHON=/path/to/python3 names another interpreter than the newest one found.

python := .venv/bin/python

.PHONY: demo test quick lint format clean setup setup-dev

demo: setup
	@$(python) -m convatlas demo

test: lint
	$(python) -m pytest

# the same without the tests that take more than a few seconds
quick: lint
	$(python) -m pytest -m "not slow"

lint: setup-dev
	$(python) -m ruff check
	$(python) -m ruff format --check
	$(python) -m mypy

format: setup-dev
	$(python) -m ruff check --fix
	$(python) -m ruff format

# runs and demo hold trained models: they stay
clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist src/*.egg-info

setup:
	@scripts/setup.sh

setup-dev:
	@scripts/setup.sh dev
