# Everything here works from a clean clone with python3 (3.11 or newer) and make; `make help` lists it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
BENCH_STAMP := $(VENV)/.installed-bench
PIP_FLAGS := --quiet --disable-pip-version-check --no-input

# `uv run make test` would otherwise make each Ray worker build an environment of its own.
export RAY_ENABLE_UV_RUN_RUNTIME_ENV = 0
export RAY_USAGE_STATS_ENABLED = 0

.DEFAULT_GOAL := help
.PHONY: help demo test check crash chaos soak simulate bench compiled lock clean

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: compiled ## count what a code base is made of, on Ray
	@$(BIN)/python -m examples.code_census

# Three processes: all that needs Ray in one of them, which often waits, and everything else in the others (tests/conftest.py).
test: compiled ## run every test
	@$(BIN)/python -m pytest -n 3

SEEDS ?= 100000
FIRST ?= 0
simulate: compiled ## the engine in SEEDS=100000 schedules of faults from seed FIRST=0 on, then every small one
	@$(BIN)/python -m tests.simulation $(SEEDS) $(FIRST)
	@$(BIN)/python -m tests.simulation.exhaustive 2 distributed
	@$(BIN)/python -m tests.simulation.exhaustive 2 sequential

check: $(STAMP) ## format, lint, types, import law, unit tests
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m pytest tests/unit

crash: compiled ## crash, cut and flip the journal: a million images, every bit of 64 KiB (some minutes)
	@$(BIN)/python -m tests.property.crashes 1000000
	@$(BIN)/python -m tests.property.damage
	@$(BIN)/python -m tests.property.hostile memory
	@$(BIN)/python -m tests.property.hostile events 5000

KILLS ?= 220
SEED ?= 0
chaos: compiled ## kill KILLS=220 workers, homes and coordinators each, 44 drivers, 33 clusters and nodes, stop 55 coordinators, on Ray
	@$(BIN)/python -m tests.chaos --kills $(KILLS) --seed $(SEED)
	@$(BIN)/python -m tests.chaos.memory
	@$(BIN)/python -m tests.chaos.overload
	@RAY_memory_monitor_refresh_ms=0 $(BIN)/python -m tests.chaos.nodes

MINUTES ?= 60
soak: compiled ## MINUTES=60 of jobs while something is killed every ten seconds; memory and journal have to stay flat
	@$(BIN)/python -m tests.chaos.soak --minutes $(MINUTES) --seed $(SEED)

bench: $(BENCH_STAMP) ## compare with other libraries
	@$(BIN)/python -m benchmarks.run

# As pip does with what it installs. Where Python is told to write no bytecode, each of the hundreds of processes that Ray starts in
# a test run would translate every module anew.
compiled: $(STAMP)
	@$(BIN)/python -m compileall -q routilux_dist workers/routilux_workers tests examples benchmarks

# The stamp is younger than the lock file and pyproject.toml exactly when .venv agrees with them. Both steps may be repeated
# over what an interrupted run left behind; `make clean` starts from nothing.
$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; set PYTHON=python3.11" if sys.version_info < (3, 11) else 0)'
	@echo "preparing $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install $(PIP_FLAGS) -r requirements.lock
	@$(BIN)/python -m pip install $(PIP_FLAGS) --no-deps --no-build-isolation -e .
	@touch $@

$(BENCH_STAMP): $(STAMP) requirements-bench.lock
	@echo "adding the benchmark peers to $(VENV) ..."
	@$(BIN)/python -m pip install $(PIP_FLAGS) -r requirements-bench.lock
	@touch $@

# The peers are resolved around the versions just found, so that installing them changes nothing else; only a complete
# pair of files replaces the old one.
lock: ## resolve the newest allowed versions again
	@set -eu; work=$$(mktemp -d); trap 'rm -rf "$$work"' EXIT; \
	$(PYTHON) -m venv "$$work/venv"; pip="$$work/venv/bin/python -m pip --disable-pip-version-check"; \
	version=$$("$$work/venv/bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
	made="resolved for Python $$version. Made by \`make lock\`; do not edit."; \
	freeze="$$pip freeze --exclude routilux_dist"; \
	echo "resolving ..."; \
	$$pip install --quiet '.[all,dev]'; \
	{ echo "# What \`make test\` and \`make check\` need, $$made"; $$freeze; } > "$$work/main"; \
	$$pip install --quiet --constraint "$$work/main" '.[bench]'; \
	{ echo "# What \`make bench\` needs on top, $$made"; echo "-r requirements.lock"; \
	  $$freeze | grep -vxFf "$$work/main"; } > "$$work/bench"; \
	cp "$$work/main" requirements.lock; cp "$$work/bench" requirements-bench.lock

clean: ## remove the environment and all caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .benchmarks dist build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
