# make demo      watch a worker at work (installs what it needs first)
# make test      lint, types, layers, tests; starts RabbitMQ and Redis if none answer
# make test-all  the tests on every Python that is claimed and here, each in an environment of its own
# make check     the same without the tests
# make format    format the code
# make bench     the benchmarks
# make chaos     kill and cut for a few minutes, then print the ledger
# make conformance  Celery's own integration suite, run on Umbel; half an hour
# make docs      write the generated pages, build the book into .build/site
# make clean     remove what make has made

PYTHON ?=
VENV   ?= .venv
EXTRAS ?= dev
BIN    := $(VENV)/bin
READY  := $(VENV)/.umbel-$(EXTRAS)

.DEFAULT_GOAL := help
.PHONY: help install demo test test-all check format bench chaos conformance docs clean

help:
	@sed -n 's/^# make/make/p' Makefile

install: $(READY)

# One stamp per set of extras: `make demo` needs far less than `make test`.
$(VENV)/.umbel-%: pyproject.toml
	@sh scripts/environment.sh "$(PYTHON)" "$(VENV)" "$*"
	@touch "$@"

# The development environment has what the demo needs.
demo: $(firstword $(wildcard $(VENV)/.umbel-dev) $(VENV)/.umbel-demo)
	@$(BIN)/python examples/hot_topics/demo.py

test: $(READY)
	@$(BIN)/python scripts/check.py $(if $(ARGS),-- $(ARGS))

test-all: $(READY)
	@$(BIN)/python scripts/versions.py $(if $(ONLY),--only $(ONLY)) $(if $(ARGS),-- $(ARGS))

check: $(READY)
	@$(BIN)/python scripts/check.py --static

format: $(READY)
	@$(BIN)/ruff check --quiet --select I --fix . ; $(BIN)/ruff format .

bench: $(READY)
	@$(BIN)/python benchmarks/run.py $(ARGS)

chaos: $(READY)
	@$(BIN)/python tests/chaos/run.py $(ARGS)

conformance: $(READY)
	@$(BIN)/python scripts/conformance.py $(ARGS)

docs: $(READY)
	@$(BIN)/python scripts/reference.py
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	@echo "The book is at .build/site/index.html"
	@$(BIN)/python -c 'from umbel.dashboard.api.reference import text; print(text(), end="")' > docs/reference/dashboard-openapi.json

clean:
	rm -rf .venv .build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
