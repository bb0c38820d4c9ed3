# Everything installs with pip through constraints.txt, whose versions are the ones the tests ran with.
PYTHON ?= python3
VENV   ?= .venv
CORPUS ?= macbeth
OUT    ?=
PRESET ?= small
PORT   ?= 7860
PYTEST  = $(BIN)/python -m pytest
# Two processes take a file at a time: its tests share an app, a browser and runs.
SPREAD  = -n 2 --dist loadfile --no-loadscope-reorder
# A browser, an app and a test keep two cores busy; beside other tests the page is seconds late, and so are its answers.
BROWSER = $$(grep -rl --include='test_*.py' 'mark\.browser' tests)
# The serial tests are in three files: to collect all others would take as long as a minute.
SERIAL  = $$(grep -rl --include='test_*.py' 'mark\.serial' tests)
BIN     = $(VENV)/bin
INSTALL = $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: help locked app train test test-fast check format bench clean

help:
	@echo "make app                      chat at http://127.0.0.1:$(PORT) with the model that ships here"
	@echo "make train                    train a small model on Macbeth, a few minutes"
	@echo "make train CORPUS=mine.txt    the same on your own text (also OUT=runs/mine PRESET=base)"
	@echo "make test, make test-fast     the tests, all or without the slow ones"
	@echo "make check                    lint, format, types, import contracts and names"
	@echo "make bench                    the benchmarks of speed behind README.md"

# One stamp for each set of extras; `train` holds what the printed next step, the chat, needs too.
$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.app: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(INSTALL) -e '.[app]'
	@touch $@

$(VENV)/.train: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(INSTALL) -e '.[app,train]'
	@touch $@

$(VENV)/.bench: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(INSTALL) -e '.[app,bench,train]'
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(INSTALL) -e '.[dev]'
	@touch $@

# What `.dev` installs, each file but torch's by its hash: for CI on Linux x86_64 with Python 3.11.
locked: | $(VENV)/bin/python
	$(INSTALL) --require-hashes --no-deps -r locked.txt
	$(INSTALL) torch
	$(INSTALL) --no-deps --no-build-isolation -e .
	@touch $(VENV)/.dev

app: $(VENV)/.app
	$(BIN)/hubcharlstm app --port $(PORT)

train: $(VENV)/.train
	$(BIN)/python -m training fit "$(CORPUS)" $(if $(OUT),--out "$(OUT)") --preset $(PRESET)

test: $(VENV)/.dev
	$(PYTEST) $(SPREAD) -m "not browser and not serial"
	$(PYTEST) -m browser $(BROWSER)
	$(PYTEST) -m serial $(SERIAL)

test-fast: $(VENV)/.dev
	$(PYTEST) $(SPREAD) -m "not slow and not serial"
	$(PYTEST) -m "serial and not slow" $(SERIAL)

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(PYTEST) -q tests/test_terminology.py

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.bench
	$(BIN)/python -m benchmarks.decoding
	$(BIN)/python -m benchmarks.quality
	$(BIN)/python -m benchmarks.serving
	$(BIN)/python -m benchmarks.page
	$(BIN)/python -m benchmarks.alternatives
	$(BIN)/python -m benchmarks.browser
	$(BIN)/python -m benchmarks.load api often page crowd same usual

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache
