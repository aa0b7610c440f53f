# Every target makes .venv by itself from a bare machine with Python 3.11 and make.
PYTHON ?= python3
VENV := .venv
UV_VERSION := 0.13.9
SECONDS ?=
SEED ?= random
MINUTES ?= 2
BROKERS ?= 1
ARGS ?=

# Where it is set, every process compiles all it imports, for seconds.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test test-fast coverage-runtime check contracts chaos chaos-long bench bench-worker bench-ingress bench-restore bench-latency bench-scale bench-overload bench-agents bench-api bench-model bench-live bench-page screenshots format clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# uv goes into the virtual environment, so nothing global is touched.
$(VENV)/.installed: pyproject.toml uv.lock
	@test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	@test -x $(VENV)/bin/uv || $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@VIRTUAL_ENV= UV_PROJECT_ENVIRONMENT=$(VENV) $(VENV)/bin/uv sync --quiet --locked --inexact --all-extras
	@touch $@

demo: $(VENV)/.installed ## everything on this machine: Kafka, services, simulated shops (SECONDS=30 ends by itself)
	@$(VENV)/bin/checkout-recovery demo $(if $(SECONDS),--seconds $(SECONDS)) $(ARGS)

# Most of it waits, so three files run at a time, the long ones first; what times a promise comes
# after, alone. Exit 5: none.
test: $(VENV)/.installed ## every test, on a real Apache Kafka
	@$(VENV)/bin/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder -m "not alone" $(ARGS) || test $$? -eq 5
	@$(VENV)/bin/python -m pytest -m alone $(ARGS) || test $$? -eq 5

test-fast: $(VENV)/.installed ## the tests that need no broker
	@$(VENV)/bin/python -m pytest -m "not kafka" $(ARGS)

COVERAGE := $(VENV)/bin/python -m coverage
COVERED := tests/unit/test_runtime_*.py tests/unit/test_kept_stores.py tests/component/runtime \
  $(addprefix tests/integration/runtime/test_,restore.py in_process.py leaving.py)
coverage-runtime: $(VENV)/.installed ## branch coverage of streams.runtime; fails under 95 %
	@$(COVERAGE) erase --rcfile=tests/coverage-runtime.ini
	@$(COVERAGE) run --rcfile=tests/coverage-runtime.ini -m pytest -q $(COVERED) $(ARGS)
	@$(COVERAGE) combine --quiet --rcfile=tests/coverage-runtime.ini
	@$(COVERAGE) report --rcfile=tests/coverage-runtime.ini

check: $(VENV)/.installed ## lint, types, layers
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports --no-cache

chaos: $(VENV)/.installed ## break an installation of real processes by a seed, and judge (SEED=7 MINUTES=2 BROKERS=3)
	@$(VENV)/bin/python -m tests.chaos --seed $(SEED) --minutes $(MINUTES) --brokers $(BROKERS) $(ARGS)

chaos-long: $(VENV)/.installed ## many seeds, kept by commit under docs/reliability/runs; goes on where it was stopped
	@$(VENV)/bin/python -m tests.chaos.long $(ARGS)

# Needs a quiet machine and about half an hour; peers come from packages.
bench: ## all that follows, into docs/performance
	@failed=0; for part in worker ingress overload restore latency scale; do \
		$(MAKE) --no-print-directory bench-$$part ARGS="--write $(ARGS)" || failed=1; done; exit $$failed

bench-worker: $(VENV)/.installed ## events a second of one worker on one core, beside Kafka Streams, Quix, stock Faust
	@$(VENV)/bin/python -m tests.bench.worker $(ARGS)

bench-restore: $(VENV)/.installed ## records a second from a changelog, and memory a checkout
	@$(VENV)/bin/python -m tests.bench.restore $(ARGS)

bench-latency: $(VENV)/.installed ## from a webhook's receipt to its event at a subscriber (as bench-ingress)
	@$(VENV)/bin/python -m tests.bench.latency $(ARGS)

bench-scale: $(VENV)/.installed ## 1, 2 and 4 workers on 8 and 64 partitions
	@$(VENV)/bin/python -m tests.bench.scale $(ARGS)

contracts: $(VENV)/.installed ## write schemas, examples, documents and pages of the contracts anew
	@$(VENV)/bin/python -m schemas.export
	@for part in examples scenarios topics_page asyncapi asyncapi_page; do \
		$(VENV)/bin/python -m tests.support.$$part || exit 1; done

bench-ingress: $(VENV)/.installed ## verified webhooks a second on one core, beside Node and FastAPI (needs Go, or vegeta on the PATH)
	@$(VENV)/bin/python -m tests.bench.ingress $(ARGS)

bench-overload: $(VENV)/.installed ## answers in time at three times the load, and while Kafka is frozen (as above)
	@$(VENV)/bin/python -m tests.bench.overload $(ARGS)

bench-agents: $(VENV)/.installed ## the CPU of the agents themselves, without Kafka (ARGS=--profile shows where)
	@$(VENV)/bin/python -m tests.bench.agents $(ARGS)

bench-api: $(VENV)/.installed ## the API's answers a second on one core, against the least that answers the same (as above)
	@$(VENV)/bin/python -m tests.bench.api $(ARGS)

bench-model: $(VENV)/.installed ## rows a second into PostgreSQL, against a bare loop that writes the same
	@$(VENV)/bin/python -m tests.bench.model $(ARGS)

bench-page: $(VENV)/.installed ## the live page's interactions, with 10,000 sites under traffic
	@$(VENV)/bin/python -m tests.bench.page $(ARGS)

screenshots: $(VENV)/.installed ## pictures of the page before the demo: for the README, and of every view
	@$(VENV)/bin/python -m tests.support.screenshots

bench-live: $(VENV)/.installed ## what open pages cost the API, with 10,000 sites under traffic
	@$(VENV)/bin/python -m tests.bench.live $(ARGS)

format: $(VENV)/.installed ## format and apply safe fixes
	@$(VENV)/bin/ruff format .
	@$(VENV)/bin/ruff check --fix .

clean: ## remove what the targets made
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .data
