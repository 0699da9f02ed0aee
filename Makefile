# Everything here needs only make, pip and a Python 3.11, 3.12 or 3.13.
# The first run makes an environment in $(VENV); later ones reuse it until
# setup.py or constraints.txt changes.

VENV ?= .venv
# Another interpreter: make PYTHON=/path/to/python3.12 demo
PYTHON ?=
# Further arguments for pytest: make test ARGS="-k search"
ARGS ?=
# Processes that run the tests at the same time; 0: in this one, for debugging.
WORKERS ?= auto

# The pipelines run on TensorFlow, whatever the user's Keras is set to.
KERAS_BACKEND ?= tensorflow
export KERAS_BACKEND

RUN := $(VENV)/bin/python -m
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help demo test quick lint types clean

help:
	@echo 'make demo    train a small French to English model, evaluate, export'
	@echo 'make test    all tests'
	@echo 'make quick   the tests that answer fast (all but those marked slow)'
	@echo 'make lint    ruff: errors, import order, formatting'
	@echo 'make types   mypy on pipelines, export and functional'
	@echo 'make clean   remove the environment, caches and builds (keeps runs)'
	@echo 'Each first makes an environment in $(VENV) if there is none.'
	@echo 'To change its Python: make clean; make PYTHON=/path/to/python3.12 demo'

demo: $(STAMP)
	@$(RUN) pipelines.demo

test: $(STAMP)
	@$(RUN) pytest -n $(WORKERS) --dist worksteal $(ARGS)

quick: $(STAMP)
	@$(RUN) pytest -n $(WORKERS) --dist worksteal -m 'not slow' $(ARGS)

lint: $(STAMP)
	@$(RUN) ruff check .
	@$(RUN) ruff format --check .

types: $(STAMP)
	@$(RUN) mypy

# Written last, so an installation that was cut short starts over.
$(STAMP): setup.py constraints.txt
	@python=$$(sh tools/find_python.sh '$(PYTHON)') || exit 1; \
	echo "Making the environment in $(VENV) with $$python" \
	    "(TensorFlow is large: a few minutes) ..."; \
	"$$python" -m venv --clear '$(VENV)'
	@$(RUN) pip install --quiet --disable-pip-version-check \
	    -c constraints.txt -e '.[all,test]' || { \
	    echo 'The installation failed; the reason stands above.' \
	        'It needs a 64-bit system that TensorFlow has wheels for.' >&2; \
	    exit 1; }
	@touch $@

# Runs are a user's work: they stay.
clean:
	rm -rf '$(VENV)' build dist *.egg-info
	rm -rf .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
