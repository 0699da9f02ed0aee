"""Grids `(batch, height, width, channels)`, read as sequences and back."""

from __future__ import annotations

from typing import Any

from keras import ops

Tensor = Any  # a tensor of whichever backend Keras runs on


def flatten_grid(tensor: Tensor | None, num_dims: int) -> Tensor | None:
    """Returns a grid as a sequence, row after row.

    Args:
        tensor: `(batch, height, width)` and `num_dims` more axes. What has
            one axis less (a sequence), or is `None`, comes back as it is.
        num_dims: how many axes follow the positions: 1 for features, 0 for a
            mask.

    Returns:
        `(batch, height * width)` and the further axes.

    Example:

    >>> flatten_grid(ops.ones((2, 3, 5, 7)), 1).shape
    TensorShape([2, 15, 7])
    """
    if tensor is None or len(tensor.shape) != 3 + num_dims:
        return tensor
    shape = ops.shape(tensor)
    return ops.reshape(tensor, (shape[0], shape[1] * shape[2], *shape[3:]))


def unflatten_grid(alignments: Tensor, grid: tuple[Any, Any] | None) -> Tensor:
    """Returns alignments over a flattened grid as a grid.

    Args:
        alignments: `(..., height * width)`.
        grid: `(height, width)`, or `None`: they come back as they are.

    Returns:
        `(..., height, width)`.

    Example:

    >>> unflatten_grid(ops.ones((2, 3, 15)), (3, 5)).shape
    TensorShape([2, 3, 3, 5])
    """
    if grid is None:
        return alignments
    shape = ops.shape(alignments)
    return ops.reshape(alignments, (*shape[:-1], *grid))
