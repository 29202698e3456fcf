# Each target sets the checkout up first, if that is needed. Only Python >= 3.11 and make have to be installed.
PYTHON ?= python3
BIN := .venv/bin
# The stamps of a finished set-up. They are named after the folder: a checkout that was moved is set up again.
STAMP := .venv/set-up-$(shell pwd | cksum | cut -d " " -f 1)
# Made again with each new lock, and when the Python that it was made with is gone.
SET_UP_FROM := requirements/setup.txt pyproject.toml cli/bootstrap.py $(BIN)/python

.PHONY: help up test test-faults lint kafka setup clean has-python

help: ## Show the targets
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 22

up: $(STAMP)-run ## Run everything: Kafka, Postgres and all services
	@exec $(BIN)/concord up

# Two at once, each worker with its own servers. With more of them on two cores, tests that flood the product or
# upload gigabytes starve the tests beside them, whose calls then miss their deadlines.
AT_ONCE ?= 2
FAULTS_AT_ONCE ?= 2
SHARED_OUT := --dist loadfile --no-loadscope-reorder

test: setup ## Lint, and all tests but the long ones
	@status=0; $(MAKE) --no-print-directory -j2 lint kafka || status=1; \
	$(BIN)/python -m pytest --ignore=tests/faults -n $(AT_ONCE) $(SHARED_OUT) || status=1; exit $$status

test-faults: kafka ## The tests that break things on purpose, and the long ones
	@$(BIN)/python -m pytest tests/faults -n $(FAULTS_AT_ONCE) $(SHARED_OUT)

lint: setup ## Style, types, the rules on imports, and English
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.support.english

# Tests start Kafka a hundred times; with a trained cache of its classes, in half the CPU time.
kafka: setup
	@$(BIN)/python -m tests.support.train_kafka

setup: $(STAMP)-test ## Set up for development and tests

# The test lock holds all of the run lock.
$(STAMP)-test: requirements/run.txt
$(STAMP)-run $(STAMP)-test: $(STAMP)-%: requirements/%.txt $(SET_UP_FROM) | has-python
	@"$(PYTHON)" -I cli/bootstrap.py $* $@
	@touch $(STAMP)-run

$(BIN)/python: ;

clean: ## Remove what was set up and built, but no data of the embedded infrastructure
	rm -rf .venv build *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis \
		.schemathesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

has-python:
	@command -v "$(PYTHON)" >/dev/null || { echo "concord: there is no $(PYTHON) on this machine: install Python 3.11 or newer, or name one: make PYTHON=/path/to/python3" >&2; exit 1; }
