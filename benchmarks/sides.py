"""The layers that are compared, each with its peer from Keras.

A *side* is a dictionary of functions without arguments: `"forward"` and
`"training"` (forward and backward), each returning tensors.
"""

from __future__ import annotations

from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

import keras_attention

SIDES = ("ours", "peer")


class Shape(NamedTuple):
    """Sizes; the width of query and value is `units`."""

    batch: int
    target_len: int
    source_len: int
    units: int


class WithDense(keras.layers.Layer):
    """A layer of Keras, with the projections that it lacks before it."""

    def __init__(self, attention, query=None, key=None):
        super().__init__()
        self.supports_masking = True
        self.query, self.key, self.attention = query, key, attention

    def build(self, input_shape):
        query, value = input_shape
        for layer, shape in ((self.query, query), (self.key, value)):
            if layer is not None:
                layer.build(shape)
        self.attention.build([query, value, value])
        self.built = True

    def call(self, inputs, mask=None):
        query, value = inputs
        key = value if self.key is None else self.key(value)
        if self.query is not None:
            query = self.query(query)
        return self.attention([query, value, key], mask=mask)


def additive(side, units):
    if side == "ours":
        return keras_attention.AdditiveAttention(units)
    return WithDense(
        keras.layers.AdditiveAttention(),
        query=keras.layers.Dense(units, use_bias=False),
        key=keras.layers.Dense(units, use_bias=False),
    )


def luong_dot(side, units):
    del units
    if side == "ours":
        return keras_attention.LuongAttention("dot")
    return WithDense(keras.layers.Attention())


def luong_general(side, units):
    if side == "ours":
        return keras_attention.LuongAttention("general")
    return WithDense(
        keras.layers.Attention(),
        key=keras.layers.Dense(units, use_bias=False),
    )


LAYERS = {
    "additive": additive,
    "luong_dot": luong_dot,
    "luong_general": luong_general,
}


def functions(name, side, shape, jit_compile, seed=0):
    """Returns `{"forward": ..., "training": ...}` of one side.

    Both sides of a name have the same inputs, mask and weights. A fifth of
    the memory is masked, more or less of it in each example.
    """
    rng = np.random.default_rng(seed)
    layer = LAYERS[name](side, shape.units)
    query, value, weigh = (
        tf.constant(rng.normal(size=size), "float32")
        for size in (
            (shape.batch, shape.target_len, shape.units),
            (shape.batch, shape.source_len, shape.units),
            (shape.batch, shape.target_len, shape.units),
        )
    )
    lengths = rng.integers(
        3 * shape.source_len // 5, shape.source_len + 1, size=(shape.batch, 1)
    )
    mask = tf.constant(np.arange(shape.source_len) < lengths)
    layer.build([tuple(query.shape), tuple(value.shape)])
    # Matrices first, the query's before the keys'; then the vector.
    weights = sorted(
        layer.trainable_weights, key=lambda one: len(one.shape), reverse=True
    )
    for weight in weights:
        scale = shape.units**-0.5
        weight.assign(rng.normal(scale=scale, size=weight.shape))
    variables = [weight.value for weight in weights]

    @tf.function(jit_compile=jit_compile, autograph=False)
    def forward():
        return layer([query, value], mask=[None, mask])

    @tf.function(jit_compile=jit_compile, autograph=False)
    def training():
        with tf.GradientTape() as tape:
            tape.watch([query, value])
            context = layer([query, value], mask=[None, mask])
            loss = tf.reduce_sum(context * weigh)
        return tape.gradient(loss, [query, value, *variables])

    return {"forward": forward, "training": training}


def difference(name, shape, jit_compile):
    """The largest difference between the contexts of the two sides."""
    ours, peer = (
        functions(name, side, shape, jit_compile)["forward"]().numpy()
        for side in SIDES
    )
    return float(np.abs(ours - peer).max())
