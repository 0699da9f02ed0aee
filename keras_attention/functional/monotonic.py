"""Monotonic alignments: from where the step before stopped, never back."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_attention.functional.masks import both, lowest
from keras_attention.functional.precision import widened
from keras_attention.functional.recurrences import doubled

Tensor = Any  # a tensor of whichever backend Keras runs on


def expected_monotonic(
    scores: Tensor,
    previous: Tensor,
    mask: Tensor | None = None,
    recurrence: Any = doubled,
) -> Tensor:
    """Returns where a monotonic attention stops, in expectation.

    Raffel et al. (2017), eqs. 8-12: from where the step before stopped, one
    source position after the other is inspected, and chosen with probability
    `p_j = sigmoid(score_j)`:

        q_j = (1 - p_{j-1}) q_{j-1} + previous_j
        alignment_j = p_j q_j

    Sums and products of numbers between zero and one only, in at least
    float32: neither long sources nor saturated scores lose anything, and the
    gradient is finite.

    Args:
        scores: `(..., source_len)`, any float dtype.
        previous: alignments of the step before, broadcastable to `scores`.
        mask: boolean, broadcastable to `scores`. Masked positions are passed
            over.
        recurrence: `doubled` or `in_turn`, of `functional.recurrences`.

    Returns:
        Alignments of the shape and dtype of `scores`. A row sums to less than
        one by the chance that nothing was chosen.

    Example:

    >>> scores = ops.array([[0.0, 0.0, 0.0]])
    >>> expected_monotonic(scores, ops.array([[1.0, 0.0, 0.0]])).numpy()
    array([[0.5  , 0.25 , 0.125]], dtype=float32)
    """
    dtype = keras.backend.standardize_dtype(scores.dtype)
    wide = widened(scores)
    if mask is not None:
        wide = ops.where(mask, wide, lowest(wide))
    previous = ops.cast(previous, wide.dtype) + ops.zeros_like(wide)
    # `sigmoid(-x)`, not `1 - sigmoid(x)`, which is zero from x = 17 on.
    arrivals = recurrence(ops.sigmoid(-wide), previous)
    return ops.cast(ops.sigmoid(wide) * arrivals, dtype)


def hard_monotonic(
    scores: Tensor, previous: Tensor, mask: Tensor | None = None
) -> Tensor:
    """Returns one-hot alignments at the first position that is good enough.

    Raffel et al. (2017), Algorithm 1, deciding by `p > 0.5`, that is, by a
    score above zero: the first such position, from that of the step before
    on. If there is none, zeros; and from then on. Not differentiable.

    Args:
        scores: `(..., source_len)`.
        previous: alignments of the step before, broadcastable to `scores`;
            anything above zero is where that step stopped.
        mask: boolean, broadcastable to `scores`. Masked positions are passed
            over.

    Returns:
        Alignments of the shape and dtype of `scores`, zeros and ones.

    Example:

    >>> scores = ops.array([[3.0, -1.0, 2.0, 1.0]])
    >>> hard_monotonic(scores, ops.array([[0.0, 1.0, 0.0, 0.0]])).numpy()
    array([[0., 0., 1., 0.]], dtype=float32)
    """
    stopped = ops.cast(ops.greater(previous, 0), "int32")
    started = ops.greater(ops.cumsum(stopped, axis=-1), 0)
    good = both(ops.logical_and(started, ops.greater(scores, 0)), mask)
    first = ops.equal(ops.cumsum(ops.cast(good, "int32"), axis=-1), 1)
    return ops.cast(ops.logical_and(first, good), scores.dtype)
