"""Wide enough numbers for delicate arithmetic."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

Tensor = Any  # a tensor of whichever backend Keras runs on


def widened(tensor: Tensor) -> Tensor:
    """Returns a tensor in at least float32, finite where it came in float16.

    Example:

    >>> widened(ops.array([1e9], dtype="float16")).numpy()
    array([65504.], dtype=float32)
    """
    dtype = keras.backend.standardize_dtype(tensor.dtype)
    wide = ops.cast(tensor, "float64" if dtype == "float64" else "float32")
    if dtype == "float16":
        # A product beyond 65504 is infinite, and infinities have no softmax.
        wide = ops.clip(wide, -65504.0, 65504.0)
    return wide
