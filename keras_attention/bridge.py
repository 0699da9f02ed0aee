"""`Bridge`: from the encoder's last states to the decoder's first."""

from __future__ import annotations

import keras
from keras import ops

from keras_attention.piece import PACKAGE
from keras_attention.registry import positive_integer


@keras.saving.register_keras_serializable(package=PACKAGE)
class Bridge(keras.layers.Layer):
    """Makes the decoder's first states from the encoder's last ones.

    `s_j = tanh(W_j [h_1; ...; h_n] + b_j)` for each decoder state `j`, over
    all encoder states `h` (Bahdanau et al. 2014, A.2.2, use the backward
    one). Encoder and decoder may differ in number and width of their states.

    Args:
        state_size: widths of the decoder's states, a list of integers.
        activation: a Keras activation.
        **kwargs: as in `keras.layers.Layer` (`name`, `dtype`, ...).

    Call arguments:
        states: a list of tensors `(batch, width)`.

    Returns:
        A list of tensors `(batch, size)`, one for each in `state_size`.

    Raises:
        ValueError: unless `state_size` is a list of positive integers.

    Example:

    >>> first = Bridge([7, 7])([ops.ones((2, 5)), ops.ones((2, 5))])
    >>> [tuple(state.shape) for state in first]
    [(2, 7), (2, 7)]
    """

    def __init__(self, state_size, activation="tanh", **kwargs):
        super().__init__(**kwargs)
        if not isinstance(state_size, (list, tuple)) or not state_size:
            raise ValueError(
                "`state_size` must be a list of the widths of the decoder's "
                "states, such as [128] for a GRU or [128, 128] for an LSTM. "
                f"Received: state_size={state_size!r}."
            )
        self.state_size = [
            positive_integer("state_size", size) for size in state_size
        ]
        self.activation = keras.activations.get(activation)
        self.dense = keras.layers.Dense(
            sum(self.state_size),
            activation=activation,
            dtype=self.dtype_policy,
            name="dense",
        )

    def build(self, states_shape):
        if not states_shape or not isinstance(states_shape[0], (list, tuple)):
            raise ValueError(
                "Bridge must be called on a list of states, such as [state] "
                f"of a GRU. Received: one of shape {tuple(states_shape)}."
            )
        self.dense.build((None, sum(shape[-1] for shape in states_shape)))
        self.built = True

    def call(self, states):
        joined = self.dense(ops.concatenate(list(states), axis=-1))
        ends = [
            sum(self.state_size[: index + 1])
            for index in range(len(self.state_size))
        ]
        return [
            joined[:, end - size : end]
            for size, end in zip(self.state_size, ends, strict=True)
        ]

    def get_config(self):
        return {
            **super().get_config(),
            "state_size": self.state_size,
            "activation": keras.activations.serialize(self.activation),
        }
