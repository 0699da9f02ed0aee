"""Products with weights, and weights made of other weights."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

Tensor = Any  # a tensor of whichever backend Keras runs on


def project(tensor: Tensor, kernel: Tensor) -> Tensor:
    """Returns `tensor . kernel`, over the last axis.

    For use inside loops over time. Keras's product of rank 3 and 2 has a
    gradient that XLA cannot compile in a loop where the batch size is
    unknown; here it is a product of two matrices.

    Args:
        tensor: `(batch, len, dim)`.
        kernel: `(dim, units)`.

    Returns:
        `(batch, len, units)`.

    Example:

    >>> project(ops.ones((2, 3, 5)), ops.ones((5, 7))).shape
    TensorShape([2, 3, 7])
    """
    (batch, length, dim), units = ops.shape(tensor), kernel.shape[1]
    product = ops.matmul(ops.reshape(tensor, (-1, dim)), kernel)
    if not (isinstance(length, int) and length == 0):
        batch = -1  # cheaper, but of nothing it cannot be told
    return ops.reshape(product, (batch, length, units))


def weight_normalized(vector: Tensor, gain: Tensor) -> Tensor:
    """Returns `g v / ||v||`: Salimans and Kingma (2016), eq. 2.

    Computed in at least float32 and cast back. A vector of zeros, which has
    no direction, stays one.

    Args:
        vector: `v`, `(units,)`.
        gain: `g`, a scalar: the length of the result.

    Returns:
        `(units,)`, of the dtype of `vector`.

    Example:

    >>> weight_normalized(ops.array([3.0, 4.0]), ops.array(10.0)).numpy()
    array([6., 8.], dtype=float32)
    """
    dtype = keras.backend.standardize_dtype(vector.dtype)
    wide = "float64" if dtype == "float64" else "float32"
    vector, gain = ops.cast(vector, wide), ops.cast(gain, wide)
    square = ops.sum(ops.square(vector))
    square = ops.where(ops.greater(square, 0), square, ops.ones_like(square))
    return ops.cast(gain * vector / ops.sqrt(square), dtype)
