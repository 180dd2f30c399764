# A fresh machine needs make and Python 3.11, 3.12 or 3.13; everything else goes into .venv.
# To choose the Python: make test PYTHON=python3.13
SUITABLE = import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11 python; do \
	$$name -c '$(SUITABLE)' 2>/dev/null && echo $$name && break; done)
VENV := .venv
BIN := $(VENV)/bin
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test lint bench clean

# Exit code 6 says that some pages could not be read: the samples hold one damaged file on purpose.
demo: $(VENV)/ready
	$(BIN)/digitscan classify sample_images -o report.csv || test $$? -eq 6

test: lint
	$(BIN)/python -m pytest

lint: $(VENV)/ready-for-tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# What digitscan costs beside reading the files, into benchmarks/results.md: half an hour, and 4 GB in TMPDIR for a while.
# Less of both, and less certain: make bench PAGES=100
PAGES ?= 10000
bench: $(VENV)/ready-for-tests
	$(BIN)/python benchmarks/speed.py --pages $(PAGES)

clean:
	rm -rf $(VENV) report.csv

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "digitscan needs Python 3.11, 3.12 or 3.13 with venv (Debian: apt install python3-venv)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# The stamps make a second call fast; they age when what is to be installed changes.
$(VENV)/ready: pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL) -e .
	touch $@

$(VENV)/ready-for-tests: pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL) -e '.[train,dev]'
	touch $@ $(VENV)/ready
