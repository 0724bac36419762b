PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input

.PHONY: install demo test clean console
.DEFAULT_GOAL := install

install: .venv/installed

demo: install
	$(BIN)/semantic-fabric demo

test: .venv/installed-test
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n 2

# Fetches the console's files anew, at the versions that are named here.
console:
	@command -v npm >/dev/null || { echo "npm is needed: apt-get install npm" >&2; exit 1; }
	folder=$$(mktemp -d) && npm install --prefix "$$folder" --no-audit --no-fund --no-save --legacy-peer-deps \
	  graphiql@4.1.2 react@18.3.1 react-dom@18.3.1 && \
	  cp "$$folder"/node_modules/graphiql/graphiql.min.js "$$folder"/node_modules/graphiql/graphiql.min.css \
	  "$$folder"/node_modules/react/umd/react.production.min.js \
	  "$$folder"/node_modules/react-dom/umd/react-dom.production.min.js graphql_api/graphiql/assets/ && rm -r "$$folder"

clean:
	rm -rf .venv build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/installed: pyproject.toml | .venv/bin/pip
	$(PIP) install --quiet --editable .
	touch $@

.venv/installed-test: .venv/installed
	$(PIP) install --quiet --editable '.[test]'
	touch $@

.venv/bin/pip:
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 or newer is needed: apt-get install python3 python3-venv" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or newer is needed, $(PYTHON) is older: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "$(PYTHON) lacks its venv module. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv --clear .venv
