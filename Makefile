# `make demo` and `make test` do everything from a fresh clone; the rest are their parts.
# Needed beforehand: Python 3.11 or newer with venv, Rust (cargo), Node.js 20 or newer with npm, make.

PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/stamps
export PATH := $(CURDIR)/$(BIN):$(PATH)
export UV_LINK_MODE ?= hardlink

RUST_SOURCES := $(shell find rust -name target -prune -o \( -name '*.rs' -o -name 'Cargo.*' \) -print)
JS_SOURCES := $(shell find widgets -name node_modules -prune -o -type f -print)

.PHONY: install demo test check lint types layers cargo-test js-test pytest lab bench screenshots docs clean

install: $(STAMPS)/rust $(STAMPS)/js

$(STAMPS)/venv:
	@test -n "$(PYTHON)" || { echo "MedFusion needs Python 3.11 or newer, with its venv module"; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/python: $(STAMPS)/venv pyproject.toml .ci/constraints.txt
	$(BIN)/python .ci/requirements.py | $(BIN)/uv pip install --quiet --python $(BIN)/python -c .ci/constraints.txt -r -
	@touch $@

$(STAMPS)/rust: $(STAMPS)/python $(RUST_SOURCES)
	@command -v cargo >/dev/null || { echo "MedFusion needs Rust (cargo) to be built from source"; exit 2; }
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

$(STAMPS)/js: $(STAMPS)/venv $(JS_SOURCES)
	@command -v npm >/dev/null || { echo "MedFusion needs Node.js with npm to be built from source"; exit 2; }
	cd widgets && npm ci --no-fund --no-audit --loglevel=error && npm run --silent build
	@touch $@

demo: install
	$(BIN)/medfusion demo --out demo

lab: install
	$(BIN)/medfusion lab

# Checks -------------------------------------------------------------------------------------------

test: install $(STAMPS)/browser check cargo-test js-test pytest

check: install lint types layers

lint:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	cd rust && cargo fmt --all --check
	cd rust && cargo clippy --quiet --workspace --all-targets -- -D warnings
	cd widgets && npm run --silent check

types:
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest medfusion._rust

layers:
	$(BIN)/lint-imports --no-cache

cargo-test:
	cd rust && cargo test --quiet --workspace

js-test:
	cd widgets && npm test --silent

pytest:
	$(BIN)/pytest

# The peers live in an environment of their own; a run takes about half an hour.
bench: install $(STAMPS)/bench
	PYTHONPATH=$(CURDIR) .venv-bench/bin/python tests/benchmarks/run.py --json bench_data_core.json
	$(BIN)/python tests/benchmarks/bench_engine.py --json bench_engine.json
	$(BIN)/python tests/benchmarks/bench_models.py --json bench_models.json
	$(BIN)/python tests/benchmarks/bench_tables.py --json bench_tables.json
	PYTHONPATH=$(CURDIR) .venv-bench/bin/python tests/benchmarks/bench_survival.py --json bench_survival.json

$(STAMPS)/bench: $(STAMPS)/python tests/benchmarks/requirements.txt
	test -x .venv-bench/bin/python || $(PYTHON) -m venv --without-pip .venv-bench
	$(BIN)/python .ci/requirements.py | $(BIN)/uv pip install --quiet --python .venv-bench/bin/python \
		-c .ci/constraints.txt -r - -r tests/benchmarks/requirements.txt
	@touch $@

$(STAMPS)/browser: $(STAMPS)/python
	@if ! command -v chromium >/dev/null; then \
		if command -v apt-get >/dev/null; then \
			SUDO=$$([ "$$(id -u)" = 0 ] || echo sudo); \
			$$SUDO apt-get update -qq && $$SUDO apt-get install -y -qq chromium fonts-dejavu-core; \
		else $(BIN)/playwright install chromium; fi; fi
	@touch $@

# The reference pages that come from the code.
docs: install
	$(BIN)/python docs/generate.py

# The pictures of README and docs, made by the browser tests.
screenshots: install $(STAMPS)/browser
	MEDFUSION_SCREENSHOTS=$(CURDIR)/screenshots $(BIN)/pytest tests/ui tests/report -m ui
	$(BIN)/python docs/pictures.py screenshots

clean:
	rm -rf $(VENV) .venv-bench rust/target widgets/node_modules medfusion/*/static demo screenshots
