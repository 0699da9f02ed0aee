"""Attention in which a query needs the alignments of the one before it."""

from __future__ import annotations

from keras import ops

from keras_attention.look import Look
from keras_attention.past import from_tensors
from keras_attention.time_loop import time_loop


def attend_in_turn(attention, query, value, keys, mask, training, past, noise):
    """Looks at a memory query by query; see `BaseAttention.attend`."""
    extras = dict(noise)
    if mask is not None and mask.shape[1] != 1:
        extras["mask"] = ops.broadcast_to(
            mask,
            (ops.shape(query)[0], ops.shape(query)[1], ops.shape(mask)[2]),
        )
    widths = [value.shape[-1], ops.shape(value)[1]]
    if training and attention.num_notes:
        widths.append(attention.num_notes)

    def step(query_now, states, now):
        now = {name: ops.expand_dims(now[name], 1) for name in now}
        look = attention.attend(
            ops.expand_dims(query_now, 1),
            value,
            keys,
            now.pop("mask", mask),
            training,
            from_tensors(attention.remembers, states),
            now,
        )
        outputs = [look.context, look.alignments, look.notes]
        return [
            ops.squeeze(one, 1) for one in outputs if one is not None
        ], look.past.tensors()

    outputs, states = time_loop(step, query, past.tensors(), widths, extras)
    context, alignments, *notes = outputs
    return Look(
        context,
        alignments,
        from_tensors(attention.remembers, states),
        notes[0] if notes else None,
    )
