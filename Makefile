# One environment for everything: .venv, made on first use and remade when the pins change.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/
PIP := $(RUN)python -m pip --disable-pip-version-check --quiet

.PHONY: demo test check fix clean

demo: $(VENV)/.local            ## improve an instruction with a real model on this machine
	$(RUN)llmopt demo

test: $(VENV)/.dev              ## all tests, those on the real local model included
	$(RUN)pytest

check: $(VENV)/.dev             ## format, lint, types, layers, fast tests, docs examples
	$(RUN)ruff format --check .
	$(RUN)ruff check .
	$(RUN)mypy
	$(RUN)lint-imports
	$(RUN)pytest -m "not local_model"

fix: $(VENV)/.dev               ## format, and mend what the linter can mend
	$(RUN)ruff format .
	$(RUN)ruff check --fix .

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit("llmopt needs Python 3.11 or newer") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.local: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) install -c constraints.txt -e '.[local]'
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) install -c constraints.txt -e '.[dev]'
	touch $@ $(VENV)/.local
