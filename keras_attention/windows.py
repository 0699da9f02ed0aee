"""Where a query may look: one small class a window.

To add one, write a class here and a line in `WINDOWS`.
"""

from __future__ import annotations

import keras
from keras import ops

from keras_attention import functional
from keras_attention.piece import PACKAGE, Piece
from keras_attention.registry import get as _get


class Window(Piece):
    """Base class: `mask, weights = window(query, source_len, allowed, past)`.

    A subclass creates its weights in `build(query_shape)` and overrides
    `call`.
    """

    def build(self, query_shape):
        del query_shape
        self.built = True

    def call(self, query, source_len, allowed=None, past=None):
        """Returns `(mask, weights)`.

        Args:
            query: `(batch, target_len, query_dim)`.
            source_len: integer or scalar int32 tensor.
            allowed: boolean, broadcastable to `(batch, target_len,
                source_len)`, or `None`: all may be seen.
            past: the `Past`, if the window remembers any of it.

        Returns:
            A mask that lets through no more than the given one (or `None`),
            and `weights` of the same rank, by which the alignments are
            multiplied after they have been normalised (or `None`).
        """
        raise NotImplementedError(
            f"{type(self).__name__} must implement "
            "`call(query, source_len, allowed, past)`."
        )


@keras.saving.register_keras_serializable(package=PACKAGE)
class GlobalWindow(Window):
    """Every query sees the whole source (Luong et al. 2015, section 3.1)."""

    def call(self, query, source_len, allowed=None, past=None):
        del query, source_len, past
        return allowed, None


@keras.saving.register_keras_serializable(package=PACKAGE)
class CausalWindow(Window):
    """Query `t` sees the source positions `s <= t` only, from 0.

    For source and target that run at the same pace: self-attention, series,
    streams.
    """

    remembers = ("step",)

    def call(self, query, source_len, allowed=None, past=None):
        length = ops.shape(query)[1]
        steps = ops.expand_dims(past.step, 1) + ops.arange(
            length, dtype="int32"
        )  # (batch, target_len)
        positions = ops.arange(source_len, dtype="int32")
        causal = ops.greater_equal(ops.expand_dims(steps, 2), positions)
        return functional.both(causal, allowed), None


WINDOWS = {"causal": CausalWindow, "global": GlobalWindow}


def get(identifier):
    """Returns the `Window` that a name, a config or an instance stands for.

    Example:

    >>> type(get("global")).__name__
    'GlobalWindow'
    """
    return _get(identifier, WINDOWS, Window, "window")
