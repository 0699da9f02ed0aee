"""Layers that make an attentional vector of `[h_t; c_t]` in another way.

They go into `AttentionCell(units=...)`, in place of Luong's `tanh(W_c [h_t;
c_t])` (2015, eq. 5). Any Keras layer may: a `keras.layers.Dense(13,
use_bias=False)` leaves the tanh out.
"""

from __future__ import annotations

import keras
from keras import ops

from keras_attention.piece import PACKAGE
from keras_attention.registry import positive_integer
from keras_attention.serialization import deserialized, serialized


@keras.saving.register_keras_serializable(package=PACKAGE)
class ContextVector(keras.layers.Layer):
    """The context alone: `c_t` of `[h_t; c_t]`.

    With `input_feeding`, the cell gets the context of the step before and not
    its own hidden state, which it has anyway.

    Args:
        hidden_size: width of `h_t`, the units of the (last) cell.
        **kwargs: as in `keras.layers.Layer` (`name`, `dtype`, ...).

    Call arguments:
        joined: `[h_t; c_t]`, `(..., hidden_size + context_size)`.

    Returns:
        `(..., context_size)`.

    Example:

    >>> ContextVector(7)(ops.ones((2, 18))).shape
    TensorShape([2, 11])
    """

    def __init__(self, hidden_size, **kwargs):
        super().__init__(**kwargs)
        self.hidden_size = positive_integer("hidden_size", hidden_size)

    def build(self, joined_shape):
        if joined_shape[-1] <= self.hidden_size:
            raise ValueError(
                "ContextVector must be called on [h_t; c_t], wider than h_t. "
                f"Received: hidden_size={self.hidden_size}, a width of "
                f"{joined_shape[-1]} in all."
            )
        self.built = True

    def call(self, joined):
        return joined[..., self.hidden_size :]

    def compute_output_shape(self, joined_shape):
        return (*joined_shape[:-1], joined_shape[-1] - self.hidden_size)

    def get_config(self):
        return {**super().get_config(), "hidden_size": self.hidden_size}


@keras.saving.register_keras_serializable(package=PACKAGE)
class ConcatenatedVectors(keras.layers.Layer):
    """A vector for each of several attentions, one beside the other.

    `[layer_1([h_t; c_1]); layer_2([h_t; c_2]); ...]`, for a cell with a list
    of attentions. (One layer over all of `[h_t; c_1; c_2; ...]` is any layer
    of Keras.)

    Args:
        layers: a list of layers, one for each attention.
        hidden_size: width of `h_t`, the units of the (last) cell.
        context_sizes: widths of the contexts, those of the memories.
        **kwargs: as in `keras.layers.Layer` (`name`, `dtype`, ...).

    Call arguments:
        joined: `[h_t; c_1; c_2; ...]`, `(..., joined_size)`.

    Returns:
        `(..., size)`, the sum of the layers' widths.

    Raises:
        ValueError: unless there is a layer for each context, and the widths
            are those of what it is called on.

    Example:

    >>> layer = ConcatenatedVectors(
    ...     [keras.layers.Dense(3), keras.layers.Dense(5)], 7, [11, 13]
    ... )
    >>> layer(ops.ones((2, 31))).shape
    TensorShape([2, 8])
    """

    def __init__(self, layers, hidden_size, context_sizes, **kwargs):
        super().__init__(**kwargs)
        self.layers = list(layers)
        self.hidden_size = positive_integer("hidden_size", hidden_size)
        self.context_sizes = [
            positive_integer("context_sizes", size) for size in context_sizes
        ]
        if len(self.layers) != len(self.context_sizes):
            raise ValueError(
                "`layers` and `context_sizes` must have one entry for each "
                f"attention. Received: {len(self.layers)} layers, "
                f"context_sizes={self.context_sizes}."
            )

    def build(self, joined_shape):
        expected = self.hidden_size + sum(self.context_sizes)
        if joined_shape[-1] != expected:
            raise ValueError(
                "ConcatenatedVectors must be called on [h_t; c_1; c_2; ...]. "
                f"Expected: a width of hidden_size={self.hidden_size} and "
                f"context_sizes={self.context_sizes}, {expected} in all. "
                f"Received: {joined_shape[-1]}."
            )
        for layer, shape in self._shapes(joined_shape):
            if not layer.built:
                layer.build(shape)
        self.built = True

    def call(self, joined):
        hidden = joined[..., : self.hidden_size]
        vectors, start = [], self.hidden_size
        for layer, size in zip(self.layers, self.context_sizes, strict=True):
            context = joined[..., start : start + size]
            vectors.append(layer(ops.concatenate([hidden, context], axis=-1)))
            start += size
        return ops.concatenate(vectors, axis=-1)

    def compute_output_shape(self, joined_shape):
        sizes = [
            layer.compute_output_shape(shape)[-1]
            for layer, shape in self._shapes(joined_shape)
        ]
        return (*joined_shape[:-1], sum(sizes))

    def _shapes(self, joined_shape):
        return [
            (layer, (*joined_shape[:-1], self.hidden_size + size))
            for layer, size in zip(self.layers, self.context_sizes, strict=True)
        ]

    def get_config(self):
        return {
            **super().get_config(),
            "layers": serialized(self.layers),
            "hidden_size": self.hidden_size,
            "context_sizes": self.context_sizes,
        }

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        config["layers"] = deserialized(config["layers"])
        return cls(**config)
