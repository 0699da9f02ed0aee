"""Sparsemax: the probabilities nearest to the scores, most of them zero."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_attention.functional.precision import widened

Tensor = Any  # a tensor of whichever backend Keras runs on

HIGHEST = 3.4028234e38  # what float32 can hold; infinite scores become this


def masked_sparsemax(scores: Tensor, mask: Tensor | None = None) -> Tensor:
    """Returns the sparsemax over the last axis, over unmasked positions only.

    Martins and Astudillo (2016), eq. 1: the point of the probability simplex
    nearest to the scores, found by sorting (Algorithm 1). Its gradient is that
    of the support, `[i = j] - 1 / |S|`, and zero elsewhere (section 2.5).

    Computed in at least float32 and cast back. Masked positions get exactly
    zero; a row without any unmasked position is all zeros.

    Args:
        scores: `(..., source_len)`, any float dtype.
        mask: boolean, broadcastable to `scores`; `True` = attend.

    Returns:
        Alignments of the shape and dtype of `scores`.

    Example:

    >>> masked_sparsemax(ops.array([[1.0, 0.5, -1.0]])).numpy()
    array([[0.75, 0.25, 0.  ]], dtype=float32)
    """
    dtype = keras.backend.standardize_dtype(scores.dtype)
    wide = ops.clip(widened(scores), -HIGHEST, HIGHEST)
    seen = wide if mask is None else ops.where(mask, wide, -HIGHEST)
    # A constant added to all scores changes nothing. With the highest at zero,
    # one of -1 or less is never in the support: clipped there, they keep
    # the sums below small, and masked ones are of no account.
    highest = ops.max(seen, axis=-1, keepdims=True, initial=-HIGHEST)
    shifted = seen - ops.stop_gradient(highest)
    support = _support(ops.stop_gradient(ops.clip(shifted, -1.0, 0.0)))
    if mask is not None:
        support = ops.logical_and(support, mask)
    inside = ops.where(support, shifted, 0.0)
    size = ops.sum(ops.cast(support, wide.dtype), axis=-1, keepdims=True)
    # Of nothing, the threshold is of no account: but it must be finite.
    threshold = (ops.sum(inside, axis=-1, keepdims=True) - 1.0) / ops.maximum(
        size, 1.0
    )
    alignments = ops.where(support, ops.relu(inside - threshold), 0.0)
    return ops.cast(alignments, dtype)


def _support(shifted: Tensor) -> Tensor:
    """Which scores, the highest of them zero, are above the threshold."""
    ordered = -ops.sort(-shifted, axis=-1)  # highest first
    ranks = ops.cast(
        ops.arange(1, ops.shape(shifted)[-1] + 1, dtype="int32"),
        shifted.dtype,
    )
    # Algorithm 1: the largest k with 1 + k z_(k) > z_(1) + ... + z_(k).
    counts = ops.greater(1.0 + ranks * ordered, ops.cumsum(ordered, axis=-1))
    last = ops.min(
        ops.where(counts, ordered, 0.0), axis=-1, keepdims=True, initial=0.0
    )
    return ops.greater_equal(shifted, last)
