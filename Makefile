# Every target that runs something first builds .venv from requirements.lock, if it is missing,
# unfinished or older than the lock. Needed beforehand: make and Python >= 3.11, nothing else.

SHELL := /bin/sh
.DEFAULT_GOAL := help

CORES ?= all
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.complete
SITE := .site-venv
SITE_READY := $(SITE)/.complete
SNAKEMAKE := $(BIN)/snakemake --cores $(CORES)
# The first that is new enough is taken; `make PYTHON=/path/to/python` names another.
PYTHONS := python3 python3.13 python3.12 python3.11
AT_LEAST_311 := import sys; sys.exit(sys.version_info < (3, 11))

.PHONY: help
help: ## show this list
	@echo "make TARGET [CORES=n] [ARGS='more snakemake or pytest options']"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

.PHONY: report
report: $(READY) ## standard benchmark (config.yaml) -> results/report.html
	$(SNAKEMAKE) $(ARGS)

.PHONY: quick
quick: $(READY) ## the two-minute look (tests/configs/tiny.yaml) -> quick/results/report.html
	$(SNAKEMAKE) --configfile tests/configs/tiny.yaml --directory quick $(ARGS)

.PHONY: reference-model
reference-model: $(READY) ## the recommended model alone -> results/reference_model
	$(SNAKEMAKE) results/reference_model $(ARGS)

.PHONY: bench
bench: $(READY) ## speed against abTEM, half an hour -> results/bench.json (ARGS=--reduced: a look)
	$(BIN)/python -m benchmarks $(ARGS)

.PHONY: test
test: lint ## all checks and tests
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder $(ARGS)

.PHONY: mutants
mutants: $(READY) ## break one line at a time: the test that guards it must fail (ARGS='words')
	$(BIN)/python -m tests.mutants $(ARGS)

.PHONY: lint
lint: $(READY) ## style, types and workflow checks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/codespell
	$(BIN)/mypy
	$(BIN)/snakemake --lint

.PHONY: format
format: $(READY) ## rewrite the sources in the project's style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile workflow

.PHONY: docs
docs: $(READY) ## regenerate the reference of the configuration and its JSON schema
	$(BIN)/python -m polarstem docs

.PHONY: site
site: $(SITE_READY) ## docs/ as one site, dead links are errors -> site/index.html
	$(SITE)/bin/python -m sphinx --quiet --fail-on-warning --keep-going --fresh-env docs site

.PHONY: setup
setup: $(READY) ## only build .venv

.PHONY: lock
lock: ## resolve pyproject.toml into requirements.lock (ARGS=--upgrade takes new releases)
	@$(find_python); "$$python" -m venv .lock-venv && .lock-venv/bin/pip install --quiet uv==0.13.9
	.lock-venv/bin/uv pip compile pyproject.toml --group dev --universal --python-version 3.11 \
		--fork-strategy fewest --no-header --annotation-style line --quiet $(ARGS) \
		--output-file requirements.lock
	rm -rf .lock-venv

.PHONY: clean
clean: ## delete results, logs, site and caches; .venv stays
	rm -rf results logs quick site report.zip .snakemake .pytest_cache .mypy_cache .ruff_cache

# Sets $$python in the shell of a recipe, or stops with one sentence.
define find_python
for python in $(or $(PYTHON),$(PYTHONS)); do \
	if "$$python" -c '$(AT_LEAST_311)' >/dev/null 2>&1; then break; fi; python=; \
done; \
if [ -z "$$python" ]; then \
	echo "No Python >= 3.11 found (tried: $(or $(PYTHON),$(PYTHONS)))." \
		"Install one, or name it: make PYTHON=/path/to/python3.12" >&2; exit 1; \
fi
endef

# The mark is taken away first and put back last: an interrupted build has none and starts afresh.
$(READY): requirements.lock
	@$(find_python); \
	if [ -f $@ ] && $(BIN)/python -c '$(AT_LEAST_311)' 2>/dev/null; then \
		echo "Updating $(VENV) to requirements.lock"; rm $@; \
	else \
		echo "Building $(VENV) with $$("$$python" --version), a download of up to 3 GB"; \
		rm -rf $(VENV) && "$$python" -m venv $(VENV); \
	fi
	$(BIN)/python -m pip install --disable-pip-version-check --requirement requirements.lock
	$(BIN)/python -m pip check
	@touch $@

$(SITE_READY): docs/requirements.txt
	@$(find_python); rm -rf $(SITE) && "$$python" -m venv $(SITE)
	$(SITE)/bin/python -m pip install --disable-pip-version-check --quiet --requirement $<
	@touch $@
