"""The examples in the docstrings run, and print what they say."""

import doctest
import importlib
import pkgutil

import keras
import pytest

import keras_attention
from tests.backends import BACKEND

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(
        keras_attention.__path__, "keras_attention."
    )
)


PUBLIC = sorted(
    {
        (package.__name__, name)
        for package in (
            keras_attention,
            keras_attention.functional,
            keras_attention.migrate,
            keras_attention.normalizers,
            keras_attention.scores,
            keras_attention.search,
            keras_attention.windows,
        )
        for name in package.__all__
        # No tables, no modules, no tuples that others return.
        if callable(getattr(package, name))
        and not hasattr(getattr(package, name), "_fields")
    }
)


@pytest.mark.parametrize(("package", "name"), PUBLIC)
def test_what_is_public_has_an_example(package, name):
    thing = getattr(importlib.import_module(package), name)
    assert ">>> " in thing.__doc__ or "```python" in thing.__doc__


@pytest.mark.skipif(
    BACKEND != "tensorflow", reason="they print as TensorFlow's tensors do"
)
@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    module = importlib.import_module(name)
    outcome = doctest.testmod(
        module,
        extraglobs={
            "keras": keras,
            "keras_attention": keras_attention,
            "ops": keras.ops,
        },
        optionflags=doctest.NORMALIZE_WHITESPACE,
    )
    assert outcome.failed == 0
