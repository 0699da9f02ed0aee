"""The arithmetic of attention, as pure functions.

Everything numerical lives here: scores, masking, the softmax, the weighted
sum. Layers hold weights and call these functions; nothing else in the package
computes a softmax. Functions take and return tensors of the Keras backend in
use, batch first:

    query (batch, target_len, query_dim)    keys (batch, source_len, units)
    scores, alignments (batch, target_len, source_len)
    mask (batch, target_len or 1, source_len), boolean, `True` = attend

Deliberately absent: weights, randomness, state.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

Tensor = Any  # a tensor of whichever backend Keras runs on


def dot_scores(query: Tensor, keys: Tensor) -> Tensor:
    """Returns `query . key` for each pair: Luong et al. (2015), eq. 8, "dot".

    Args:
        query: `(batch, target_len, units)`.
        keys: `(batch, source_len, units)`.

    Returns:
        Scores `(batch, target_len, source_len)`.

    Example:

    >>> dot_scores(ops.ones((1, 2, 4)), ops.ones((1, 3, 4))).shape
    TensorShape([1, 2, 3])
    """
    return ops.matmul(query, ops.swapaxes(keys, -2, -1))


def additive_scores(query: Tensor, keys: Tensor, scale: Tensor) -> Tensor:
    """Returns `v . tanh(query + key)`: Bahdanau et al. (2014), A.1.2.

    Query and keys are projected already: `query = W_a s`, `keys = U_a h`.

    Args:
        query: `(batch, target_len, units)`.
        keys: `(batch, source_len, units)`.
        scale: the vector `v_a`, `(units,)`.

    Returns:
        Scores `(batch, target_len, source_len)`.

    Example:

    >>> additive_scores(
    ...     ops.ones((1, 2, 4)), ops.ones((1, 3, 4)), ops.ones((4,))
    ... ).shape
    TensorShape([1, 2, 3])
    """
    # (batch, target_len, 1, units) + (batch, 1, source_len, units)
    hidden = ops.tanh(ops.expand_dims(query, 2) + ops.expand_dims(keys, 1))
    return ops.sum(hidden * scale, axis=-1)


def masked_softmax(scores: Tensor, mask: Tensor | None = None) -> Tensor:
    """Returns the softmax over the last axis, over unmasked positions only.

    Computed in at least float32 and cast back. Masked positions get exactly
    zero; a row without any unmasked position is all zeros, never NaN.

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
    wide = ops.cast(scores, "float64" if dtype == "float64" else "float32")
    if dtype == "float16":
        # A product beyond 65504 is infinite, and infinities have no softmax.
        wide = ops.clip(wide, -65504.0, 65504.0)
    if mask is None:
        return ops.cast(ops.softmax(wide, axis=-1), dtype)
    wide = ops.where(mask, wide, _lowest(wide))
    alignments = ops.where(mask, ops.softmax(wide, axis=-1), 0.0)
    return ops.cast(alignments, dtype)


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
    if mask is not None:
        scores = ops.where(mask, scores, _lowest(scores))
    # `top_k` where one would write `argmax`: LiteRT has it built in.
    _, best = ops.top_k(scores, k=1)  # (..., 1)
    positions = ops.arange(ops.shape(scores)[-1], dtype="int32")
    chosen = ops.equal(ops.cast(best, "int32"), positions)
    if mask is not None:
        chosen = ops.logical_and(chosen, mask)
    return ops.cast(chosen, scores.dtype)


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


def weighted_sum(alignments: Tensor, value: Tensor) -> Tensor:
    """Returns the contexts: Bahdanau et al. (2014), eq. 5.

    Args:
        alignments: `(batch, target_len, source_len)`.
        value: `(batch, source_len, value_dim)`.

    Returns:
        Contexts `(batch, target_len, value_dim)`.

    Example:

    >>> weighted_sum(ops.ones((1, 2, 3)), ops.ones((1, 3, 5))).shape
    TensorShape([1, 2, 5])
    """
    return ops.matmul(alignments, value)


def causal_mask(target_len: Any, source_len: Any) -> Tensor:
    """Returns a mask by which position `i` sees positions `j <= i` only.

    Args:
        target_len, source_len: integers or scalar integer tensors.

    Returns:
        Boolean `(1, target_len, source_len)`.

    Example:

    >>> causal_mask(2, 3).numpy()
    array([[[ True, False, False],
            [ True,  True, False]]])
    """
    rows = ops.expand_dims(ops.arange(target_len, dtype="int32"), 1)
    columns = ops.expand_dims(ops.arange(source_len, dtype="int32"), 0)
    return ops.expand_dims(ops.greater_equal(rows, columns), 0)


def zero_masked(tensor: Tensor, mask: Tensor | None) -> Tensor:
    """Returns `tensor` `(batch, len, dim)` with zeros where the mask is off.

    A replacement, not a product: what stood there may have been infinite.

    Example:

    >>> zero_masked(ops.ones((1, 2, 1)), ops.array([[True, False]])).numpy()
    array([[[1.],
            [0.]]], dtype=float32)
    """
    if mask is None:
        return tensor
    return ops.where(ops.expand_dims(mask, -1), tensor, ops.zeros_like(tensor))


def _lowest(tensor: Tensor) -> Tensor:
    """A finite number at the lower end of a tensor's dtype."""
    dtype = keras.backend.standardize_dtype(tensor.dtype)
    return ops.cast(-65504.0 if dtype == "float16" else -3.3e38, dtype)
