# Everyday commands. Each installs what it needs; `make demo` and `make test` are all a newcomer needs.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
MANIFEST := dbt_project/target/manifest.json
CLI := $(BIN)/energy-assets
KAGGLE := $(VENV)/tools/kaggle
KAGGLE_SET := ziya07/smart-meter-electricity-consumption-dataset
DOWNLOADS := data/kaggle
LOCKED := --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --no-emit-index-url --upgrade
JUPYTER := $(VENV)/tools/jupyter
AUDIT := $(VENV)/tools/audit
COMPOSE := docker compose
DOCS := $(VENV)/tools/docs
HOOKS := $(VENV)/tools/hooks

# Some environments forbid bytecode; every start would then compile everything anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help install demo up down status ui dashboards dashboards-down dashboards-export metrics notebooks notebooks-clear doctor test test-all test-e2e test-rules pages bench ge-profile download-data download-data-manual lint format lock clean clean-all bench-vee bench-forecast bench-detection bench-campaigns chaos soak fuzz audit sbom docker-env docker-up docker-down docker-ps docker-logs docker-build docs docs-serve
.PHONY: setup build restart ps logs ingest pipeline dbt-deps dbt-run dbt-test dbt-build dbt-docs dbt-clean ge-init ge-run ge-docs documents hooks types needs-compose

help: ## Show this list
	@grep -hE '^[a-z0-9-]+:.*?## ' $(MAKEFILE_LIST) | awk 'BEGIN {FS = ":.*?## "} {printf "  make %-20s %s\n", $$1, $$2}'

install: $(INSTALLED) $(MANIFEST) ## Install into .venv, from the lock, with hashes

$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=python3.12 …"; exit 1; }
	@echo "installing into $(VENV): a minute or two"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@started=$$SECONDS; \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock && \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable . && \
	  $(BIN)/python -m compileall -q -j 0 energy_assets ml quality_suites && \
	  echo "installed in $$((SECONDS - started)) s"
	@touch $@

