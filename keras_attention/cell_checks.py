"""What an `AttentionCell` is made of, checked."""

from __future__ import annotations

import keras

from keras_attention.base_attention import BaseAttention


def check_cell(cell, attention, attend, cell_input_fn):
    """Raises a ValueError if a part of an `AttentionCell` is of no use."""
    # A recurrent layer has a `state_size` too: that of its cell.
    is_layer = isinstance(cell, keras.layers.RNN)
    if is_layer or not hasattr(cell, "state_size"):
        raise ValueError(
            "`cell` must be a Keras RNN cell (it has a `state_size`), "
            "such as keras.layers.LSTMCell(256), not a layer over a whole "
            f"sequence. Received: cell={cell!r}."
        )
    several = isinstance(attention, (list, tuple))
    for one in attention if several else [attention]:
        if isinstance(one, BaseAttention) or (one is None and not several):
            continue
        raise ValueError(
            "`attention` must be an attention layer of this package, such "
            "as keras_attention.AdditiveAttention(128), a list of them, or "
            f"None. Received: attention={attention!r}."
        )
    if several and not attention:
        raise ValueError(
            "`attention` must not be an empty list; None stands for a decoder "
            "without attention."
        )
    if attend not in ("before", "after"):
        raise ValueError(
            "`attend` must be 'before' (Bahdanau) or 'after' (Luong) the "
            f"cell's step. Received: attend={attend!r}."
        )
    if cell_input_fn is not None and not callable(cell_input_fn):
        raise ValueError(
            "`cell_input_fn` must be a function or a layer, (inputs, fed) -> "
            f"cell inputs. Received: cell_input_fn={cell_input_fn!r}."
        )


def check_effect(
    feeds_context, input_feeding, units, output_attention, cell_input_fn
):
    """Raises a ValueError if an argument would have no effect.

    Args:
        feeds_context: whether a context goes into the cell.
        input_feeding, units, output_attention, cell_input_fn: as in
            `AttentionCell`.
    """
    if cell_input_fn is not None and not (feeds_context or input_feeding):
        raise ValueError(
            "`cell_input_fn` joins the inputs with what is fed into the cell, "
            "and nothing is: set attend='before' (with an attention), which "
            "feeds the context, or input_feeding=True. Received: "
            f"cell_input_fn={cell_input_fn!r}."
        )
    if units is not None and not (output_attention or input_feeding):
        raise ValueError(
            "`units` makes an attentional vector that nobody would see: with "
            "output_attention=False it needs input_feeding=True. Received: "
            f"units={units!r}."
        )


def check_reward(attentions):
    """Raises a ValueError if an attention would learn nothing in a call.

    What it notes at a step reaches a loss through an `AttentionRNN`.
    """
    for attention in attentions:
        for piece in attention.pieces:
            if piece.needs_reward:
                raise ValueError(
                    f"{type(piece).__name__} learns from a reward, which no "
                    "single step of an AttentionCell has: train it in an "
                    "AttentionRNN, in a keras_attention.EncoderDecoder or a "
                    "model with keras_attention.RewardMixin."
                )


def check_dtypes(owner, parts):
    """Raises a ValueError unless all parts compute in the owner's dtype."""
    for part in parts:
        dtype = getattr(part, "compute_dtype", owner.compute_dtype)
        if dtype != owner.compute_dtype:
            raise ValueError(
                "A cell and all its parts must compute in one dtype. "
                f"Received: {type(owner).__name__} {owner.compute_dtype}, "
                f"{type(part).__name__} {dtype}. Give all of them the same "
                "`dtype`, or call keras.config.set_dtype_policy first."
            )
