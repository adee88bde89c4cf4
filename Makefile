# What there is to do here. `make` alone lists it.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: help setup setup-tests demo kafka test check accuracy bench soak clean

help: ## this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(READY) ## make .venv with the locked versions (again only when they change)

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "mailwake needs Python 3.11 or newer, with venv, as python3 (or: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS))"; exit 1; }
	@echo "== making .venv (once; downloads about 400 MB)"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --config-settings editable_mode=compat -e .
	@touch $(READY)

setup-tests: setup ## fetch promtool, which checks the alert rules (Debian; else says what to install)
	@PATH="$$PATH:$(BIN)" command -v promtool >/dev/null || deploy/fetch-promtool $(BIN)/promtool

demo: setup ## simulate 30 days of 50 domains, run the pipeline, show what came of it
	@$(BIN)/mailwake demo

kafka: setup ## a Kafka broker on 127.0.0.1:9092 until Ctrl-C (needs Java 17 and Maven; PORT=9092)
	@$(BIN)/python -m deploy.kafka.broker --port $(or $(PORT),9092)

test: setup-tests check ## every check and every test
	@echo "== tests, in three processes; those that take longest come early"
	@$(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder --ignore tests/test_import_arrows.py

check: setup ## style, types, schemas
	@echo "== ruff"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@echo "== mypy --strict"
	@$(BIN)/mypy
	@echo "== schemas and import arrows"
	@$(BIN)/mailwake schemas check
	@echo "== rules of classification"
	@$(BIN)/mailwake rules lint
	@$(BIN)/pytest tests/test_import_arrows.py

accuracy: setup ## how often mails are read and failures judged as people did (../shared/corpora where it is)
	@$(BIN)/python tests/accuracy/table.py

bench: setup ## measure: bench/*.py, each prints a table
	@for bench in bench/*.py; do echo "== $$bench"; $(BIN)/python $$bench || exit 1; done

soak: setup ## the long form of the crash tests (ROUNDS=200)
	@$(BIN)/pytest -m soak --override-ini addopts='-ra --import-mode=importlib' --rounds $(or $(ROUNDS),200)

clean: ## remove .venv and caches, not data
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
