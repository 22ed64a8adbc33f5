# One environment for everything: .venv, made on first use and brought up to date when the pins
# change. Another Python: make PYTHON=python3.12 …   Some tests only: make test ARGS=tests/parts
PYTHON ?= python3
ARGS ?=
VENV := .venv
RUN := $(VENV)/bin/
PIP := $(RUN)python -m pip --disable-pip-version-check --quiet

.DELETE_ON_ERROR:
.PHONY: demo test check fix docs site clean

demo: $(VENV)/.local            ## improve an instruction with a real model on this machine
	$(RUN)llmopt demo

test: $(VENV)/.dev              ## all tests, those on the real local model included
	$(RUN)pytest $(ARGS)

check: $(VENV)/.dev             ## format, lint, types, layers, the site, and all tests without the local model
	$(RUN)ruff format --check .
	$(RUN)ruff check .
	$(RUN)mypy
	$(RUN)lint-imports
	NO_MKDOCS_2_WARNING=1 $(RUN)mkdocs build --strict
	$(RUN)pytest -m "not local_model"

fix: $(VENV)/.dev               ## format, and mend what the linter can mend
	$(RUN)ruff format .
	$(RUN)ruff check --fix .

docs: $(VENV)/.dev              ## write the generated parts of the documents anew
	LLMOPT_REWRITE_DOCS=1 $(RUN)pytest -m "not local_model" tests/docs

site: $(VENV)/.dev              ## build the documentation as a site, in site/
	NO_MKDOCS_2_WARNING=1 $(RUN)mkdocs build --strict

clean:                          ## remove everything that these targets make
	rm -rf $(VENV) build dist site .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis

# A Debian without python3-venv cannot put pip into an environment; its own pip can.
$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit("llmopt needs Python 3.11 or newer; make PYTHON=… names one") if sys.version_info < (3, 11) else None'
	@if $(PYTHON) -c 'import ensurepip' 2>/dev/null; then $(PYTHON) -m venv $(VENV); else \
		$(PYTHON) -m venv --without-pip $(VENV) && \
		$(PYTHON) -m pip --quiet --python $(VENV)/bin/python install pip; fi

$(VENV)/.local: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Installing llmopt and its local model engine into $(VENV) …"
	$(PIP) install -c constraints.txt -e '.[local]'
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Installing llmopt and everything its checks need into $(VENV) …"
	$(PIP) install -c constraints.txt -e '.[dev]'
	touch $@ $(VENV)/.local
