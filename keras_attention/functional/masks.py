"""Masks: what may be seen, and what stands where nothing may be."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

Tensor = Any  # a tensor of whichever backend Keras runs on


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


def both(mask: Tensor | None, other: Tensor | None) -> Tensor | None:
    """Returns the mask that lets through what both let through.

    Args:
        mask, other: boolean, of shapes that broadcast; `None` lets
            everything through.

    Example:

    >>> both(ops.array([True, False]), None).numpy()
    array([ True, False])
    """
    if mask is None or other is None:
        return other if mask is None else mask
    return ops.logical_and(mask, other)


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
    # One zero: TensorFlow would keep a constant of the tensor's size.
    zero = ops.zeros((), dtype=tensor.dtype)
    return ops.where(ops.expand_dims(mask, -1), tensor, zero)


def last_unmasked(tensor: Tensor, mask: Tensor | None) -> Tensor:
    """Returns what stands at the last position where the mask is on.

    Zeros where it is on nowhere. Without a mask it is the last position.

    Args:
        tensor: `(batch, len, dim)`.
        mask: boolean `(batch, len)`, or `None`.

    Returns:
        `(batch, dim)`.

    Example:

    >>> mask = ops.array([[True, True, False]])
    >>> last_unmasked(ops.array([[[1.0], [2.0], [3.0]]]), mask).numpy()
    array([[2.]], dtype=float32)
    """
    if mask is None:
        return tensor[:, -1]
    positions = ops.arange(ops.shape(tensor)[1], dtype="int32")
    last = ops.max(ops.where(mask, positions, -1), axis=1, keepdims=True)
    there = ops.equal(positions, last)  # (batch, len)
    return ops.sum(zero_masked(tensor, there), axis=1)


def lowest(tensor: Tensor) -> Tensor:
    """Returns a finite number at the lower end of a tensor's dtype.

    Example:

    >>> float(lowest(ops.zeros((), "float16")))
    -65504.0
    """
    dtype = keras.backend.standardize_dtype(tensor.dtype)
    return ops.cast(-65504.0 if dtype == "float16" else -3.3e38, dtype)
