"""Linear recurrences over the last axis, `y_j = keep_{j-1} y_{j-1} + x_j`.

Two ways to the same numbers: `doubled` takes as many steps as the length has
binary digits, each over all positions at once; `in_turn` takes one step a
position. Both work with a length that is known at run time only, and their
gradient is a recurrence too, backwards: neither keeps what it went through.
"""

from __future__ import annotations

from typing import Any

from keras import ops

from keras_attention.functional.custom_gradient import custom_gradient

Tensor = Any  # a tensor of whichever backend Keras runs on


def doubled(keep: Tensor, inputs: Tensor) -> Tensor:
    """Returns `y_j = keep_{j-1} y_{j-1} + inputs_j`, by doubling.

    A parallel scan (Hillis and Steele 1986): after `k` rounds every position
    has the sum over the `2^k` positions that end there.

    Args:
        keep: `(batch, ..., length)`.
        inputs: likewise.

    Returns:
        Likewise.

    Example:

    >>> doubled(ops.array([[0.5, 0.5, 0.5]]), ops.array([[4.0, 0, 1]])).numpy()
    array([[4., 2., 2.]], dtype=float32)
    """
    return _with_gradient(_double, keep, inputs)


def in_turn(keep: Tensor, inputs: Tensor) -> Tensor:
    """Returns `y_j = keep_{j-1} y_{j-1} + inputs_j`, one after the other.

    Args:
        keep: `(batch, ..., length)`.
        inputs: likewise.

    Returns:
        Likewise.

    Example:

    >>> in_turn(ops.array([[0.5, 0.5, 0.5]]), ops.array([[4.0, 0, 1]])).numpy()
    array([[4., 2., 2.]], dtype=float32)
    """
    return _with_gradient(_step, keep, inputs)


def _with_gradient(run, keep, inputs):
    """Runs `y_j = factors_j y_{j-1} + inputs_j`, with its own gradient."""

    @custom_gradient
    def recurrence(keep, inputs):
        outputs = run(_shifted(keep, 1), inputs)

        def gradient(upstream):
            # s_j = upstream_j + keep_j s_{j+1}, from the last to the first
            by_inputs = ops.flip(
                run(ops.flip(keep, axis=-1), ops.flip(upstream, axis=-1)),
                axis=-1,
            )
            return outputs * _shifted(by_inputs, -1), by_inputs

        return outputs, gradient

    return recurrence(keep, inputs)


def _shifted(tensor, distance):
    """Moves what is at `j` to `j + distance`; zeros come in."""
    length = ops.shape(tensor)[-1]
    sources = ops.arange(length, dtype="int32") - distance
    inside = ops.logical_and(sources >= 0, sources < length)
    moved = ops.take(tensor, ops.clip(sources, 0, length - 1), axis=-1)
    return ops.where(inside, moved, 0.0)


def _double(factors, sums):
    length = ops.shape(sums)[-1]

    def reach(distance, factors, sums):
        sums = sums + factors * _shifted(sums, distance)
        factors = factors * _shifted(factors, distance)
        return distance * 2, factors, sums

    distance = 1
    if isinstance(length, int):
        while distance < length:
            distance, factors, sums = reach(distance, factors, sums)
        return sums
    return ops.while_loop(
        lambda distance, *_: distance < length,
        reach,
        (ops.ones((), dtype="int32"), factors, sums),
    )[-1]


def _step(factors, inputs):
    length = ops.shape(inputs)[-1]
    axes = len(inputs.shape) - 1

    def step(position, last, outputs):
        last = ops.take(factors, position, axis=-1) * last + ops.take(
            inputs, position, axis=-1
        )
        outputs = ops.slice_update(
            outputs, (*[0] * axes, position), ops.expand_dims(last, -1)
        )
        return position + 1, last, outputs

    return ops.while_loop(
        lambda position, *_: position < length,
        step,
        (
            ops.zeros((), dtype="int32"),
            ops.zeros_like(ops.sum(inputs, axis=-1)),
            ops.zeros_like(inputs),
        ),
    )[-1]
