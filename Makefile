# make demo   set everything up, run the main job, end
# make up     leave the same system running; make down stops it
# make network       a chain of four real validators, founded and left running; make network-down stops it
# make setup  the set-up alone      make test   every test      make bench   the figures      make fuzz   ten minutes a parser
# make proof  the long forms of what is tried once in make test: hours

SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: verifier setup demo up down network network-down test bench fuzz check proof

setup: $(VENV)/.ready node_modules/.ready

$(VENV)/.ready: requirements.lock requirements-uv.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-uv.lock
	VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv pip sync --quiet --require-hashes requirements-uv.lock requirements.lock
	VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

node_modules/.ready: package.json package-lock.json
	npm ci --no-audit --no-fund --loglevel=error
	touch $@

check: setup
	scripts/check

test: setup
	scripts/check
	scripts/test

demo: setup
	@$(BIN)/python scripts/demo.py

up: setup
	@$(BIN)/python scripts/system.py up

down:
	@$(BIN)/python scripts/system.py down

network: setup
	@$(BIN)/python scripts/network.py up

network-down:
	@$(BIN)/python scripts/network.py down

proof: setup
	scripts/proof

bench: setup
	$(BIN)/python bench/run.py

# the second verifier, one committed HTML file; `make check` fails where it is not what its sources give
verifier: setup
	node verifier/build.mjs

fuzz: setup
	$(BIN)/python scripts/fuzz.py
