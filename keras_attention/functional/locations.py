"""What the alignments of earlier steps say to the next one."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_attention.functional.projections import project

Tensor = Any  # a tensor of whichever backend Keras runs on


def location_features(alignments: Tensor, filters: Tensor) -> Tensor:
    """Returns `f_i = F * alpha_{i-1}`: Chorowski et al. (2015), eq. 8.

    A convolution over the source, as in Keras: the filters are not turned
    round, the middle of each (of an even number, the left one of two) lies
    over the position, and there are zeros outside of the source.

    Args:
        alignments: of the step before, `(batch, source_len)`.
        filters: `F`, `(kernel_size, 1, num_filters)`.

    Returns:
        `(batch, source_len, num_filters)`.

    Example:

    >>> ahead = ops.reshape(ops.array([0.0, 0.0, 1.0]), (3, 1, 1))
    >>> location_features(ops.array([[0.0, 0.2, 0.8]]), ahead)[0, :, 0].numpy()
    array([0.2, 0.8, 0. ], dtype=float32)
    """
    size = filters.shape[0]
    padded = ops.pad(alignments, ((0, 0), ((size - 1) // 2, size // 2)))
    starts = ops.arange(ops.shape(alignments)[1], dtype="int32")
    indices = ops.expand_dims(starts, 1) + ops.arange(size, dtype="int32")
    # A gather and a product: as a convolution, a training step with XLA took
    # twice as long on the CPU.
    frames = ops.take(padded, indices, axis=1)  # (batch, source_len, size)
    return project(frames, ops.squeeze(filters, 1))


def coverage(alignments: Tensor) -> Tensor:
    """Returns `c_t = sum over t' < t of a_t'`: See et al. (2017), eq. 10.

    Args:
        alignments: of a whole sequence, `(batch, target_len, source_len)`.

    Returns:
        Of the same shape and dtype; the first step's is zero.

    Example:

    >>> coverage(ops.array([[[0.25, 0.75], [0.5, 0.5], [1.0, 0.0]]])).numpy()
    array([[[0.  , 0.  ],
            [0.25, 0.75],
            [0.75, 1.25]]], dtype=float32)
    """
    dtype = keras.backend.standardize_dtype(alignments.dtype)
    wide = ops.cast(alignments, "float64" if dtype == "float64" else "float32")
    return ops.cast(ops.cumsum(wide, axis=1) - wide, dtype)


def coverage_loss(alignments: Tensor, covered: Tensor | None = None) -> Tensor:
    """Returns `sum_i min(a_i, c_i)` of each step: See et al. (2017), eq. 12.

    What a step looks at again counts, up to how much it was looked at before.
    Masked positions, whose alignments are zero, count nothing.

    Args:
        alignments: `(batch, target_len, source_len)`.
        covered: the coverage `c` before each step, of the same shape; `None`:
            the alignments are those of a whole sequence, see `coverage`.

    Returns:
        `(batch, target_len)`, at least float32.

    Example:

    >>> coverage_loss(ops.array([[[0.25, 0.75], [0.5, 0.5]]])).numpy()
    array([[0.  , 0.75]], dtype=float32)
    """
    dtype = keras.backend.standardize_dtype(alignments.dtype)
    wide = "float64" if dtype == "float64" else "float32"
    alignments = ops.cast(alignments, wide)
    covered = coverage(alignments) if covered is None else covered
    return ops.sum(ops.minimum(alignments, ops.cast(covered, wide)), axis=-1)
