# One environment for everything: .venv, made on first use and brought up to date when the pins
# change. Another Python: make PYTHON=python3.12 …   Some tests only: make test ARGS=tests/parts
# All tests run in as many processes as there are cores, or as WORKERS says; a file stays in one.
PYTHON ?= python3
ARGS ?=
WORKERS ?= auto
VENV := .venv
EXTRAS := .venv-extras
RAY := .venv-ray
TWINE := .venv-twine
RUN := $(VENV)/bin/
PIP := $(RUN)python -m pip --disable-pip-version-check --quiet
TESTED := $(RUN)pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder -m "not local_model"

.DELETE_ON_ERROR:
.PHONY: demo test test-extras test-ray check fix docs pictures site dist clean

demo: $(VENV)/.local            ## improve an instruction with a real model on this machine
	$(RUN)llmopt demo

test: $(VENV)/.dev              ## all tests, those on the real local model included
ifeq ($(strip $(ARGS)),)
	$(TESTED)
	$(RUN)pytest -m local_model  # alone: one engine at a time, on all cores
else
	$(RUN)pytest $(ARGS)
endif

test-extras: $(EXTRAS)/.dev ## the tests of libraries that .venv has not: any-llm, DSPy, Inspect …
	$(EXTRAS)/bin/pytest -rs -m "not local_model" $$(grep -rlE 'importorskip|find_spec' tests) $(ARGS)

test-ray: $(RAY)/.dev           ## the tests of sweeps whose cells are done by Ray
	$(RAY)/bin/pytest -rs tests/sweeps/test_ray_workers.py $(ARGS)

check: $(VENV)/.dev             ## format, lint, types, layers, the site, and all tests without the local model
	$(RUN)ruff format --check .
	$(RUN)ruff check .
	$(RUN)mypy
	$(RUN)lint-imports
	NO_MKDOCS_2_WARNING=1 $(RUN)mkdocs build --strict
	$(TESTED)

fix: $(VENV)/.dev               ## format, and mend what the linter can mend
	$(RUN)ruff format .
	$(RUN)ruff check --fix .

docs: $(VENV)/.dev              ## write the generated parts of the documents anew
	LLMOPT_REWRITE_DOCS=1 $(RUN)pytest -m "not local_model" tests/docs

pictures: $(VENV)/.dev          ## draw the pictures of the documents anew; needs Chromium
	$(RUN)python benchmarks/pictures.py

site: $(VENV)/.dev              ## build the documentation as a site, in site/
	NO_MKDOCS_2_WARNING=1 $(RUN)mkdocs build --strict

dist: $(VENV)/.dev $(TWINE)/bin/python ## build what is published, in dist/, and check it
	rm -rf dist
	$(RUN)python -m hatchling build -t wheel -t sdist
	$(TWINE)/bin/python -m pip --disable-pip-version-check --quiet install twine
	$(TWINE)/bin/twine check --strict dist/*

clean:                          ## remove everything that these targets make
	rm -rf $(VENV) $(EXTRAS) $(RAY) $(TWINE) build dist site .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis

# A Debian without python3-venv cannot put pip into an environment; its own pip can.
$(VENV)/bin/python $(EXTRAS)/bin/python $(RAY)/bin/python $(TWINE)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit("llmopt needs Python 3.11 or newer; make PYTHON=… names one") if sys.version_info < (3, 11) else None'
	@if $(PYTHON) -c 'import ensurepip' 2>/dev/null; then $(PYTHON) -m venv $(@:/bin/python=); else \
		$(PYTHON) -m venv --without-pip $(@:/bin/python=) && \
		$(PYTHON) -m pip --quiet --python $@ install pip; fi

$(VENV)/.local: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Installing llmopt and its local model engine into $(VENV) …"
	$(PIP) install -c constraints.txt -e '.[local]'
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Installing llmopt and everything its checks need into $(VENV) …"
	$(PIP) install -c constraints.txt -e '.[dev]'
	touch $@ $(VENV)/.local

# DSPy's libraries want an older python-dateutil than the pinned one, Inspect's an older fsspec.
$(EXTRAS)/.dev: pyproject.toml constraints.txt Makefile | $(EXTRAS)/bin/python
	@echo "Installing llmopt and the libraries that some users bring into $(EXTRAS) …"
	grep -vE '^(python-dateutil|fsspec)=' constraints.txt > $(EXTRAS)/constraints.txt
	$(EXTRAS)/bin/python -m pip --disable-pip-version-check --quiet install \
		-c $(EXTRAS)/constraints.txt -e '.[dev,anyllm,datasets,dspy,inspect,mcp,mlflow,wandb]' \
		ipykernel langchain-core nbclient openai pandas polars
	touch $@

# Ray brings many libraries, and a server of its own.
$(RAY)/.dev: pyproject.toml constraints.txt | $(RAY)/bin/python
	@echo "Installing llmopt and Ray into $(RAY) …"
	$(RAY)/bin/python -m pip --disable-pip-version-check --quiet install \
		-c constraints.txt -e '.[dev,ray]'
	touch $@
