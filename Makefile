# Everything is installed into .venv (Python) and contracts/node_modules (Node, optional). Nothing needs root.
SHELL := /bin/bash
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	command -v $$p >/dev/null && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
TESTS ?= quick
DEMO ?=
COVERAGE ?= 90

.PHONY: help demo test test-all check format lock contracts bench docs docs-figures clean

help: ## Show this help
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

demo: .venv/.demo ## One model's whole life on a real chain, with evidence in out/ (options: DEMO="--ledger URL")
	$(BIN)/mooring demo --out out $(DEMO)

test: .venv/.dev contracts/node_modules/.stamp ## The tests (TESTS=all for the long ones too)
	$(BIN)/pytest $(if $(filter all,$(TESTS)),,-m "not slow")

test-all: .venv/.dev contracts/node_modules/.stamp ## Every test, with the coverage that the project demands
	rm -f .coverage .coverage.*
	$(BIN)/pytest --cov --cov-report=
	$(BIN)/python -m coverage report --fail-under=$(COVERAGE)
	$(BIN)/python -m coverage report --fail-under=100 --include='*/mooring/records/*,*/mooring/proofs/*,*/mooring/policy/*'

check: .venv/.dev ## Style, types, architecture
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/.dev ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

contracts: contracts/node_modules/.stamp ## Recompile the contracts (needs Node)
	cd contracts && npm run build

bench: .venv/.dev ## The benchmarks, one after another (see docs/benchmarks.md)
	$(BIN)/python benchmarks/run.py

docs: .venv/.dev ## Write docs/cli.md anew from the command tree
	$(BIN)/python tests/docs/cli_reference.py

docs-figures: .venv/.dev ## Fill the pages' tables again from benchmarks/results.json
	$(BIN)/python benchmarks/run.py --render

lock: ## Make the lock files anew from pyproject.toml (needs uv)
	for set in dev demo; do \
		extras="--extra build --extra demo"; constraint="-c locks/dev.txt"; \
		[ $$set = dev ] && extras="$$extras --extra s3 --extra postgres --extra otlp --extra dev" && constraint=""; \
		uv pip compile -q --upgrade --universal --generate-hashes --no-emit-index-url --python-version 3.11 \
			--custom-compile-command "make lock" $$extras $$constraint pyproject.toml -o locks/$$set.txt >/dev/null || exit 1; \
	done

clean: ## Remove everything that was installed or made
	rm -rf .venv contracts/node_modules out .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: sudo apt-get install python3 python3-venv"; exit 1; }
	@$(PYTHON) -m venv .venv || { rm -rf .venv; echo "venv is missing: sudo apt-get install python3-venv"; exit 1; }

.venv/.demo: locks/demo.txt pyproject.toml | .venv/bin/python
	@echo "Installing into .venv (once)"
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r locks/demo.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@

.venv/.dev: locks/dev.txt .venv/.demo
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r locks/dev.txt
	@touch $@

contracts/node_modules/.stamp: contracts/package-lock.json
	@if command -v npm >/dev/null; then cd contracts && npm ci --silent --no-audit --no-fund && touch node_modules/.stamp; \
	else echo "Node.js is not installed: the tests that need it are skipped and counted"; fi
