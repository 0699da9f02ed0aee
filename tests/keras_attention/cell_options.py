"""A table of `AttentionCell`s: several attentions, layers and functions."""

import dataclasses
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

import keras_attention as ka
from keras_attention.attention_vectors import (
    ConcatenatedVectors,
    ContextVector,
)
from tests.cases import (
    BATCH,
    HIDDEN,
    MEMORY,
    QUERY,
    SOURCE,
    TARGET,
    UNITS,
    VECTOR,
    numpy,
)

OTHER_SOURCE, OTHER_MEMORY, OTHER_VECTOR = 2, 23, 29
HEIGHT, WIDTH = 2, 5
SHAPES = {
    "sequence": (SOURCE, MEMORY),
    "other": (OTHER_SOURCE, OTHER_MEMORY),
    "grid": (HEIGHT, WIDTH, MEMORY),
}


@keras.saving.register_keras_serializable(package="tests")
def fed_first(inputs, fed):
    """What was fed comes before the inputs."""
    return keras.ops.concatenate([fed, inputs], axis=-1)


@keras.saving.register_keras_serializable(package="tests")
class Mixture(keras.layers.Layer):
    """Projects inputs and what is fed to one width, and adds them."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.of_inputs = keras.layers.Dense(units, use_bias=False)
        self.of_fed = keras.layers.Dense(units, use_bias=False)

    def build(self, inputs_shape, fed_shape):
        self.of_inputs.build(inputs_shape)
        self.of_fed.build(fed_shape)

    def call(self, inputs, fed):
        return self.of_inputs(inputs) + self.of_fed(fed)

    def get_config(self):
        return {**super().get_config(), "units": self.units}


def additive():
    return ka.AdditiveAttention(UNITS)


def general():
    return ka.LuongAttention("general")


def remembering():
    return ka.Attention(score=CoveredScore())


@keras.saving.register_keras_serializable(package="tests")
class CoveredScore(ka.scores.GeneralScore):
    """General scores, less what has been looked at before."""

    remembers = ("accumulated",)

    def call(self, query, keys, past):
        covered = keras.ops.expand_dims(past.accumulated, 1)
        return super().call(query, keys) - covered


@dataclasses.dataclass(frozen=True)
class Options:
    """Arguments of a cell, and the same in NumPy.

    Attributes:
        attention: makes the attention, or the list of attentions.
        memories: names in `SHAPES`; one may serve several attentions.
        arguments: makes the further arguments.
        vector: makes a function `[h; c] -> vector` out of the layer `units`.
        join: makes a function `(inputs, fed) -> cell inputs` out of
            `cell_input_fn`.
    """

    name: str
    attention: Callable[[], Any]
    memories: tuple[str, ...]
    arguments: Callable[[], dict]
    vector: Callable[[Any], Callable] = lambda layer: lambda joined: joined
    join: Callable[[Any], Callable] = lambda layer: (
        lambda inputs, fed: np.concatenate([inputs, fed])
    )

    def make(self):
        return ka.AttentionRNN(
            ka.AttentionCell(
                keras.layers.LSTMCell(HIDDEN),
                self.attention(),
                **self.arguments(),
            ),
            return_state=True,
            return_attention_scores=True,
        )

    def data(self, seed=0):
        """Returns `(inputs, [memory, ...], [mask, ...])`."""
        rng = np.random.default_rng(seed)
        inputs = rng.normal(size=(BATCH, TARGET, QUERY)).astype("float32")
        memories, masks = [], []
        for name in self.memories:
            shape = (BATCH, *SHAPES[name])
            memories.append(rng.normal(size=shape).astype("float32"))
            mask = np.ones(shape[:-1], bool)
            mask[0, ..., -1] = False
            masks.append(mask)
        return inputs, memories, masks

    def given(self, parts):
        """As a caller gives memories: a tensor, or a list of tensors."""
        return parts[0] if len(parts) == 1 else parts


def linear(layer):
    return lambda joined: joined @ numpy(layer.kernel) + numpy(layer.bias)


def luong(layer):
    return lambda joined: np.tanh(joined @ numpy(layer.kernel))


def each_vector(layer):
    first, second = (numpy(one.kernel) for one in layer.layers)

    def vector(joined):
        hidden, one, two = np.split(joined, [HIDDEN, HIDDEN + MEMORY])
        return np.concatenate(
            [
                np.concatenate([hidden, one]) @ first,
                np.tanh(np.concatenate([hidden, two]) @ second),
            ]
        )

    return vector


def mixture(layer):
    of_inputs, of_fed = (
        numpy(layer.of_inputs.kernel),
        numpy(layer.of_fed.kernel),
    )
    return lambda inputs, fed: inputs @ of_inputs + fed @ of_fed


def make_each_vector():
    return ConcatenatedVectors(
        [
            keras.layers.Dense(VECTOR, use_bias=False),
            keras.layers.Dense(OTHER_VECTOR, "tanh", use_bias=False),
        ],
        HIDDEN,
        [MEMORY, OTHER_MEMORY],
    )


OPTIONS = [
    Options(
        "two_attentions_one_memory_before",
        lambda: [additive(), general()],
        ("sequence",),
        lambda: {"attend": "before"},
    ),
    Options(
        "two_memories_before_feeding",
        lambda: [additive(), general()],
        ("sequence", "other"),
        lambda: {"attend": "before", "input_feeding": True, "units": VECTOR},
        vector=luong,
    ),
    Options(
        "two_memories_after",
        lambda: [additive(), general()],
        ("other", "sequence"),
        lambda: {"attend": "after", "units": VECTOR},
        vector=luong,
    ),
    Options(
        "two_memories_remembering_after_feeding",
        lambda: (remembering(), additive(), remembering()),
        ("sequence", "other", "sequence"),
        lambda: {"attend": "after", "input_feeding": True},
    ),
    Options(
        "two_memories_remembering_after",
        lambda: [remembering(), additive()],
        ("sequence", "other"),
        lambda: {"attend": "after"},
    ),
    Options(
        "a_vector_each",
        lambda: [additive(), general()],
        ("sequence", "other"),
        lambda: {
            "attend": "after",
            "input_feeding": True,
            "units": make_each_vector(),
        },
        vector=each_vector,
    ),
    Options(
        "linear_vector_before",
        additive,
        ("sequence",),
        lambda: {"attend": "before", "units": keras.layers.Dense(VECTOR)},
        vector=linear,
    ),
    Options(
        "linear_vector_fed_not_put_out",
        additive,
        ("sequence",),
        lambda: {
            "attend": "after",
            "input_feeding": True,
            "units": keras.layers.Dense(VECTOR),
            "output_attention": False,
        },
        vector=linear,
    ),
    Options(
        "context_fed",
        general,
        ("sequence",),
        lambda: {
            "attend": "after",
            "input_feeding": True,
            "units": ContextVector(HIDDEN),
        },
        vector=lambda layer: lambda joined: joined[HIDDEN:],
    ),
    Options(
        "hidden_put_out_before",
        additive,
        ("sequence",),
        lambda: {"attend": "before", "output_attention": False},
    ),
    Options(
        "hidden_put_out_after",
        remembering,
        ("sequence",),
        lambda: {"attend": "after", "output_attention": False},
    ),
    Options(
        "input_function",
        additive,
        ("sequence",),
        lambda: {"attend": "before", "cell_input_fn": fed_first},
        join=lambda layer: lambda inputs, fed: np.concatenate([fed, inputs]),
    ),
    Options(
        "input_layer",
        lambda: [additive(), general()],
        ("sequence",),
        lambda: {
            "attend": "before",
            "input_feeding": True,
            "units": keras.layers.Dense(VECTOR),
            "cell_input_fn": Mixture(UNITS),
        },
        vector=linear,
        join=mixture,
    ),
    Options(
        "grid_before",
        additive,
        ("grid",),
        lambda: {"attend": "before"},
    ),
    Options(
        "grid_and_sequence_after_feeding",
        lambda: [remembering(), general()],
        ("grid", "sequence"),
        lambda: {"attend": "after", "input_feeding": True},
    ),
]
