# Everything runs in .venv, which is made on first use. `make` alone lists the commands.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test lint format bench messages gallery clean

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?=
TORCH := torch==2.13.0

# A name on the PATH may be a stub that only complains, so each candidate is run.
define FIND_PYTHON
	for p in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11 python; do \
	  if "$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; \
	  then found="$$p"; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
	  echo "retrograd needs Python 3.11 or newer, and none was found on the PATH." >&2; \
	  echo "Install one, or name it: make PYTHON=/path/to/python3.12 ..." >&2; \
	  exit 1; \
	fi
endef

help:
	@echo "make demo    train a network on handwritten digits and show its report"
	@echo "make test    run the tests (no network and no PyTorch needed to run them)"
	@echo "make lint    check style and types"
	@echo "make format  bring the code to the project's style"
	@echo "make bench   measure against PyTorch; writes docs/benchmarks.md"
	@echo "make messages  compile the translations, src/retrograd/see/locale/*.po"
	@echo "make gallery  run the examples; writes docs/gallery/ and the README's table"
	@echo "make clean   remove what these commands made"

demo: $(VENV)/.installed
	@$(BIN)/retrograd train $(ARGS)

test: $(VENV)/.installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile $(ARGS)

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.installed-torch
	$(BIN)/python benchmarks/bench.py --write docs $(ARGS)

messages: $(VENV)/.installed-dev
	for l in es ko; do $(BIN)/pybabel compile -l $$l \
	  -i src/retrograd/see/locale/$$l.po \
	  -o src/retrograd/see/locale/$$l/LC_MESSAGES/retrograd.mo; done

gallery: $(VENV)/.installed-dev
	$(BIN)/python docs/gallery/build.py $(ARGS)

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps say what is installed; they go stale when the dependencies may change.
$(VENV)/.python:
	@$(FIND_PYTHON); \
	"$$found" -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "\"$$found -m venv\" failed. On Debian or Ubuntu: apt install python3-venv" >&2; \
	  exit 1; }
	@touch $@

$(VENV)/.installed: pyproject.toml | $(VENV)/.python
	@echo "Installing retrograd into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml | $(VENV)/.python
	@echo "Installing retrograd and its development tools into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[dev]"
	@touch $@ $(VENV)/.installed

# Pinned: the comparisons are against one known release.
$(VENV)/.installed-torch: | $(VENV)/.installed-dev
	@echo "Installing $(TORCH) into $(VENV) (for comparison only) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "$(TORCH)"
	@touch $@
