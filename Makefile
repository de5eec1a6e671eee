# Every target does its own set-up: a fresh machine needs make and Python 3.11 or newer, nothing else.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
LOWEST := .venv-lowest
QUICK := tests/artifacts tests/attribute tests/causes tests/compare tests/corpus tests/data tests/detect tests/http \
	tests/models tests/prescribe tests/remedies tests/rivals tests/schedule tests/verify tests/test_*.py -m "not slow"

.PHONY: help venv test test-lowest docs demo demo-real bench clean
.DEFAULT_GOAL := help

help:  ## what there is
	@sed -n 's/^\([a-z-]*\):.*## */  make \1	/p' $(MAKEFILE_LIST)

venv: $(STAMP)  ## the environment, in .venv

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version.split()[0]; sys.exit(0 if sys.version_info >= (3, 11) else f"uptake needs Python 3.11 or newer, {sys.executable} is {v}; say which: make PYTHON=python3.12")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt pip  # knows --group
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[all]" --group dev
	@touch $@

# no network; one thread, because of small operations two on a busy machine take several times as long
test: export HF_HUB_OFFLINE = 1
test: export TOKENIZERS_PARALLELISM = false
test: export OMP_NUM_THREADS ?= 1
test: $(STAMP)  ## lint, types, layers, tests with coverage; stops at the first that fails
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest --cov --numprocesses 2 --dist worksteal

# the oldest versions that pyproject.toml allows, but for torch, of which there is one build; the tests that are quick
test-lowest: export HF_HUB_OFFLINE = 1
test-lowest: export TOKENIZERS_PARALLELISM = false
test-lowest: export OMP_NUM_THREADS ?= 1
test-lowest: $(LOWEST)/.installed  ## the quick tests with the oldest versions that are allowed
	$(LOWEST)/bin/python -m pytest $(QUICK)

$(LOWEST)/.installed: pyproject.toml constraints.txt tests/lowest.py
	test -x $(LOWEST)/bin/python || $(PYTHON) -m venv $(LOWEST)
	$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt pip
	$(PYTHON) tests/lowest.py > $(LOWEST)/constraints.txt
	$(LOWEST)/bin/python -m pip install --quiet --constraint $(LOWEST)/constraints.txt --editable ".[all]" --group test
	@touch $@

docs: export NO_MKDOCS_2_WARNING = 1
docs: $(STAMP)  ## the documentation in site/, warnings as errors; what it says of the code is written anew
	$(BIN)/python docs/generate.py
	$(BIN)/python -m mkdocs build --quiet --strict

demo: $(STAMP)  ## make a world with planted faults, train it, diagnose it, cure it
	$(BIN)/uptake demo --output_dir runs/demo

REAL := runs/demo-real
demo-real: $(STAMP)  ## the same on a real pre-trained model of 135 million parameters, with real facts; takes longer
	test -d runs/models/smollm2 || $(BIN)/python examples/real_model/get.py smollm2 --out runs/models/smollm2
	$(BIN)/uptake lab make --base runs/models/smollm2 --facts examples/real_model/facts.jsonl --size 4 --seed 2 --out $(REAL)/world
	$(BIN)/uptake run $(REAL)/world/run.yaml --output_dir $(REAL) --unsafe || test $$? -eq 2  # 2: the cure is not worth it

bench: $(STAMP)  ## scoring speed against lm-evaluation-harness
	$(BIN)/python benchmarks/scoring.py

clean:  ## everything that was made here
	rm -rf .venv $(LOWEST) runs build dist htmlcov site .coverage .coverage.* .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
