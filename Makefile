# `make demo` shows the main job, `make test` checks everything. Both need only Python 3.11 or newer and make.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin

.PHONY: demo test lint types layers codegen-check pytest soak bench sdk catalogue clean

demo: .venv/.runtime
	$(BIN)/deluge-sync demo --output results.jsonl

test: lint types layers codegen-check pytest

lint: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/.dev
	$(BIN)/mypy

layers: .venv/.dev
	$(BIN)/lint-imports

codegen-check: .venv/.dev
	$(BIN)/python -m codegen --check

pytest: .venv/.dev
	$(BIN)/pytest

# The fault tests in their whole size, with figures; about twenty-five minutes.
soak: .venv/.dev
	$(BIN)/python benchmarks/soak.py

# Side by side with the alternatives, each in an environment of its own; writes benchmarks/results.md. About half an hour.
bench: .venv/.runtime
	$(BIN)/python benchmarks/compare

# Regenerate deluge_sync/sdk/<provider>/ after a change of schemas/ or codegen/.
sdk: .venv/.dev
	$(BIN)/python -m codegen

# Rebuild deluge_sync/models/catalogue/ from a table of prices and limits: make catalogue MODELS_CSV=models.csv
catalogue: .venv/.dev
	$(BIN)/python -m codegen.catalogue $(MODELS_CSV)

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/.runtime: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

# A package of an older wire generation, as another judge: it cannot be installed beside the newer one.
.venv/judges/anthropic-0.76: | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --target $@ anthropic==0.76.0
	touch $@

.venv/.dev: pyproject.toml .venv/judges/anthropic-0.76 | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@ .venv/.runtime
