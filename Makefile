# Everything a fresh machine with Python >= 3.10 and make needs. `make help` lists the targets.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Tests wait half of their time, so there is one file of them more under way than cores. TEST_JOBS=0: one after the
# other, in this process.
TEST_JOBS ?= $(shell echo $$(( $$(getconf _NPROCESSORS_ONLN) + 1 )))
SERVICES := video_assets_tests/services/services

.DEFAULT_GOAL := help
.PHONY: help install demo test test-slow lint bench bench-services services services-stop services-docker lock image clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(STAMP) ## create .venv with the locked versions; does nothing when it is up to date

# uv where there is one (seconds), else pip (a minute); both refuse a file whose hash is not in the lock.
$(STAMP): requirements.lock setup.py
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] < (3, 14))' 2>/dev/null || { \
	  echo "video-assets needs Python 3.10 to 3.13 as $(PYTHON); choose another: make install PYTHON=python3.11" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { \
	  echo "$(PYTHON) cannot create an environment; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@if command -v uv >/dev/null; then \
	  uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements.lock && \
	  uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .; \
	else \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock && \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .; \
	fi
	@touch $@

demo: install ## start everything, put the sample video in, watch it become searchable
	@$(BIN)/video-assets demo

test: install ## every test this machine can run (REQUIRE_SERVICES=1: a missing service is a failure)
	@$(BIN)/pytest --numprocesses $(TEST_JOBS) --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

test-slow: install ## what is too long for every change
	@$(BIN)/pytest -m slow --timeout=900 $(PYTEST_ARGS)

lint: install ## style, types, and the arrows between packages
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports
	@$(BIN)/mypy

bench: install ## measure the overhead per run, and write the figures down
	@$(BIN)/python -m video_assets_tests.benchmarks

bench-services: install ## measure against the real servers, and write the figures down
	@$(BIN)/python -m video_assets_tests.benchmarks --services

services: ## start every server the tests can use, and print where they are (the first time: minutes)
	@$(SERVICES) up
	@$(SERVICES) env

services-stop: ## stop them
	@$(SERVICES) down

services-docker: ## the same servers as containers; they go with `docker compose -f docker/compose.services.yaml down -v`
	@docker compose -f docker/compose.services.yaml up --detach --wait
	@sed '/^#/d; s/^/export /' docker/services.env

image: ## the container image that docker/compose.yaml runs
	docker build --file docker/Dockerfile --tag video-assets .

# Everything but what the developers need beside it goes into the image: the second lock is part of the first.
UV_LOCK := uv pip compile --quiet --generate-hashes --no-strip-extras --universal --no-header --no-annotate --python-version 3.10
lock: ## write both locks anew, after a change in setup.py (wants uv)
	@$(UV_LOCK) --extra dev --output-file requirements.lock setup.py >/dev/null
	@$(UV_LOCK) --constraints requirements.lock --output-file docker/requirements.lock setup.py >/dev/null

clean: ## remove the environment and every cache; your data/ stays
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find video_assets video_assets_tests -name __pycache__ -type d -prune -exec rm -rf {} +
