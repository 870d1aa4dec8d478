# Everything a developer needs. `make` alone lists it.
# Only Python 3.11 or newer, make and a C compiler have to be there; Node comes as a wheel.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8700
PYTEST_WORKERS ?= 2
PYTEST_ARGS ?=

RUN_STAMP := $(VENV)/.installed-run
DEV_STAMP := $(VENV)/.installed-dev
ASSETS := src/tocsin/web/static/dist/manifest.json
FRONTEND := $(shell find frontend -name node_modules -prune -o -type f -print 2>/dev/null)
# other products' clients, which the tests run against Tocsin's doors
CLIENTS := tests/clients/node_modules/.package-lock.json
TEMPLATES := $(shell find src/tocsin -name '*.html' 2>/dev/null)

.DEFAULT_GOAL := help
.PHONY: help run test lint lint-style lint-imports lint-templates lint-types format bench docs assets lock wheel clean
.DELETE_ON_ERROR:

help: ## List what can be made.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile

run: $(RUN_STAMP) $(ASSETS) ## Start everything with a demo company on port 8700 (PORT=...).
	@exec $(BIN)/tocsin up --demo --port $(PORT)

test: $(DEV_STAMP) $(ASSETS) $(CLIENTS) ## Run all tests: unit, invariants, contracts, browser, journeys (PYTEST_ARGS=...).
	$(BIN)/pytest -n $(PYTEST_WORKERS) --dist worksteal $(PYTEST_ARGS)

lint: lint-style lint-imports lint-templates lint-types ## Check style, types, templates and who may import whom.

lint-style: $(DEV_STAMP)
	$(BIN)/ruff check .

lint-imports: $(DEV_STAMP)
	$(BIN)/lint-imports --no-cache

lint-templates: $(DEV_STAMP)
	$(BIN)/djlint --lint --quiet src

lint-types: $(DEV_STAMP)
	$(BIN)/mypy

format: $(DEV_STAMP) ## Bring the code into shape.
	$(BIN)/ruff check --fix --quiet .
	$(BIN)/ruff format .

bench: $(RUN_STAMP) $(ASSETS) ## Measure intake and page latency beside Alertmanager.
	$(BIN)/python -m bench $(BENCH_ARGS)

docs: $(DEV_STAMP) ## Write the reference pages (settings, command line) from the code.
	$(BIN)/python -m tocsin.cli.reference docs/reference

assets: $(RUN_STAMP) ## Build styles and scripts into the package.
	$(BIN)/python hatch_build.py

wheel: $(DEV_STAMP) ## Build the wheel into dist/.
	$(BIN)/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .

lock: $(DEV_STAMP) ## Pin the newest allowed versions of everything, with hashes, in requirements/.
	$(BIN)/pip install --quiet uv
	$(LOCK) --group build -o requirements/run.txt
	$(LOCK) --group dev -c requirements/run.txt -o requirements/dev.txt

LOCK := $(BIN)/uv pip compile pyproject.toml --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-annotate --no-header

$(CLIENTS): tests/clients/package.json tests/clients/package-lock.json | $(RUN_STAMP)
	$(BIN)/python hatch_build.py install tests/clients

clean: ## Remove what was built and installed; data in var/ stays.
	rm -rf $(VENV) dist build frontend/node_modules tests/clients/node_modules src/tocsin/web/static/dist .mypy_cache .ruff_cache .pytest_cache

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed."; exit 1; }
	$(PYTHON) -m venv $(VENV)

# what an installation needs is a part of what development needs: having the latter is enough for both
$(RUN_STAMP): requirements/run.txt pyproject.toml | $(BIN)/python
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/run.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(DEV_STAMP): requirements/dev.txt $(RUN_STAMP)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

$(ASSETS): $(FRONTEND) $(TEMPLATES) hatch_build.py | $(RUN_STAMP)
	$(BIN)/python hatch_build.py
	@touch $@
