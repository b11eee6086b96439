# Everything runs from the virtual environment in .venv, which is set up once and again when its inputs change.

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
WORKERS ?= 2
KILLS ?= 500

.DEFAULT_GOAL := help
.PHONY: help venv run test slow faults bench check coverage mutation requirements clean

help: ## print this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

venv: $(STAMP) ## set up .venv with the pinned dependencies

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] < (3, 11))' 2>/dev/null || \
	  { echo "$(PYTHON) is not Python 3.11 or newer; name one: make PYTHON=/path/to/python3.11"; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $(STAMP)

run: $(STAMP) ## the demo: train, backtest and trade on paper, offline, on a simulated market
	$(BIN)/python -m bin.demo

test: $(STAMP) ## all tests but the slow ones
	$(BIN)/python -m pytest -n $(WORKERS) -m 'not slow'

slow: $(STAMP) ## the long campaigns
	$(BIN)/python -m pytest -n $(WORKERS) -m slow

faults: $(STAMP) ## kill the engine at every labelled step and at KILLS random instants, 500 unless given
	$(BIN)/python tests/faults/campaign.py --kills $(KILLS)

bench: $(STAMP) ## measure every budget row and write docs/benchmarks.md, 20 to 30 minutes
	$(BIN)/python -m tests.bench

check: $(STAMP) ## format, lint, types, import layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/test_layers.py

coverage: $(STAMP) ## all tests but the slow ones, with the lines they miss
	$(BIN)/python -m pytest -n $(WORKERS) -m 'not slow' --cov=LIVE_TRADING --cov-report=term-missing:skip-covered

mutation: $(STAMP) ## which small changes to blending, arbitration and sizing no test notices, 20 to 30 minutes of one core
	$(BIN)/python tests/mutation/campaign.py

requirements: $(STAMP) ## which rows of the requirements no test covers
	$(BIN)/python tests/requirements_report.py $(REQUIREMENTS)

clean: ## remove the environment, caches and outputs; state/ is left alone
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage .coverage.* htmlcov out build *.egg-info
	find LIVE_TRADING bin tests -name __pycache__ -type d -prune -exec rm -rf {} +
