# Two commands do everything: `make try` and `make test`. Both make the environment first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.stamp

.PHONY: try test test-full lint golden conformance clean

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[test]"
	touch $@

try: $(STAMP)
	$(BIN)/kaiming-mcp try critique_architecture architecture=@examples/plain_mlp20.txt

test: $(STAMP)
	$(BIN)/python -m pytest -m "not full"

$(VENV)/.stamp-full: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[full]"
	touch $@

test-full: $(VENV)/.stamp-full
	$(BIN)/python -m pytest -m full

$(VENV)/.stamp-lint: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[lint]"
	touch $@

lint: $(VENV)/.stamp-lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python

golden: $(STAMP)
	$(BIN)/python -m pytest tests/diagnosis -k golden --update-golden -m "not full"

clean:
	rm -rf $(VENV) dist build .pytest_cache .ruff_cache .hypothesis
