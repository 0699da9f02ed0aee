"""Additive scores."""

from __future__ import annotations

from typing import Any

from keras import ops

Tensor = Any  # a tensor of whichever backend Keras runs on


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
