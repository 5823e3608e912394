# make book builds the site, make test checks everything; both make .venv first.
PYTHON ?= python3
PROFILE ?= quick
PORT ?= 8000
BIN := .venv/bin
PRESS := $(BIN)/python -m gapbook.press

.PHONY: book test serve lint clean regress accept glyphclip experiments bench

book: .venv/installed  ## execute the chapters, check their numbers, build _build/html
	$(PRESS) book

test: lint  ## lint, unit tests, doctests, the executed book and its site in a browser
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder --ignore tests/benchmarks

serve:  ## show the site at http://localhost:8000
	@test -f _build/html/index.html || { echo "There is no site yet: run make book first."; exit 1; }
	$(PYTHON) -m http.server --directory _build/html $(PORT)

lint: .venv/installed
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/nbstripout --verify --keep-id book/*.ipynb book/*/*.ipynb

regress: .venv/installed  ## everything afresh under PROFILE=full, say, compared with its baseline and the paper
	$(PRESS) regress --profile $(PROFILE)

accept: .venv/installed  ## make the present numbers the baseline; commit data/expected.yml by itself
	$(PRESS) accept --profile $(PROFILE)

glyphclip: .venv/installed  ## train the bundled models again (data/glyphclip)
	$(BIN)/python -m gapbook.precomputed.glyphclip

experiments: .venv/installed  ## run the trainings behind chapters 4 and 6 that are not stored in _build/experiments
	$(BIN)/python -m gapbook.precomputed.training_curves

bench: .venv/installed
	$(BIN)/pytest tests/benchmarks

clean:  ## remove what was built; .venv stays
	rm -rf _build

.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, %s is %s: make PYTHON=python3.12 $(MAKECMDGOALS)" \
		% (sys.executable, sys.version.split()[0]) if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e ".[test]"
	touch $@
