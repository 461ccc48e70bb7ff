# Every target makes the environment it needs: Python 3.11 or newer is all that has to be there.
#   make demo PYTHON=/path/to/python3.12     when the right Python is not found by itself

VENV := .venv
BIN := $(VENV)/bin
MADE_FROM := pyproject.toml constraints.txt

.DEFAULT_GOAL := help
.PHONY: help demo test test-all check bench bench-race clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/.installed ## train a masked language model on the texts of this machine, about 5 minutes
	$(BIN)/unmask pretrain demo --again

test: $(VENV)/.installed-dev ## the tests, without the slow ones
	$(BIN)/python -m pytest -n 2 -m "not slow"

test-all: $(VENV)/.installed-dev ## all tests
	$(BIN)/python -m pytest -n 2

check: $(VENV)/.installed-dev ## formatting, lint and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python

bench: $(VENV)/.installed-dev ## the benchmarks; results go to benchmarks/results
	$(BIN)/python -m benchmarks

bench-race: $(VENV)/.installed-dev ## held-out loss against the clock beside others' code: TEXTS=folder, RACE="--only B,ours"
	$(BIN)/python -m benchmarks.race $(TEXTS) $(RACE)

clean: ## the environment and the caches; runs and stores stay
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.made:
	@python=; \
	for name in $(PYTHON) python3.11 python3 python3.12 python3.13; do \
		if $$name -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python=$$name; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
		echo "error: Python 3.11 or newer was not found; install it, or name it: make PYTHON=/path/to/python" >&2; exit 1; \
	fi; \
	echo "making $(VENV) with $$python; the first installation takes some minutes"; \
	$$python -m venv $(VENV)
	@touch $@

$(VENV)/.installed: $(MADE_FROM) | $(VENV)/.made
	$(BIN)/python -m pip install --quiet -c constraints.txt -e .
	@touch $@

# What the tests need includes what the demo needs, so this stamp makes the other one too.
$(VENV)/.installed-dev: $(MADE_FROM) | $(VENV)/.made
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	@touch $(VENV)/.installed $@
