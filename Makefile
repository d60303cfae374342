# Two commands: `make run` shows appfleet on a simulated fleet, `make test` proves it. Everything is installed
# into .venv from a lock with hashes; nothing else on the machine is touched.

PYTHON ?= python3
PYTHON312 ?= python3.12
VENV := .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.9
DEMO ?= demo
APPS ?= 120
DAYS ?= 90
SEED ?= 7
ROOMS := models sql pipelines dashboards otel
# Kept bytecode: a process that compiles all it imports takes three times as long to begin.
unexport PYTHONDONTWRITEBYTECODE
export DAGSTER_DISABLE_TELEMETRY := yes
export STREAMLIT_BROWSER_GATHER_USAGE_STATS := false

.PHONY: run test test-slow test-server test-mutants lint bench bench-anomaly bench-forecast bench-paging screenshots lock clean

run: $(VENV)/.run-installed ## simulate a fleet, run the pipeline, start everything (ONCE=1: end after the summary)
	@test -f $(DEMO)/appfleet.yaml || $(BIN)/appfleet simulate $(DEMO) --apps $(APPS) --days $(DAYS) --seed $(SEED) $(if $(END),--end $(END))
	@$(BIN)/appfleet run -w $(DEMO)
ifndef ONCE
	@$(BIN)/appfleet up -w $(DEMO)
endif

test: $(VENV)/.test-installed $(VENV)/.bqemulator-installed $(VENV)/.focus-validator-installed lint ## lint, types, import rules and all tests
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

test-slow: $(VENV)/.test-installed ## what takes long: twenty kills, the large fleet
	$(BIN)/python -m pytest -m slow --timeout=3600

test-server: $(VENV)/.test-installed ## ingest, publish, compute and pages over a server: [WAREHOUSE_URL=https://...], else one played here
	$(BIN)/python -m pytest -m "not slow" --timeout=600 -n 2 --dist loadfile --no-loadscope-reorder --warehouse-url $(or $(WAREHOUSE_URL),local)

test-mutants: $(VENV)/.test-installed ## plant faults, print those no test notices: [PATHS="models/money.py"] [SAMPLE=60] [SEED=0] [MINUTES=30]
	$(BIN)/python -m tests.mutants $(PATHS) --sample $(or $(SAMPLE),60) --seed $(or $(SEED),0) --minutes $(or $(MINUTES),30)

lint: $(VENV)/.test-installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.test-installed ## speed, and which targets are met, in some eight minutes: [FULL=1] [ONLY=pages,commands] [MARKDOWN=1]
	$(BIN)/python -m bench.bench $(if $(FULL),--full) $(if $(ONLY),--only $(ONLY)) $(if $(MARKDOWN),--markdown)

bench-anomaly: $(VENV)/.test-installed ## SEEDS=a,b,c [NOISE=1.5 TAILP=.02]
	$(BIN)/python -m bench.anomaly $(if $(SEEDS),--seeds $(SEEDS)) $(if $(NOISE),--noise $(NOISE)) $(if $(TAILP),--tailp $(TAILP))

bench-paging: $(VENV)/.test-installed ## SEEDS=a,b (from 200 on: lower ones chose the rule) [APPS_PER_TIER=100]
	$(BIN)/python -m bench.paging $(if $(SEEDS),--seeds $(SEEDS)) $(if $(APPS_PER_TIER),--apps $(APPS_PER_TIER))

bench-forecast: $(VENV)/.test-installed ## SEEDS=a,b,c
	$(BIN)/python -m bench.forecast $(if $(SEEDS),--seeds $(SEEDS))

screenshots: $(VENV)/.test-installed ## pictures of the pages of the running demo
	$(BIN)/python -m bench.screenshots --app claim-checker

lock: $(VENV)/.uv ## compile the locks again
	$(BIN)/uv pip compile -q pyproject.toml --extra build --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-strip-extras --no-header -o requirements.lock
	$(BIN)/uv pip compile -q pyproject.toml --extra build --extra dev --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-strip-extras --no-header -c requirements.lock -o requirements-dev.lock
	$(BIN)/uv pip compile -q tests/sources/bqemulator.in --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-strip-extras --no-header -o tests/sources/bqemulator.lock
	$(BIN)/uv pip compile -q tests/export/focus-validator.in --universal --python-version 3.12 --generate-hashes \
	  --no-emit-index-url --no-strip-extras --no-header -o tests/export/focus-validator.lock

clean:
	rm -rf $(VENV) $(DEMO)

$(VENV)/.uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "appfleet needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 ..." >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@touch $@

# uv is many times faster than pip; where it cannot reach an index that pip can, pip does the same from the same lock.
# Bytecode is compiled here, which pip does unasked: the first command, and every one of a user who keeps none, would wait for it.
define install
	@echo "installing $(1) ..."
	@$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r $(1) || \
	  $(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r $(1)
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index -e .
	@$(BIN)/python -m compileall -q $(ROOMS)
endef

$(VENV)/.run-installed: $(VENV)/.uv requirements.lock pyproject.toml
	$(call install,requirements.lock)
	@touch $@

$(VENV)/.test-installed: $(VENV)/.uv requirements-dev.lock pyproject.toml
	$(call install,requirements-dev.lock)
	@touch $@ $(VENV)/.run-installed

# The emulator of BigQuery asks for older packages than ours, so it has an environment of its own; tests skip without it.
$(VENV)/.bqemulator-installed: $(VENV)/.test-installed tests/sources/bqemulator.lock
	@echo "installing tests/sources/bqemulator.lock ..."
	-@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(VENV)/bqemulator && \
	  $(BIN)/uv pip install --quiet --python $(VENV)/bqemulator/bin/python --require-hashes -r tests/sources/bqemulator.lock
	@touch $@

# The validator of FOCUS 1.2 needs Python 3.12 and older packages than ours; where none is found its tests skip: make PYTHON312=...
$(VENV)/.focus-validator-installed: $(VENV)/.test-installed tests/export/focus-validator.lock
	@echo "installing tests/export/focus-validator.lock ..."
	-@$(PYTHON312) -m venv --clear $(VENV)/focus-validator && \
	  $(BIN)/uv pip install --quiet --python $(VENV)/focus-validator/bin/python --require-hashes -r tests/export/focus-validator.lock || \
	  $(VENV)/focus-validator/bin/pip install --quiet --disable-pip-version-check --require-hashes -r tests/export/focus-validator.lock
	@touch $@
