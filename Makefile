# One place for the commands; CI calls the same ones. Needs Python >= 3.11, git and make.
.DEFAULT_GOAL := help
.PHONY: help setup demo test tests check fix bench docs screenshots soak autobahn FORCE

BIN := .venv/bin
STAMP := .venv/.ringback-setup
CODE := $(wildcard src tests docs bench examples hatch_build.py)
# What .venv is made from: uv.lock, and what the build's hook builds (see pyproject.toml).
SOURCES := pyproject.toml uv.lock scripts/setup hatch_build.py package.json package-lock.json \
	$(wildcard clients/js/package.json clients/js/scripts/* examples/*/web/package.json \
		examples/*/web/*.mjs) $(shell find clients/js/src examples/*/web/src -type f 2>/dev/null)
# Extra arguments for demo, test, bench and soak: make test ARGS="-k hub -n 0"
ARGS ?=

# Tests wait twice as long as they compute. The slowest file bounds what more than 8 could gain.
WORKERS = -n $$(($$(getconf _NPROCESSORS_ONLN) * 3)) --maxprocesses 8
# They start Python hundreds of times: it keeps what it compiled, also where it is told not to.
COMPILED = PYTHONDONTWRITEBYTECODE=

# Another PYTHON than the one .venv was made with calls for another .venv.
export PYTHON
ifneq ($(PYTHON),)
ifneq ($(PYTHON),$(shell cat $(STAMP) 2>/dev/null))
$(STAMP): FORCE
endif
endif

$(STAMP): $(SOURCES)
	@scripts/setup $@

# So does a page that was taken away: without it there is no demo.
ifeq ($(wildcard examples/ask_around_me/static/index.html),)
$(STAMP): FORCE
endif

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile

setup: $(STAMP) ## make .venv and what is built; does nothing while nothing of it changed

demo: setup ## run the demo, Ask Around Me; ARGS=files for the other one
	@$(BIN)/ringback demo $(ARGS)

# Both at once: checking types takes one core for a minute.
test: setup ## everything a change has to pass: the checks and the tests
	@$(MAKE) --no-print-directory -j 2 check tests

tests: setup
	@$(COMPILED) $(BIN)/pytest $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

check: setup ## lint, format and types, changing nothing
	@$(BIN)/ruff check --quiet $(CODE)
	@$(BIN)/ruff format --check --quiet $(CODE) || { echo "format: the files above; cure: make fix" >&2; exit 1; }
	@$(BIN)/mypy $(CODE)
	@scripts/npm run --silent lint
	@scripts/npm run --silent types

fix: setup ## mend what lint and format can mend by themselves
	@$(BIN)/ruff check --fix $(CODE)
	@$(BIN)/ruff format $(CODE)
	@scripts/npm run --silent fix

bench: setup ## measure; figures are of this machine only
	@$(BIN)/python bench/run.py $(ARGS)

docs: setup ## check that links and anchors in the documents lead somewhere
	@$(BIN)/python docs/check.py

screenshots: setup ## take the pictures in docs/images anew, in Chromium
	@$(BIN)/python -m tests.examples.ask_around_me.browser.screenshots

soak: setup ## the long tests under load, which `make test` leaves out, and all examples
	@TEST_THOROUGH=1 $(BIN)/pytest -m "soak or hypothesis" $(ARGS)
	@$(if $(ARGS),,scripts/autobahn)

autobahn: setup ## Autobahn|Testsuite against our WebSocket edge; CASES="1.* 7.9.1" for some
	@set -f; scripts/autobahn $(CASES)
