# Two commands matter: `make demo` and `make test`. Both install all they need into .venv first.
.DEFAULT_GOAL := help
.PHONY: help install demo test lint types imports docs docs-check format clean
BIN := .venv/bin
ARGS ?=
PYTEST_ARGS ?= -n 2

help: ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

.venv/.installed: pyproject.toml constraints.txt tools/install.sh
	@PYTHON="$(PYTHON)" tools/install.sh

.venv/.installed-dev: pyproject.toml constraints.txt tools/install.sh
	@PYTHON="$(PYTHON)" tools/install.sh dev

install: .venv/.installed-dev ## make .venv with everything in it

demo: .venv/.installed ## run the main job on embedded parts; ARGS='--once --yes --json' for machines
	@$(BIN)/flowforge demo $(ARGS)

test: .venv/.installed-dev lint types imports docs-check ## everything CI runs
	@$(BIN)/pytest $(PYTEST_ARGS)

lint: .venv/.installed-dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: .venv/.installed-dev
	@$(BIN)/mypy

imports: .venv/.installed-dev
	@$(BIN)/lint-imports

docs: .venv/.installed-dev ## write the generated pages anew
	@$(BIN)/python -m app.docs

docs-check: .venv/.installed-dev
	@$(BIN)/python -m app.docs --check

format: .venv/.installed-dev ## put the code into its form
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

clean: ## remove what was installed and cached
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
