# `make` lists the commands; each of them makes .venv first where it needs it.
PYTHON ?= python3
PROFILE ?= quick
# parts of a profile (landscape, say), or what all parts need that are wanted (coco)
ONLY ?=
PORT ?= 8000
# how many processes run the tests
JOBS ?= 2
# which precomputed data: see `make precomputed`
NAME ?=
# more options for `uv pip compile` (--upgrade, or --upgrade-package numpy) or for the fuzz test (--seed 1)
ARGS ?=
# the oldest Python that the package supports: the versions of constraints.txt must exist for it
OLDEST := 3.11
BIN := .venv/bin
PRESS := $(BIN)/python -m gapbook.press
NOTEBOOKS := book/*.ipynb book/*/*.ipynb

.DEFAULT_GOAL := help
.PHONY: help book serve test unit lint format bench fuzz regress accept precomputed constraints clean

help:  ## list these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

book: .venv/installed  ## execute the chapters, check their numbers, build _build/html
	$(PRESS) book

serve:  ## show the site at http://127.0.0.1:8000 (or PORT=8001), to this machine only
	@test -f _build/html/index.html || { echo "There is no site yet: run make book first."; exit 1; }
	$(PYTHON) -m http.server --bind 127.0.0.1 --directory _build/html $(PORT)

test: lint  ## lint, unit tests, doctests, the executed book and its site in a browser
	$(BIN)/pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder --ignore tests/benchmarks

unit: .venv/installed  ## the quick tests and the doctests: no notebook, no browser, nothing slow
	OMP_NUM_THREADS=1 $(BIN)/pytest -q -n $(JOBS) --dist loadfile -m "not slow and not book" --ignore tests/benchmarks gapbook tests

lint: .venv/installed  ## check style and types, and that notebooks carry no outputs
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/nbstripout --verify --keep-id $(NOTEBOOKS)

format: .venv/installed  ## mend style where a tool can, and take outputs out of notebooks
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	$(BIN)/nbstripout --keep-id $(NOTEBOOKS)

bench: .venv/installed  ## time the functions that promise a speed
	$(BIN)/pytest tests/benchmarks

fuzz: .venv/installed  ## throw 5,000 odd files and options at gapbook report, and 50,000 files at the reader
	cd tests && ../$(BIN)/python -m fuzz --reports 5000 --loads 50000 $(ARGS)

regress: .venv/installed  ## run all afresh, and compare with baseline and paper; PROFILE=full is the paper's own scale, ONLY=coco a part
	$(PRESS) regress --profile $(PROFILE) $(if $(ONLY),--only $(ONLY))

accept: .venv/installed  ## make the present numbers the baseline; commit data/expected.yml by itself
	$(PRESS) accept --profile $(PROFILE)

precomputed: .venv/installed  ## make stored data again (data/), NAME=clip say; without a NAME, list what there is
	$(BIN)/python -m gapbook.precomputed $(NAME)

constraints:  ## write constraints.txt again, keeping its versions; ARGS=--upgrade raises them
	$(PYTHON) -m venv _build/uv
	_build/uv/bin/python -m pip install --quiet --disable-pip-version-check uv
	cp constraints.txt _build/constraints.txt
	_build/uv/bin/uv pip compile --quiet --all-extras --python-version $(OLDEST) --python-platform linux \
		--no-annotate --no-header --output-file _build/constraints.txt $(ARGS) pyproject.toml
	{ sed -n '/^#/p' constraints.txt; sed -E '/^(cuda|nvidia|setuptools|triton|wheel)/d' _build/constraints.txt; } \
		> _build/constraints.new
	mv _build/constraints.new constraints.txt
	rm -r _build/uv _build/constraints.txt

clean:  ## remove what was built; .venv stays
	rm -rf _build

.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, %s is %s: make PYTHON=python3.12 $(MAKECMDGOALS)" \
		% (sys.executable, sys.version.split()[0]) if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e ".[test]"
	touch $@
