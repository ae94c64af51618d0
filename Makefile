# Two commands matter: `make demo` and `make test`. Both install all they need into .venv first.
.DEFAULT_GOAL := help
.PHONY: help install demo demo-cluster test test-cluster crash-matrix image image-offline lint types imports docs docs-check format clean
BIN := .venv/bin
ARGS ?=
# One worker has the cluster, and whatever else is there only once. Tests wait for processes, disks and each other about
# half of their time: one worker more than the two cores of a small machine is what keeps those busy.
PYTEST_ARGS ?= -n 3 --dist loadgroup

help: ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

.venv/.installed: pyproject.toml constraints.txt tools/install.sh
	@PYTHON="$(PYTHON)" tools/install.sh

.venv/.installed-dev: pyproject.toml constraints.txt tools/install.sh
	@PYTHON="$(PYTHON)" tools/install.sh dev

install: .venv/.installed-dev ## make .venv with everything in it

demo: .venv/.installed ## run the main job on embedded parts; ARGS='--once --yes --json' for machines
	@$(BIN)/flowforge demo $(ARGS)

demo-cluster: .venv/.installed-dev ## the same in Jobs of a real Kubernetes of one node, made for it; needs root and Linux
	@$(BIN)/python -m tests.cluster $(BIN)/flowforge demo --runner cluster --context test $(ARGS)

image: .venv/.installed ## build the guest image with podman, docker or buildah
	@$(BIN)/python -m runners.image.build containerfile

image-offline: .venv/.installed ## build the same image from Debian's packages, without an engine or a registry
	@$(BIN)/python -m runners.image.build offline

test: .venv/.installed-dev ## everything CI runs
	@$(MAKE) --no-print-directory -j 2 lint types imports docs-check
	@$(BIN)/pytest $(PYTEST_ARGS)

test-cluster: .venv/.installed-dev ## the tests on a real Kubernetes alone; the first time it is built, which takes minutes
	@$(BIN)/python -m tests.cluster.assets
	@$(BIN)/pytest tests/cluster

crash-matrix: .venv/.installed-dev ## kill the service at every commit and effect, on SQLite and PostgreSQL; one JSON line each
	@$(BIN)/python -m tests.crash $(ARGS)

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
