# Each target sets the checkout up first, when that is needed. Only Python >= 3.11 and make have to be there.
PYTHON ?= python3
BIN := .venv/bin
SET_UP := "$(PYTHON)" -I cli/bootstrap.py

.PHONY: help up test test-faults lint kafka setup clean has-python

help: ## Show the targets
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 22

up: has-python ## Run everything: Kafka, Postgres and all services
	@$(SET_UP) run
	@exec $(BIN)/concord up

# Tests wait for Kafka and Postgres more than they work: several at once, each worker with its own.
# Those that break things wait the longest.
AT_ONCE ?= 3
FAULTS_AT_ONCE ?= 4
SHARED_OUT := --dist loadfile --no-loadscope-reorder

test: setup ## Lint, and all tests but the long ones
	@status=0; $(MAKE) --no-print-directory -j2 lint kafka || status=1; \
	$(BIN)/python -m pytest --ignore=tests/faults -n $(AT_ONCE) $(SHARED_OUT) || status=1; exit $$status

test-faults: kafka ## The tests that break things on purpose, and the long ones
	@$(BIN)/python -m pytest tests/faults -n $(FAULTS_AT_ONCE) $(SHARED_OUT)

lint: setup ## Style, types and the rules on imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Tests start it a hundred times: once it is trained, for half the CPU time.
kafka: setup
	@$(BIN)/python -m tests.support.train_kafka

setup: has-python ## Set up for development and tests
	@$(SET_UP) test

clean: ## Remove what was set up and built; not the data of the embedded parts
	rm -rf .venv build *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis \
		.schemathesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

has-python:
	@command -v "$(PYTHON)" >/dev/null || { echo "concord: there is no $(PYTHON) here: install Python 3.11 or newer, or name one: make PYTHON=/path/to/python3" >&2; exit 1; }
