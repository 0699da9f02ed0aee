"""How a layer's notes reach the model's loss.

A layer cannot see the loss of the model that it is part of. In training it
reports what it noted; a model that asks for it (`collecting`) weighs it with
its own losses, see `RewardMixin`. Elsewhere what needs no reward becomes an
ordinary loss of the layer, and what needs one is an error.
"""

from __future__ import annotations

import contextlib
import threading

from keras import ops

_STATE = threading.local()


@contextlib.contextmanager
def collecting():
    """Inside this context, reports are gathered in the list it gives.

    The list holds `(attention, notes)` pairs in the order of the calls.
    """
    before = getattr(_STATE, "reports", None)
    _STATE.reports = []
    try:
        yield _STATE.reports
    finally:
        _STATE.reports = before


def is_collecting():
    """Whether a model gathers reports: the outermost that asked for it."""
    return getattr(_STATE, "reports", None) is not None


def even_weights(notes, mask=None):
    """Returns `(batch, target_len)` weights by which every step counts alike.

    Args:
        notes: `(batch, target_len, number)`, float32.
        mask: boolean `(batch, target_len)`, `True` where a step counts, or
            `None`: all count.
    """
    weights = ops.ones_like(notes[..., 0])
    if mask is not None:
        weights = ops.where(mask, weights, 0.0)
    # Where no step counts, all weights are zero.
    return weights / ops.maximum(ops.sum(weights), 1.0)


def report(attention, notes, mask=None):
    """Hands an attention's notes on.

    Args:
        attention: the layer.
        notes: `(batch, target_len, attention.num_notes)`.
        mask: boolean `(batch, target_len)`, `True` where a step counts, or
            `None`. A model that gathers reports goes by its loss instead.

    Raises:
        ValueError: if a piece needs a reward and no model gives one.
    """
    reports = getattr(_STATE, "reports", None)
    if reports is not None:
        reports.append((attention, notes))
        return
    notes = ops.cast(notes, "float32")
    for piece, part in attention.split_notes(notes):
        if piece.needs_reward:
            raise ValueError(
                f"{type(piece).__name__} learns from a reward, which a layer "
                "cannot see: the model must supply it. Use "
                "keras_attention.EncoderDecoder, or let your model have the "
                "mix-in, `class MyModel(keras_attention.RewardMixin, "
                "keras.Model)`, and compile it with a loss before it is "
                "called with training=True."
            )
        weights = even_weights(part, mask)
        attention.add_loss(piece.auxiliary_loss(part, None, weights))
