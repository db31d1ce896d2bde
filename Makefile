# Everything a person or CI does with this repository. `make help` lists it.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.locked
DEMO := build/demo
SOURCES := elasticdf partitioner codegen models tests bench

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help setup demo test test-slow test-campaign check fmt golden bench pictures docs lock clean

help:  ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

setup: $(STAMP)  ## Make .venv with the locked packages and the elasticdf command

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "elasticdf needs Python 3.11 or newer; set PYTHON=/path/to/python3.11" >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) \
	  || { echo "the venv module of $(PYTHON) is missing; on Debian install python3-venv" >&2; exit 2; }
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

demo: setup  ## MobileNetV1 -> 2 x U280 -> build project -> emulated binaries -> artifact -> run, bit-exact
	$(BIN)/elasticdf demo --output $(DEMO)

test: setup  ## Run the tests (longer proofs are left to test-slow and test-campaign)
	$(BIN)/python -m pytest -q -rs -m "not slow and not campaign"

test-slow: setup  ## Run the proofs that take minutes
	$(BIN)/python -m pytest -q -rs -m slow

test-campaign: setup  ## Run the proofs that take tens of minutes or a quick, idle machine
	$(BIN)/python -m pytest -q -rs -m campaign

check: setup  ## Format, lint, types, import contracts
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports

fmt: setup  ## Format and mend what the linter can
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

golden: setup  ## Record the golden files again
	ELASTICDF_RECORD_GOLDEN=1 $(BIN)/python -m pytest -q -p no:randomly tests/golden

bench: setup  ## Print the benchmark tables (ratios in one run)
	for script in bench/*.py; do $(BIN)/python -m bench.$$(basename $$script .py); done

pictures: setup  ## Make the pictures of README and docs again (needs Chromium)
	$(BIN)/python -m tests.pictures

lock: setup  ## Resolve requirements.lock again from pyproject.toml
	$(BIN)/python -m pip install --quiet pip-tools
	$(BIN)/pip-compile --quiet --allow-unsafe --generate-hashes --no-emit-index-url --no-emit-trusted-host \
	  --no-emit-options --no-header --strip-extras --extra dev --extra explore --extra images --extra mlperf \
	  --output-file requirements.lock pyproject.toml

clean:  ## Remove what was built, keep .venv
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
