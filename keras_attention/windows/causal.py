"""`CausalWindow`: no further than the step itself."""

from __future__ import annotations

import keras
from keras import ops

from keras_attention import functional
from keras_attention.windows.window import PACKAGE, Window


@keras.saving.register_keras_serializable(package=PACKAGE)
class CausalWindow(Window):
    """Query `t` sees the source positions `s <= t` only, from 0.

    For source and target that run at the same pace: self-attention, series,
    streams (Vaswani et al. 2017, section 3.2.3).

    Example:

    >>> attention = keras_attention.Attention(window="causal")
    >>> _, alignments = attention(
    ...     [ops.ones((1, 2, 4)), ops.ones((1, 3, 4))],
    ...     return_attention_scores=True,
    ... )
    >>> alignments.numpy().tolist()
    [[[1.0, 0.0, 0.0], [0.5, 0.5, 0.0]]]
    """

    remembers = ("step",)

    def call(self, query, source_len, allowed=None, past=None):
        steps = functional.steps(past.step, ops.shape(query)[1])
        positions = ops.arange(source_len, dtype="int32")
        causal = ops.greater_equal(ops.expand_dims(steps, 2), positions)
        return functional.both(causal, allowed), None