$(MANIFEST): $(INSTALLED) $(shell find dbt_project/models dbt_project/macros dbt_project/seeds dbt_project/tests dbt_project/*.yml -type f)
	@$(BIN)/dbt --quiet parse --project-dir dbt_project --profiles-dir dbt_project
	@touch $@

setup: install ## Install: there is nothing else to set up, a home makes its own stores, passwords and folders
	@echo "set up. next: make demo, or make ingest DATA=DIR"

build: install ## Install: nothing else is built, dbt's manifest is made with it
	@echo "built: nothing else is to be"

demo: install ## Do the whole job once and show the result; DATA=DIR takes your own deliveries
	@$(CLI) demo $(if $(DATA),--data "$(DATA)")

up: install ## Start the stores of the current home
	@$(CLI) up

down: ## Stop the stores of the current home, and what runs on them
	@$(CLI) down

restart: install ## Stop the stores of the current home, and start them again
	@$(CLI) down
	@$(CLI) up

status: install ## Show the stores
	@$(CLI) status

ps: status ## The same as status

logs: install ## Show the end of a program's log: LOG=postgres (LOG=events: of everything, as JSON), TAIL=50 lines
	@$(CLI) logs $(if $(LOG),"$(LOG)") $(if $(TAIL),-n "$(TAIL)")

ingest: install ## Deliver DATA=DIR into the current home, and run the days that it touches
	@test -n "$(DATA)" || { echo "make ingest DATA=DIR (a folder of deliveries, or one file)"; exit 1; }
	@$(CLI) ingest "$(DATA)"

pipeline: install ## Land what waits in the current home, and run every day that is owed
	@$(CLI) resume

ui: install ## Serve Dagster's page, sensors and schedules
	@$(CLI) ui

dashboards: install ## Serve the dashboards: Superset in an environment of its own, in the background
	@$(CLI) dashboards

dashboards-down: ## Stop Superset; the stores go on
	@$(CLI) dashboards --down

# JupyterLab has a place of its own, for a hundred packages that nothing else needs; the kernel is the project's.
$(JUPYTER)/bin/jupyter-lab: $(INSTALLED)
	@echo "installing JupyterLab into $(JUPYTER)"
	@$(PYTHON) -m venv $(JUPYTER) && $(JUPYTER)/bin/python -m pip install --quiet --disable-pip-version-check "jupyterlab>=4.4,<5"
	@$(BIN)/python -m ipykernel install --prefix $(JUPYTER) --name python3 >/dev/null
	@touch $@

dashboards-export: install ## Write what was changed in Superset into the files of dashboards/superset
	@$(CLI) dashboards --export

notebooks: install ## Open the notebooks on the current home, in JupyterLab
	@$(CLI) up
	@$(MAKE) --no-print-directory $(JUPYTER)/bin/jupyter-lab
	@ENERGY_HOME="$$(realpath "$${ENERGY_HOME:-.energy}")" $(JUPYTER)/bin/jupyter lab --ServerApp.ip=127.0.0.1 \
	  $$(test "$$(id -u)" != 0 || echo --allow-root) --ServerApp.root_dir=notebooks

notebooks-clear: $(JUPYTER)/bin/jupyter-lab ## Take out of the notebooks what running them left, before a commit
	@$(JUPYTER)/bin/jupyter nbconvert --log-level=ERROR --clear-output --inplace --ClearMetadataPreprocessor.enabled=True \
	  --ClearMetadataPreprocessor.preserve_nb_metadata_mask="{'kernelspec', ('language_info', 'name')}" notebooks/*.ipynb

metrics: install ## Tell Prometheus how the current home is: serve /metrics until interrupted; PORT=N chooses the port
	@$(CLI) metrics $(if $(PORT),--port "$(PORT)")

doctor: install ## Look at the machine and name remedies
	@$(CLI) doctor

test: install ## Test: a sample of every proof, no root, no browser
	@$(BIN)/python -m pytest -m "not full and not e2e" -n 2 --dist worksteal

test-all: install ## Test: every proof in full
	@$(BIN)/python -m pytest -m "not e2e" -n 2 --dist worksteal

test-e2e: install ## Test in a real browser and on a real Prometheus and Redis; needs Debian's chromium, prometheus and redis-server
	@command -v chromium >/dev/null || { echo "make test-e2e needs a browser: apt-get install chromium"; exit 1; }
	@{ command -v prometheus && command -v promtool; } >/dev/null || { echo "make test-e2e needs Prometheus: apt-get install prometheus"; exit 1; }
	@command -v redis-server >/dev/null || { echo "make test-e2e needs Redis: apt-get install redis-server"; exit 1; }
	@$(BIN)/python -m pytest -m e2e

test-rules: ## Test the alert rules; needs Debian's prometheus
	@command -v promtool >/dev/null || { echo "make test-rules needs promtool: apt-get install prometheus"; exit 1; }
	@promtool check config dashboards/prometheus/prometheus.yml && promtool test rules dashboards/prometheus/rules_test.yml

pages: install ## Write Grafana's pages and the table of metrics anew, after a change of their code
	@$(BIN)/python -m dashboards.grafana
	@$(BIN)/python -m energy_assets.monitoring.document

documents: pages ## Write every generated page anew, after a change of what it is written from; none of them measures
	@$(BIN)/python -m energy_assets.operations.dictionary
	@$(BIN)/python -m quality_suites.document
	@$(BIN)/python -m ml.validation.document
	@$(BIN)/python -m energy_assets.landing.document
	@$(BIN)/python -m energy_assets.simulation.document
	@$(BIN)/python tests/support/bad_inputs_document.py
	@$(BIN)/python -m energy_assets.operations.layers
	@$(BIN)/python -m benchmarks.capacity

fuzz: install ## Try the readers of deliveries with random and broken ones; MINUTES=N (60), SEED=N, SHRINK=1 makes failures small
	@$(BIN)/python -W ignore tests/support/fuzzing.py --minutes $(or $(MINUTES),60) $(if $(SEED),--seed $(SEED)) $(if $(SHRINK),--shrink)

bench: install ## Measure beside the bare tools; writes benchmarks/RESULTS.md
	@$(BIN)/python -m benchmarks

bench-vee: install ## Measure validation and estimation on real readings and the simulated city; writes benchmarks/VEE.md
	@$(BIN)/python -m benchmarks.vee

bench-forecast: install ## Measure the load forecast on real and simulated loads; writes benchmarks/FORECAST.md
	@$(BIN)/python -m benchmarks.forecast

bench-detection: install ## Measure theft detection on the city and on real load with attacks; writes benchmarks/DETECTION.md
	@$(BIN)/python -m benchmarks.detection $(if $(HELD_OUT),--held-out)

bench-campaigns: install ## Half a year of weekly visits in a simulated city, through the graph; writes docs/campaigns.md
	@$(BIN)/python -m benchmarks.campaigns

chaos: install ## Kill, fill disks, cut connections, turn the clock, then compare every table; writes docs/reliability.md
	@PYTHONPATH=tests $(BIN)/python -m chaos --write

soak: install ## A simulated day of files every few seconds under the daemon; writes docs/reliability.md
	@PYTHONPATH=tests $(BIN)/python -m chaos.soak --write

# dbt and Great Expectations run inside the graph, which holds each day's lock and gate: none of these goes around it.
DAY_OPTION = $(if $(DAY),--day "$(DAY)")

dbt-deps: ## Nothing to fetch: the dbt project uses no packages
	@echo "dbt_project/ uses no packages: its macros are its own, and make install installs dbt itself"

dbt-run: install ## Run the layers that dbt writes of a day, with every gate: DAY=YYYY-MM-DD (the newest)
	@$(CLI) materialize $(DAY_OPTION) --select staging,intermediate,marts,quality
	@echo "what reads these tables (scores, ClickHouse) is owed now: make pipeline"

dbt-test: install ## Try every model's unit tests, in a home of their own; a day's data tests run with its models
	@echo "unit tests, outside of any home of yours; tests of data run with make dbt-run and are shown as checks in make ui"
	@$(BIN)/python -m pytest tests/integration/test_dbt_project.py

dbt-build: dbt-run ## The same as dbt-run, which runs the tests of the models with them

dbt-docs: install ## Build dbt's documentation of the models, and say where it is
	@$(CLI) up
	@$(CLI) dbt-docs

dbt-clean: ## Remove what dbt compiled, while nothing runs; the next make parses the project again
	@rm -rf dbt_project/target dbt_project/logs

ge-init: ## Nothing to set up: suites are code, in quality_suites/
	@echo "suites are code in quality_suites/; a run makes Great Expectations' context in memory, and keeps verdicts in quality.validation_results"

ge-run: install ## Judge a day at every gate again: DAY=YYYY-MM-DD (the newest)
	@$(CLI) materialize $(DAY_OPTION) --select quality

ge-docs: install ## Build the pages of the verdicts, and say where they are: DAY=YYYY-MM-DD shows that day besides
	@$(CLI) up
	@$(CLI) data-docs $(DAY_OPTION)

ge-profile: install ## Propose a Great Expectations suite from real days: TABLE=schema.table
	@test -n "$(TABLE)" || { echo "make ge-profile TABLE=schema.table (a gated table needs no schema)"; exit 1; }
	@$(CLI) propose-suite "$(TABLE)"

# MkDocs has a place of its own: what it needs is none of the project's business.
$(DOCS)/bin/mkdocs: docs/requirements.lock
	@echo "installing MkDocs into $(DOCS)"
	@$(PYTHON) -m venv $(DOCS) && $(DOCS)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r docs/requirements.lock
	@touch $@

# Not --quiet: mkdocs would then count no warning, and strict mode pass over broken links.
docs: $(DOCS)/bin/mkdocs ## Build the documentation as a site into site/; a broken link fails it
	@NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/mkdocs build
	@echo "file://$(CURDIR)/site/index.html"

docs-serve: $(DOCS)/bin/mkdocs ## Serve the documentation on this machine, and build it anew when a page changes; PORT=N chooses the port
	@NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/mkdocs serve --dev-addr 127.0.0.1:$(or $(PORT),8000)

download-data: ## Fetch the public single-meter file with your own Kaggle token
	@test -n "$$KAGGLE_API_TOKEN$$KAGGLE_KEY" || test -f ~/.kaggle/access_token || test -f "$${KAGGLE_CONFIG_DIR:-$$HOME/.kaggle}/kaggle.json" || { \
	  echo "no Kaggle token: make one at https://www.kaggle.com/settings/api and save it as ~/.kaggle/access_token,"; \
	  echo "or set KAGGLE_API_TOKEN; by hand instead: make download-data-manual"; exit 1; }
	@test -x $(KAGGLE)/bin/kaggle || { echo "installing Kaggle's client into $(KAGGLE)"; $(PYTHON) -m venv $(KAGGLE) && \
	  $(KAGGLE)/bin/python -m pip install --quiet --disable-pip-version-check "kaggle>=2,<3" six; } # it needs six and does not say so
	@$(KAGGLE)/bin/kaggle datasets download $(KAGGLE_SET) --path $(DOWNLOADS) --unzip || { \
	  echo "not downloaded, the last line above says why: is the token valid, the network open? By hand: make download-data-manual"; exit 1; }
	@echo "next: make demo DATA=$(DOWNLOADS)"

download-data-manual: ## Say how to fetch that file by hand
	@echo "1. Open https://www.kaggle.com/datasets/$(KAGGLE_SET), read its licence there, and download the archive."
	@echo "2. Put smart_meter_data.csv from it into $(CURDIR)/$(DOWNLOADS)/"
	@echo "3. make demo DATA=$(DOWNLOADS)"

lint: install ## Check style
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: install ## Check types, strictly
	@$(BIN)/mypy

format: install ## Apply style
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

# Tools of their own place: what they need is none of the project's business.
$(AUDIT)/bin/pip-audit: $(INSTALLED)
	@$(PYTHON) -m venv $(AUDIT) && $(AUDIT)/bin/python -m pip install --quiet --disable-pip-version-check "pip-audit>=2.9,<3" "cyclonedx-bom>=7,<8"
	@touch $@

audit: $(AUDIT)/bin/pip-audit ## Compare all locked dependencies with the known advisories; needs the internet, and fails without
	@for lock in requirements.lock deploy/image/requirements.lock dashboards/superset/requirements.lock docs/requirements.lock; do \
	  $(AUDIT)/bin/pip-audit --requirement $$lock --require-hashes --disable-pip --strict --progress-spinner off || exit 1; done

sbom: $(AUDIT)/bin/pip-audit ## Write what is installed, with versions and licences, as CycloneDX: sbom.cdx.json
	@$(AUDIT)/bin/cyclonedx-py environment $(BIN)/python --pyproject pyproject.toml --output-reproducible --output-format JSON --output-file sbom.cdx.json
	@echo "wrote sbom.cdx.json"

docker-env: ## Write .env for Docker, with new passwords where they are missing: FIRST_DAY=2026-01-01 TIMEZONE=Africa/Douala
	@$(PYTHON) deploy/compose/env.py $(if $(FIRST_DAY),ENERGY_FIRST_DAY=$(FIRST_DAY)) $(if $(TIMEZONE),ENERGY_TIMEZONE=$(TIMEZONE))

docker-up: .env needs-compose ## Start everything in containers and wait until it is well
	@$(PYTHON) deploy/compose/env.py --check
	@$(COMPOSE) up --detach --build --wait

docker-down: .env needs-compose ## Stop the containers; what they hold stays
	@$(COMPOSE) --profile "*" down

docker-ps: .env needs-compose ## Show the containers
	@$(COMPOSE) --profile "*" ps --all

docker-logs: .env needs-compose ## Follow what the containers say; docker-logs-SERVICE one of them
	@$(COMPOSE) --profile "*" logs --follow --tail 200

docker-logs-%: .env needs-compose
	@$(COMPOSE) --profile "*" logs --follow --tail 200 $*

docker-build: .env needs-compose ## Build the images
	@$(COMPOSE) --profile "*" build

needs-compose: ## Say what to install where Docker has no Compose
	@$(COMPOSE) version >/dev/null 2>&1 || { echo "containers need Docker with Compose 2 (docker compose version does not answer): Docker's own packages docker-ce and docker-compose-plugin bring both"; exit 1; }

.env:
	@echo "no .env yet: make docker-env writes it, with new passwords"; exit 1

$(HOOKS)/bin/pre-commit: $(INSTALLED)
	@$(PYTHON) -m venv $(HOOKS) && $(HOOKS)/bin/python -m pip install --quiet --disable-pip-version-check "pre-commit>=4,<5"
	@touch $@

hooks: $(HOOKS)/bin/pre-commit ## Have each commit checked for style, secrets and stale pages before it is made
	@$(HOOKS)/bin/pre-commit install

lock: install ## Lock dependencies anew
	@$(BIN)/uv pip compile pyproject.toml --extra dev $(LOCKED) --output-file requirements.lock
	@$(BIN)/uv pip compile pyproject.toml deploy/image/requirements.in --extra clickhouse-transformations --extra kubernetes --constraint requirements.lock $(LOCKED) --output-file deploy/image/requirements.lock
	@$(BIN)/uv pip compile dashboards/superset/requirements.in $(LOCKED) --output-file dashboards/superset/requirements.lock
	@$(BIN)/uv pip compile docs/requirements.in $(LOCKED) --output-file docs/requirements.lock

clean: ## Remove what building and testing left, while nothing runs; make install makes again what is needed
	@rm -rf dbt_project/target dbt_project/logs .pytest_cache .ruff_cache .mypy_cache .hypothesis site

clean-all: clean ## Also stop and remove every home and the installation
	@test ! -x $(CLI) || $(CLI) down --all
	@rm -rf .energy $(VENV)
