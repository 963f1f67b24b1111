# The whole of it in two commands: `make demo` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
SERVICES := video_assets_tests/services/services

.DEFAULT_GOAL := help
.PHONY: help install demo test test-slow lint bench services services-stop clean

help: ## Show the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

install: $(STAMP) ## Create .venv with the locked dependencies and the command

$(STAMP): requirements.lock setup.py
	@$(PYTHON) -c 'import sys; sys.exit(0 if (3, 10) <= sys.version_info < (3, 14) else "make: Python 3.10 to 3.13 is needed; name one with make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	@if command -v uv >/dev/null; then \
	  uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock; \
	else $(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock; fi
	$(BIN)/pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $(STAMP)

demo: install ## See a video go all the way round, through the real daemon
	$(BIN)/video-assets demo

test: install ## Run every test that this machine can run (REQUIRE_SERVICES=1: fail where a server is missing)
	$(BIN)/pytest

test-slow: install ## Run what is too long for every change
	$(BIN)/pytest -m slow

lint: install ## Style, import arrows, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/lint-imports --no-cache
	$(BIN)/mypy

bench: install ## Measure overheads as ratios; prints a table and writes JSON
	$(BIN)/python -m video_assets_tests.benchmarks

services: ## Start the real servers for tests
	$(SERVICES) up

services-stop: ## Stop them
	$(SERVICES) down

clean: ## Remove what was built and the data of the demo
	rm -rf .venv build dist data *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
