"""Memory and states by names, and back into their structures."""

from typing import NamedTuple

import numpy as np
import pytest
import tensorflow as tf

from export.flat_states import (
    flatten,
    flatten_memory,
    flatten_states,
    structure_of,
    unflatten,
)
from keras_attention.past import Past
from tests.export import tiny


class Pair(NamedTuple):
    value: object
    keys: object


@pytest.mark.parametrize("kind", tiny.MODELS)
def test_a_step_is_the_same_after_both_ways(kind):
    model = tiny.model(**tiny.MODELS[kind])
    like = structure_of(model)
    source = np.array([[5, 6, 7, 2, 0], [8, 9, 2, 0, 0]], "int32")
    memory, states = model.encode(source)
    named = flatten(memory, states)
    specs = flatten(*like)
    assert list(named) == list(specs)
    for name, tensor in named.items():
        assert specs[name].name == name
        assert specs[name].dtype == tensor.dtype
        assert specs[name].is_compatible_with(tensor)
        assert specs[name].shape[0] is None
    tokens = tf.constant([1, 4])
    expected = model.decode_step(tokens, states, memory)
    # Any order of the dictionary, and names of others beside them.
    shuffled = {"tokens": tokens, **dict(reversed(named.items()))}
    found_memory, found_states = unflatten(shuffled, *like)
    found = model.decode_step(tokens, found_states, found_memory)
    np.testing.assert_array_equal(found[0], expected[0])
    new = flatten_states(found[1])
    assert list(new) == [n for n in specs if n.startswith("state_")]
    for one, other in zip(new.values(), expected[1], strict=True):
        np.testing.assert_array_equal(one, other)


def test_names_say_where_a_tensor_was():
    memory = Pair(1, [2, None, {"fast": 3}])
    states = [4, Past(accumulated=5), (6,)]
    named = {
        "memory_value": 1,
        "memory_keys_0": 2,
        "memory_keys_2_fast": 3,
        "state_0": 4,
        "state_1_accumulated": 5,
        "state_2_0": 6,
    }
    assert flatten(memory, states) == named
    assert flatten_memory(memory) == dict(list(named.items())[:3])
    assert unflatten(named, memory, states) == (memory, states)
    restored = unflatten(named, memory, states)[1]
    assert isinstance(restored[1], Past) and restored[1].step is None
    assert flatten(None, []) == {}


def test_a_missing_tensor_is_an_error():
    with pytest.raises(KeyError, match="state_1"):
        unflatten({"state_0": 1}, None, [0, 0])
