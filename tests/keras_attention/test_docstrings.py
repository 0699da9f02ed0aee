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
