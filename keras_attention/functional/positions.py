"""Positions in the source, and what lies near them.

Positions count from 0, in int32 or in at least float32: half precision cannot
tell those beyond 2048 apart.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_attention.functional.precision import widened
from keras_attention.functional.projections import project

Tensor = Any  # a tensor of whichever backend Keras runs on


def steps(step: Tensor, target_len: Any) -> Tensor:
    """Returns the numbers of the steps that `target_len` queries are at.

    Args:
        step: int32 `(batch,)`, the number of steps before.
        target_len: integer or scalar int32 tensor.

    Returns:
        int32 `(batch, target_len)`.

    Example:

    >>> steps(ops.array([0, 5]), 3).numpy()
    array([[0, 1, 2],
           [5, 6, 7]], dtype=int32)
    """
    return ops.expand_dims(step, 1) + ops.arange(target_len, dtype="int32")


def near(centres: Tensor, source_len: Any, width: int) -> Tensor:
    """Returns which positions are in `[centre - width, centre + width]`.

    Args:
        centres: `(batch, target_len)`, int32 or float32.
        source_len: integer or scalar int32 tensor.
        width: how far to either side.

    Returns:
        Boolean `(batch, target_len, source_len)`.

    Example:

    >>> near(ops.array([[1.5]]), source_len=5, width=1).numpy()
    array([[[False,  True,  True, False, False]]])
    """
    return ops.less_equal(ops.abs(distances(centres, source_len)), width)


def gaussian(centres: Tensor, source_len: Any, sigma: float) -> Tensor:
    """Returns `exp(-(s - centre)^2 / (2 sigma^2))` for every position `s`.

    Luong et al. (2015), eq. 10.

    Args:
        centres: `(batch, target_len)`, float32 or float64.
        source_len: integer or scalar int32 tensor.
        sigma: the standard deviation, in positions.

    Returns:
        `(batch, target_len, source_len)`, of the dtype of `centres`.

    Example:

    >>> gaussian(ops.array([[1.0]]), source_len=3, sigma=1.0).numpy().round(2)
    array([[[0.61, 1.  , 0.61]]], dtype=float32)
    """
    far = distances(centres, source_len) / sigma
    return ops.exp(-0.5 * far * far)


def distances(centres: Tensor, source_len: Any) -> Tensor:
    """Returns `s - centre` for every position `s`.

    Example:

    >>> distances(ops.array([[1]]), source_len=3).numpy()
    array([[[-1,  0,  1]]], dtype=int32)
    """
    dtype = keras.backend.standardize_dtype(centres.dtype)
    positions = ops.cast(ops.arange(source_len, dtype="int32"), dtype)
    return positions - ops.expand_dims(centres, -1)


def source_lengths(mask: Tensor | None, source_len: Any) -> Tensor:
    """Returns the last position that may be seen, and one: a row's own length.

    Args:
        mask: boolean `(batch or 1, target_len or 1, source_len)`, or `None`.
        source_len: integer or scalar int32 tensor.

    Returns:
        int32, of the mask's shape without its last axis; without a mask
        `source_len` itself, `()`.

    Example:

    >>> source_lengths(ops.array([[[True, False, True, False]]]), 4).numpy()
    array([[3]], dtype=int32)
    """
    if mask is None:
        return ops.cast(source_len, "int32")
    ends = ops.arange(source_len, dtype="int32") + 1
    return ops.max(ops.where(mask, ends, 0), axis=-1, initial=0)


def predicted_positions(
    query: Tensor, kernel: Tensor, scale: Tensor, lengths: Tensor
) -> Tensor:
    """Returns `p_t = S sigmoid(v_p . tanh(W_p h_t))`.

    Luong et al. (2015), eq. 9, in at least float32.

    Args:
        query: `h_t`, `(batch, target_len, query_dim)`.
        kernel: the transpose of `W_p`, `(query_dim, units)`.
        scale: `v_p`, `(units,)`.
        lengths: `S`, int32, broadcastable to `(batch, target_len)`.

    Returns:
        `(batch, target_len)`, float32 or float64.

    Example:

    >>> predicted_positions(
    ...     ops.zeros((1, 1, 2)), ops.ones((2, 3)), ops.ones((3,)), 5
    ... ).numpy()
    array([[2.5]], dtype=float32)
    """
    hidden = ops.tanh(project(widened(query), widened(kernel)))
    logits = project(hidden, ops.expand_dims(widened(scale), 1))
    shares = ops.sigmoid(ops.squeeze(logits, -1))
    return ops.cast(lengths, shares.dtype) * shares
