"""Scores that are products, and the weighted sum."""

from __future__ import annotations

from typing import Any

from keras import ops

Tensor = Any  # a tensor of whichever backend Keras runs on


def dot_scores(query: Tensor, keys: Tensor) -> Tensor:
    """Returns `query . key` for each pair: "dot" of Luong et al. (2015), 3.1.

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
