# Everything sets itself up: `make demo` and `make test` work on a fresh machine with Python >= 3.10.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Only what is imported is compiled to bytecode, when it is: half the time of an installation.
INSTALL := $(BIN)/python -m pip install -q --no-compile --disable-pip-version-check \
	-c constraints.txt
unexport PYTHONDONTWRITEBYTECODE

# A stamp file for each set of packages: installing happens again when these files change.
RUNTIME := $(VENV)/.stamp-runtime
DEV := $(VENV)/.stamp-dev

# Silences an advertisement of mkdocs-material.
export NO_MKDOCS_2_WARNING := 1

ifndef TOGETHER
.NOTPARALLEL:
endif
.PHONY: help venv demo test check quick lint types imports docs unit format bench clean
.DEFAULT_GOAL := help

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 10

venv: $(DEV) ## an environment for development in .venv

demo: $(RUNTIME) ## a talking video of a real portrait: out/demo.mp4
	@mkdir -p out
	$(BIN)/joyvasa demo -o out/demo.mp4

# What does not run the tests uses one processor: two of these at once. Any that fails ends it.
test: $(DEV) ## everything continuous integration checks
	$(MAKE) --no-print-directory TOGETHER=1 -j 2 types docs lint imports
	$(MAKE) --no-print-directory unit

check: lint types imports quick ## an answer in two minutes: all but the docs and the slow tests

lint: $(DEV) ## style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(DEV) ## strict types
	$(BIN)/mypy

imports: $(DEV) ## rooms import only rooms below them
	$(BIN)/lint-imports

docs: $(DEV) ## the documentation in site/, broken links are errors
	$(BIN)/mkdocs build --strict --quiet

unit: $(DEV) ## the tests alone
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

quick: $(DEV) ## the quick tests alone
	$(BIN)/python -m pytest -q -m "not slow" -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

format: $(DEV) ## mend what can be mended without a person
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(DEV) ## timings of the main job on this machine
	$(BIN)/python benchmarks/main_job.py

clean: ## remove everything that was made
	rm -rf $(VENV) out site dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(RUNTIME): pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL) -e .
	@touch $@

$(DEV): pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL) -e ".[dev,docs]"
	@touch $@ $(RUNTIME)
