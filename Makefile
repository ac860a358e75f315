# Two commands do everything: `make try` and `make test`. Both make the environment first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.stamp

.PHONY: try test test-full test-tools tools lint golden readme bundle clean requirements check-image app app-pictures app-screenshots docs-pictures

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[test]"
	touch $@

try: $(STAMP)
	$(BIN)/kaiming-mcp try critique_architecture architecture=@examples/plain_mlp20.txt

# Files of tests share the processors; each stays whole, for servers that its tests share.
test: $(STAMP)
	$(BIN)/python -m pytest -m "not full and not tools" -n auto --dist loadfile

$(VENV)/.stamp-full: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[full]"
	touch $@

test-full: $(VENV)/.stamp-full
	$(BIN)/python -m pytest -m full

# The programs that the server is checked with: npm packages here, Debian packages where apt-get may install them.
tools: $(VENV)/.stamp-tools
$(VENV)/.stamp-tools: $(STAMP) tests/tools/package.json tests/tools/debian.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[tools]"
	tests/tools/install.sh
	touch $@

test-tools: tools
	-$(MAKE) --silent app/node_modules/.stamp
	$(BIN)/python -m pytest -m tools -rs

$(VENV)/.stamp-lint: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[lint]"
	touch $@

lint: $(VENV)/.stamp-lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python

golden: $(STAMP)
	$(BIN)/python -m pytest tests/diagnosis -k golden --update-golden -m "not full and not tools"

# The clients' part of the README, from src/kaiming_mcp/clients/table.py.
readme: $(STAMP)
	$(BIN)/python -m kaiming_mcp.clients.readme

# The page of the MCP App, src/kaiming_mcp/app/signal.html, from app/src; needs npm. The tests hold it to its sources.
app: app/node_modules/.stamp
	cd app && npm run --silent build

app/node_modules/.stamp: app/package.json app/package-lock.json
	cd app && npm ci --no-audit --no-fund --silent
	touch $@

# What the page is tested with: documents by the server, then pictures of the page. Look at them before you commit.
app-pictures: $(STAMP)
	$(BIN)/python tests/app/make_pictures.py

app-screenshots: app tools
	RENEW_SCREENSHOTS=1 node --test tests/app/screenshots.test.mjs

# The pictures of docs/, by the commands that the pages show.
docs-pictures: $(STAMP)
	$(BIN)/python tests/docs/pages.py

# The extension for Claude Desktop, dist/kaiming-mcp-VERSION.mcpb; needs npm.
bundle:
	bundle/pack.sh

# The versions that the image is made of, fixed by hashes: after a change of the dependencies, or to renew them.
COMPILE := --quiet --universal --upgrade --python-version 3.11 --generate-hashes --no-annotate \
  --custom-compile-command 'make requirements'
requirements: tools
	$(BIN)/uv pip compile $(COMPILE) --extra telemetry --output-file deploy/image/requirements.txt pyproject.toml
	$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")' | \
	$(BIN)/uv pip compile $(COMPILE) --output-file deploy/image/build-requirements.txt -

# Builds the image without a Docker engine and runs it: Debian, as root.
check-image: tools
	$(BIN)/python tests/container/build_and_check.py

clean:
	rm -rf $(VENV) dist build .pytest_cache .ruff_cache .hypothesis
