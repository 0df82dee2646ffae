# Everything runs in .venv, which each target sets up by itself; nothing is done again while pyproject.toml and constraints.txt
# stay as they are.
PYTHON ?= python3
BIN := .venv/bin
RUN_STAMP := .venv/.installed
STAMP := .venv/.installed-dev

.PHONY: leaderboard test test-slow lint bench bench-check fuzz search docs clean

leaderboard: $(RUN_STAMP)
	$(BIN)/placezoo leaderboard quick --out leaderboard

test: lint
	$(BIN)/python -m pytest -W error -n auto --dist loadgroup -m "not slow"

test-slow: $(STAMP)
	$(BIN)/python -m pytest -W error -m slow

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tools/prose.py

bench: $(STAMP)
	set -e; for domain in partition chip edge device mcm accel; do $(BIN)/python -m benchmarks.$$domain.cost; done

bench-check: $(STAMP)
	missed=0; for domain in partition chip edge device mcm accel; do $(BIN)/python -m benchmarks.$$domain.cost --check || missed=1; done; exit $$missed

fuzz: $(STAMP)
	$(BIN)/python -W ignore -m tests.fuzzing 30

# Property tests on thousands of new examples each.
search: $(STAMP)
	HYPOTHESIS_PROFILE=search $(BIN)/python -m pytest -W error -n auto --dist loadgroup -m "not slow" $$(grep -rlE "^@given" tests)

docs: $(STAMP)
	$(BIN)/mkdocs build --strict

clean:
	rm -rf .venv build dist site *.egg-info

# What the leaderboard needs.
$(RUN_STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@# torch first and alone: pip then takes the pinned release from where this machine has it.
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(grep '^torch==' constraints.txt)"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[agents,solvers]'
	touch $@

$(STAMP): $(RUN_STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@# The peer of the tests of list schedulers, alone: most of what it asks for serves other parts of it.
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -c constraints.txt anrg-saga
	touch $@
