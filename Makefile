# Two commands do everything: `make try` and `make test`. Both make the environment first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.stamp

.PHONY: try test test-full test-tools tools lint golden clean

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[test]"
	touch $@

try: $(STAMP)
	$(BIN)/kaiming-mcp try critique_architecture architecture=@examples/plain_mlp20.txt

test: $(STAMP)
	$(BIN)/python -m pytest -m "not full and not tools"

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

clean:
	rm -rf $(VENV) dist build .pytest_cache .ruff_cache .hypothesis
