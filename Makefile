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
PYTEST := pytest -n $(WORKERS) --dist worksteal

# The layers' tests on other backends. JAX compiles every operation of every
# shape: quickly here, for speed is not asked of it, and once for all processes
# and later runs. `make test` leaves those of the system, and PyTorch, to
# `make test-backends`, which has an environment of its own.
LAYERS := tests/keras_attention tests/conformance
SYSTEM := tests/system
XLA_QUICKLY := --xla_cpu_use_fusion_emitters=false \
    --xla_cpu_parallel_codegen_split_count=1
ON_JAX := KERAS_BACKEND=jax JAX_DISABLE_MOST_OPTIMIZATIONS=true \
    XLA_FLAGS='$(XLA_QUICKLY)' JAX_COMPILATION_CACHE_DIR='$(CURDIR)/.jax_cache' \
    JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS=0 \
    JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES=-1
BACKENDS_VENV ?= .venv-backends
RUN_BACKENDS := $(BACKENDS_VENV)/bin/python -m
BACKENDS_STAMP := $(BACKENDS_VENV)/.installed

.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help demo test test-jax test-backends test-browser quick lint types
.PHONY: clean

help:
	@echo 'make demo    train a small French to English model, evaluate, export'
	@echo 'make test    all tests, those of the layers on JAX too'
	@echo 'make test-backends   the tests of the layers on JAX and PyTorch'
	@echo 'make test-browser    the tests of the web page, in Chromium'
	@echo 'make quick   the tests that answer fast (all but those marked slow)'
	@echo 'make lint    ruff: errors, import order, formatting'
	@echo 'make types   mypy on pipelines, export and functional'
	@echo 'make clean   remove the environment, caches and builds (keeps runs)'
	@echo 'Each first makes an environment in $(VENV) if there is none.'
	@echo 'To change its Python: make clean; make PYTHON=/path/to/python3.12 demo'

demo: $(STAMP)
	@$(RUN) pipelines.demo

# Where ARGS names files, those on TensorFlow are meant.
test: $(STAMP) $(if $(filter tests/%,$(ARGS)),,test-jax)
	@$(RUN) $(PYTEST) $(ARGS)

# 5: the ARGS chose none of these.
test-jax: $(STAMP)
	@$(ON_JAX) $(RUN) $(PYTEST) -m 'not slow' $(LAYERS) $(ARGS) || \
	    [ $$? -eq 5 ]

test-backends: $(BACKENDS_STAMP)
	@$(ON_JAX) $(RUN_BACKENDS) $(PYTEST) -m 'not slow' \
	    $(LAYERS) $(SYSTEM) $(ARGS)
	@KERAS_BACKEND=torch $(RUN_BACKENDS) $(PYTEST) -m 'not slow' \
	    $(LAYERS) $(SYSTEM) $(ARGS)

# Needs Node.js and Chromium. CHROMIUM, MODEL and SCREENSHOT: see the file.
test-browser: $(STAMP)
	@$(RUN) pytest tests/browser/page.py $(ARGS)

quick: $(STAMP)
	@$(RUN) $(PYTEST) -m 'not slow' $(ARGS)

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

$(BACKENDS_STAMP): setup.py constraints.txt
	@python=$$(sh tools/find_python.sh '$(PYTHON)') || exit 1; \
	echo "Making the environment in $(BACKENDS_VENV) with $$python" \
	    "(PyTorch is large: a few minutes) ..."; \
	"$$python" -m venv --clear '$(BACKENDS_VENV)'
	@$(RUN_BACKENDS) pip install --quiet --disable-pip-version-check \
	    -c constraints.txt -e '.[test-backends]'
	@touch $@

# Runs are a user's work: they stay.
clean:
	rm -rf '$(VENV)' '$(BACKENDS_VENV)' build dist *.egg-info
	rm -rf .hypothesis .jax_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
