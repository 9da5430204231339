# `make demo` and `make test` work on a fresh machine with Python >= 3.11, make and git.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PACKAGES := platform training serving

.PHONY: help setup demo test quick check format serve bench constraints clean

help:  ## Say what there is to make
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: $(READY)  ## Make .venv with everything that is needed

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else f"Python 3.11 or later is needed; {sys.executable} is {sys.version.split()[0]}. Name another: make PYTHON=python3.12 ...")'
	@if command -v uv >/dev/null 2>&1; then \
		echo "Setting up $(VENV) with uv"; \
		uv venv --quiet --allow-existing --python $(PYTHON) $(VENV) && \
		uv pip install --quiet --python $(BIN)/python -c constraints.txt -e '.[all]'; \
	else \
		echo "Setting up $(VENV) with pip; the packages take a few minutes"; \
		$(PYTHON) -m venv $(VENV) && \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[all]'; \
	fi
	@touch $(READY)

demo: $(READY)  ## Run the main job: load a real shop, train, serve, prove
	@$(BIN)/storekeeper demo

test: $(READY)  ## Run all tests, in parallel
	@$(BIN)/python -m pytest -n auto --dist worksteal

quick: $(READY)  ## Run the tests that take less than a few seconds
	@$(BIN)/python -m pytest -n auto --dist worksteal -m 'not slow'

check: $(READY)  ## Check format, lint, types and the direction of imports
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

format: $(READY)  ## Format and mend what can be mended by itself
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

serve: $(READY)  ## Serve predictions on this machine
	@$(BIN)/storekeeper serve

bench: $(READY)  ## Measure retrieval against its alternatives; ARGS="--large" for the full sizes
	@$(BIN)/python -m benchmarks.point_in_time $(ARGS)

constraints:  ## Renew constraints.txt from a fresh environment
	@rm -rf $(VENV).fresh && $(PYTHON) -m venv $(VENV).fresh
	@$(VENV).fresh/bin/python -m pip install --quiet -e '.[all]'
	@{ head -n 1 constraints.txt; $(VENV).fresh/bin/python -m pip freeze --exclude-editable; } > constraints.txt.new
	@mv constraints.txt.new constraints.txt && rm -rf $(VENV).fresh

clean:  ## Remove the environment and everything that the platform wrote
	@rm -rf $(VENV) data
