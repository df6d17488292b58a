# Everything sets itself up: `make demo` and `make test` work on a fresh machine with Python >= 3.10.
PYTHON ?= python3
VENV ?= .venv
SUPPLY := .venv-supply
BIN := $(VENV)/bin
# Only what is imported is compiled to bytecode, when it is: half the time of an installation.
INSTALL := $(BIN)/python -m pip install -q --no-compile --disable-pip-version-check \
	-c constraints.txt
UV := $(BIN)/uv pip install -q --no-config --python $(BIN)/python --no-deps
unexport PYTHONDONTWRITEBYTECODE

# A stamp file for each set of packages: installing happens again when these files change.
RUNTIME := $(VENV)/.stamp-runtime
DEV := $(VENV)/.stamp-dev

# Silences an advertisement of mkdocs-material.
export NO_MKDOCS_2_WARNING := 1

ifndef TOGETHER
.NOTPARALLEL:
endif
.PHONY: help venv demo test check quick lint types oldest imports docs unit format bench fuzz kill soak \
	lock sbom audit smoke matrix clean
.DEFAULT_GOAL := help

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 10

venv: $(DEV) ## an environment for development in .venv

demo: $(RUNTIME) ## a talking video of a real portrait: out/demo.mp4
	@mkdir -p out
	$(BIN)/joyvasa demo -o out/demo.mp4

# What does not run the tests uses one processor: two of these at once. Any that fails ends it.
test: $(DEV) ## everything continuous integration checks
	$(MAKE) --no-print-directory TOGETHER=1 -j 2 oldest docs lint imports
	$(MAKE) --no-print-directory unit

check: lint types imports quick ## an answer in two minutes: all but the docs and the slow tests

lint: $(DEV) ## style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(DEV) ## strict types, as this Python has them
	$(BIN)/mypy

oldest: $(DEV) ## strict types, as Python 3.10 has them
	$(BIN)/mypy --python-version 3.10

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

lock: $(BIN)/python ## requirements-ci*.txt anew: what continuous integration installs, with hashes
	$(BIN)/python tools/lock.py

sbom: $(DEV) $(SUPPLY)/.stamp ## a CycloneDX list of everything installed: out/sbom.json
	@mkdir -p out
	$(SUPPLY)/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible \
		--of JSON -o out/sbom.json $(BIN)/python

audit: $(SUPPLY)/.stamp ## known vulnerabilities in what is locked; asks PyPI, needs a network
	@$(SUPPLY)/bin/pip-audit --strict --disable-pip --require-hashes -r requirements-ci.txt || { \
		echo "audit: not passed; either vulnerabilities are listed above, or PyPI did not answer"; \
		exit 1; }

smoke: $(BIN)/uv ## a short check on Python 3.10 with the lowest versions, and on 3.13 with the newest
	$(BIN)/python tools/smoke.py

matrix: ## lint and quick tests on every Python from 3.10 to 3.13 that is there
	$(PYTHON) tools/matrix.py

fuzz: $(DEV) ## thousands of hostile inputs, from where it was stopped: out/fuzz/report.json
	$(BIN)/python -m reliability.fuzz

kill: $(DEV) ## kill -9 at a hundred random moments: out/kill/report.json
	$(BIN)/python -m reliability.kill

soak: $(DEV) ## hours of speech, thousands of frames in one process: out/soak/report.json
	$(BIN)/python -m reliability.soak

clean: ## remove everything that was made
	rm -rf $(VENV) $(SUPPLY) .venv-matrix out site dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

ifdef LOCKED
$(BIN)/uv: | $(BIN)/python
	@grep '^uv==' requirements-ci.txt > $(VENV)/uv.txt
	$(INSTALL) --require-hashes --no-deps -r $(VENV)/uv.txt
else
$(BIN)/uv: | $(BIN)/python
	$(INSTALL) uv
endif

$(RUNTIME): pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL) -e .
	@touch $@

# LOCKED: the very files that requirements-ci*.txt name, as continuous integration has them; torch
# alone is a version. Without it what fits pyproject.toml and constraints.txt. uv unpacks in a
# quarter of pip's time; pip brings uv, by its hash like the rest, and knows where torch is. What is
# compiled is not optimised: that would take a minute, and tests use little of it.
ifdef LOCKED
$(DEV): pyproject.toml constraints.txt requirements-ci.txt requirements-ci-source.txt | $(BIN)/uv
	$(UV) --require-hashes -r requirements-ci.txt
	CFLAGS="-O0 -g0" CXXFLAGS="-O0 -g0" \
		$(UV) --require-hashes --no-build-isolation -r requirements-ci-source.txt
	$(INSTALL) torch
	$(UV) --no-build-isolation -e .
	$(BIN)/uv pip check -q --python $(BIN)/python
	@touch $@ $(RUNTIME)
else
$(DEV): pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL) -e ".[dev,docs]"
	@touch $@ $(RUNTIME)
endif

# Tools that look at the environment from outside, in one of their own.
$(SUPPLY)/.stamp: constraints.txt
	$(PYTHON) -m venv $(SUPPLY)
	$(SUPPLY)/bin/python -m pip install -q --disable-pip-version-check -c constraints.txt \
		cyclonedx-bom pip-audit
	@touch $@
