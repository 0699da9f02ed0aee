"""Scores to alignments: over the last axis, over unmasked positions only."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_attention.functional.custom_gradient import custom_gradient
from keras_attention.functional.masks import lowest
from keras_attention.functional.precision import widened

Tensor = Any  # a tensor of whichever backend Keras runs on

# Scores that overflowed become this; it is far above `lowest`.
HIGH = 1e38


def masked_softmax(scores: Tensor, mask: Tensor | None = None) -> Tensor:
    """Returns the softmax over the last axis, over unmasked positions only.

    Computed in at least float32 and cast back. Masked positions get exactly
    zero; a row without any unmasked position is all zeros, never NaN. Scores
    that have overflowed share the weight among themselves.

    Args:
        scores: `(..., source_len)`, any float dtype.
        mask: boolean, broadcastable to `scores`; `True` = attend.

    Returns:
        Alignments of the shape and dtype of `scores`.

    Example:

    >>> masked_softmax(ops.zeros((1, 2)), ops.array([[True, False]])).numpy()
    array([[1., 0.]], dtype=float32)
    """
    dtype = keras.backend.standardize_dtype(scores.dtype)
    return ops.cast(_masked_softmax(widened(scores), mask), dtype)


def _masked_softmax(scores: Tensor, mask: Tensor | None) -> Tensor:
    # As a float, for which a gradient can be returned, and as an argument:
    # JAX loses track of what a function takes from around it, in a loop.
    floats = () if mask is None else (ops.cast(mask, scores.dtype),)
    return _softmax_of_unmasked(scores, *floats)


@custom_gradient
def _softmax_of_unmasked(scores: Tensor, *mask: Tensor) -> Any:
    def only_unmasked(tensor: Tensor, otherwise: Tensor) -> Tensor:
        return ops.where(mask[0] > 0, tensor, otherwise) if mask else tensor

    finite = ops.clip(scores, -HIGH, HIGH)
    alignments = _softmax(only_unmasked(finite, lowest(scores)))
    alignments = only_unmasked(alignments, 0.0)

    # Only the alignments are kept for it: fewer tensors of this size than the
    # steps above would leave.
    def gradient(upstream: Tensor) -> Any:
        upstream = only_unmasked(upstream, 0.0)
        mean = ops.sum(alignments * upstream, axis=-1, keepdims=True)
        by_scores = alignments * (upstream - mean)
        return (by_scores, ops.zeros_like(mask[0])) if mask else by_scores

    return alignments, gradient


def _softmax(scores: Tensor) -> Tensor:
    if scores.shape[-1] == 1:
        # A source of one position is all right; Keras's softmax would warn.
        return ops.exp(scores - ops.max(scores, axis=-1, keepdims=True))
    return ops.softmax(scores, axis=-1)


def masked_hardmax(scores: Tensor, mask: Tensor | None = None) -> Tensor:
    """Returns one-hot alignments at the highest unmasked score.

    Of equal scores the first wins. A row without any unmasked position is all
    zeros. Not differentiable; see `straight_through`.

    Args:
        scores: `(..., source_len)`.
        mask: boolean, broadcastable to `scores`; `True` = attend.

    Returns:
        Alignments of the shape and dtype of `scores`, zeros and ones.

    Example:

    >>> masked_hardmax(ops.array([[0.1, 0.7, 0.2]])).numpy()
    array([[0., 1., 0.]], dtype=float32)
    """
    if scores.shape[-1] == 0:
        return scores  # nothing to choose from
    dtype = keras.backend.standardize_dtype(scores.dtype)
    scores = widened(scores)
    if mask is not None:
        # Those that overflowed are no less than what is masked.
        scores = ops.maximum(scores, -HIGH)
        scores = ops.where(mask, scores, lowest(scores))
    best = _first_best(scores)  # (..., 1)
    positions = ops.arange(ops.shape(scores)[-1], dtype="int32")
    chosen = ops.equal(ops.cast(best, "int32"), positions)
    if mask is not None:
        chosen = ops.logical_and(chosen, mask)
    return ops.cast(chosen, dtype)


def _first_best(scores: Tensor) -> Tensor:
    if keras.backend.backend() == "torch":
        # Of equal scores its `top_k` takes any.
        return ops.argmax(scores, axis=-1, keepdims=True)
    # Where one would write `argmax`: LiteRT has this built in.
    return ops.top_k(scores, k=1)[1]


def straight_through(hard: Tensor, soft: Tensor) -> Tensor:
    """Returns `hard` in the forward pass with the gradient of `soft`.

    The straight-through estimator of Bengio, Leonard and Courville (2013),
    section 4.

    Example:

    >>> straight_through(ops.array([1.0, 0.0]), ops.array([0.6, 0.4])).numpy()
    array([1., 0.], dtype=float32)
    """
    # `soft - stop_gradient(soft)` first: it is exactly zero, so that the
    # result is exactly `hard`.
    return ops.stop_gradient(hard) + (soft - ops.stop_gradient(soft))
