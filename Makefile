# Everything starts here: each target first makes .venv from requirements.lock, and does nothing
# about it when that is up to date. Needed: Linux, make, Python 3.11 or newer with venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
WHEELHOUSE := .tandem/wheelhouse
UV := $(BIN)/uv
# A file is a unit, so that what its tests share is made once; slow ones first (tests/conftest.py).
TEST_ARGS ?= -n 2 --dist loadscope --no-loadscope-reorder
# Of `make chaos`; with DURATION (seconds) a run ends then, and not after its commands.
COMMANDS ?= 10000
SEEDS ?= 5

FUZZ_EXAMPLES ?= 100

# The services and tests start many Python processes: what was compiled once is kept, whatever the
# machine's setting says.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help venv up down demo test check fuzz format bench chaos audit licences secrets sbom clean lock wheelhouse

help: ## Say what can be made
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 18

up: $(STAMP) ## Start both services and their databases; print URLs and first logins
	$(BIN)/tandem up

down: $(STAMP) ## Stop what `make up` started; the data stay
	$(BIN)/tandem down

demo: $(STAMP) ## Tell the whole story of an order against the running pair
	$(BIN)/tandem demo

test: $(STAMP) ## Run the tests on a real PostgreSQL (TEST_ARGS="tests/kit -x" for a part)
	$(BIN)/python -m pytest $(TEST_ARGS)

check: $(STAMP) ## Lint, format, types, import contracts, migrations
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m local_stack.migrations check

fuzz: $(STAMP) ## Ask every route what nobody asks, for hours (FUZZ_EXAMPLES=100 per operation)
	SCHEMATHESIS_EXAMPLES=$(FUZZ_EXAMPLES) $(BIN)/python -m pytest tests/contract/test_fuzz.py -s --timeout=0

format: $(STAMP) ## Let ruff sort and lay out the code
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format

bench: $(STAMP) ## Measure: event latency and orders per second, beside their floor
	$(BIN)/python -m bench

audit: $(STAMP) ## Ask which packages of the lock have known holes (needs the network)
	$(BIN)/python -m local_stack.supply audit

licences: $(STAMP) ## Show the licences of what runs; fail where one doesn't fit
	$(BIN)/python -m local_stack.supply licences

secrets: $(STAMP) ## Look for secrets in the repository that aren't in .secrets.baseline
	$(BIN)/python -m local_stack.supply secrets

sbom: $(STAMP) ## Write the bill of materials of what runs: .tandem/sbom.json
	$(BIN)/python -m local_stack.supply sbom

chaos: $(STAMP) ## Break the pair at random (COMMANDS=10000 or DURATION=3600 s, SEED, SEEDS=5, PAUSE=4 s)
	CHAOS_COMMANDS="$(COMMANDS)" CHAOS_DURATION="$(DURATION)" CHAOS_SEED="$(SEED)" CHAOS_SEEDS="$(SEEDS)" CHAOS_PAUSE="$(PAUSE)" \
		$(BIN)/python -m pytest tests/faults/test_random.py -s -p no:randomly

clean: ## Stop the pair, remove what was built; the data of `make up` (.tandem) stay
	@if [ -x $(BIN)/tandem ] && [ -d .tandem ]; then $(BIN)/tandem down; fi
	rm -rf $(VENV) .venv-* build dist .coverage .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

lock: $(STAMP) ## Resolve the newest allowed versions into requirements.lock
	$(UV) pip compile pyproject.toml --upgrade $(COMPILE) --all-extras --group dev --group build -o requirements.lock
	$(UV) pip compile pyproject.toml --constraint requirements.lock --extra otlp $(COMPILE) -o requirements.runtime.lock

wheelhouse: $(WHEELHOUSE)/.complete ## Fetch what the image is made of, for a build without a network

$(WHEELHOUSE)/.complete: requirements.runtime.lock | $(STAMP)
	@mkdir -p -m 711 .tandem
	@rm -rf $(WHEELHOUSE)
	$(BIN)/python -m pip download --quiet --require-hashes --only-binary :all: --python-version 3.11 \
		-r requirements.runtime.lock -d $(WHEELHOUSE)
	@touch $@

venv: $(STAMP)

# No URL goes into the locks: which index is used is the machine's own affair. The second lock, a
# part of the first, is what the image is made of.
COMPILE := --quiet --no-header --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links

# pip only fetches uv, by the lock's hash; uv installs the rest. `python -m venv` on an existing
# folder would keep a broken interpreter link, so a folder whose Python doesn't run is made anew.
$(STAMP): requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "make: $(PYTHON) not found; Python 3.11 or newer is needed (PYTHON=... names it)" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "make: Python 3.11 or newer is needed, $(PYTHON) is $$($(PYTHON) -V 2>&1); PYTHON=... names another" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "make: $(PYTHON) has no venv module (on Debian: apt-get install python3-venv)" >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@awk '/^[^ ]/ { wanted = /^uv==/ } wanted' requirements.lock > $(VENV)/uv.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(VENV)/uv.txt
	@$(UV) pip sync --quiet --compile-bytecode --python $(BIN)/python --require-hashes requirements.lock
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@
