"""Products with a memory whose padding may hold anything.

Zero times infinity is not a number: what stands at masked positions, where
all weights are zero, could still spoil a product or its gradient. Putting
zeros there first would copy the memory. Here the product is taken as it is;
only if that shows something infinite is it taken again, with zeros.

One row shows it for all: what is not finite at a position of the memory
spoils every row of the product alike.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keras import ops

from keras_attention.functional.custom_gradient import custom_gradient
from keras_attention.functional.masks import zero_masked

Tensor = Any  # a tensor of whichever backend Keras runs on


def padded_weighted_sum(
    alignments: Tensor, value: Tensor, mask: Tensor
) -> Tensor:
    """Returns `weighted_sum(alignments, value)`, whatever the padding holds.

    Args:
        alignments: `(batch, target_len, source_len)`, zero where the mask is
            off.
        value: `(batch, source_len, value_dim)`.
        mask: boolean `(batch, source_len)`.

    Returns:
        Contexts `(batch, target_len, value_dim)`.

    Example:

    >>> value = ops.array([[[1.0], [float("nan")]]])
    >>> mask = ops.array([[True, False]])
    >>> padded_weighted_sum(ops.array([[[1.0, 0.0]]]), value, mask).numpy()
    array([[[1.]]], dtype=float32)
    """
    return _weighted_sum(alignments, value, ops.cast(mask, value.dtype))


# The masks come as floats, for which a gradient can be returned.
@custom_gradient
def _weighted_sum(alignments: Tensor, value: Tensor, mask: Tensor) -> Any:
    def gradient(upstream: Tensor) -> Any:
        by_alignments = ops.matmul(upstream, _transposed(value))
        return (
            ops.where(ops.expand_dims(mask > 0, 1), by_alignments, 0.0),
            ops.matmul(_transposed(alignments), upstream),
            ops.zeros_like(mask),
        )

    return _sum_of_unmasked(alignments, value, mask), gradient


def padded_dot_scores(query: Tensor, keys: Tensor, mask: Tensor) -> Tensor:
    """Returns `dot_scores(query, keys)`, whatever the padding holds.

    The scores of masked positions may be anything; the gradient handed back
    for them must be zero, as that of `masked_softmax` is.

    Args:
        query: `(batch, target_len, units)`.
        keys: `(batch, source_len, units)`.
        mask: boolean `(batch, source_len)`.

    Returns:
        Scores `(batch, target_len, source_len)`.

    Example:

    >>> keys = ops.array([[[2.0], [float("nan")]]])
    >>> mask = ops.array([[True, False]])
    >>> padded_dot_scores(ops.array([[[3.0]]]), keys, mask).numpy()
    array([[[ 6., nan]]], dtype=float32)
    """
    return _dot_scores(query, keys, ops.cast(mask, keys.dtype))


@custom_gradient
def _dot_scores(query: Tensor, keys: Tensor, mask: Tensor) -> Any:
    def gradient(upstream: Tensor) -> Any:
        return (
            _sum_of_unmasked(upstream, keys, mask),
            ops.matmul(_transposed(upstream), query),
            ops.zeros_like(mask),
        )

    return ops.matmul(query, _transposed(keys)), gradient


def padded_project(tensor: Tensor, kernel: Tensor, mask: Tensor) -> Tensor:
    """Returns `project(tensor, kernel)`, whatever the padding holds.

    What comes out at masked positions may be anything; the gradient handed
    back for it must be zero.

    Args:
        tensor: `(batch, len, dim)`.
        kernel: `(dim, units)`.
        mask: boolean `(batch, len)`.

    Returns:
        `(batch, len, units)`.

    Example:

    >>> tensor = ops.array([[[2.0], [float("nan")]]])
    >>> mask = ops.array([[True, False]])
    >>> padded_project(tensor, ops.array([[3.0]]), mask).numpy()
    array([[[ 6.],
            [nan]]], dtype=float32)
    """
    return _project(tensor, kernel, ops.cast(mask, tensor.dtype))


@custom_gradient
def _project(tensor: Tensor, kernel: Tensor, mask: Tensor) -> Any:
    def gradient(upstream: Tensor) -> Any:

        def by_kernel(rows: Tensor) -> Tensor:
            rows = ops.reshape(rows, (-1, kernel.shape[0]))
            columns = ops.reshape(upstream, (-1, kernel.shape[1]))
            return ops.matmul(_transposed(rows), columns)

        return (
            ops.matmul(upstream, _transposed(kernel)),
            _again_if_spoilt(
                by_kernel(tensor),
                lambda product: product[:, :1],
                lambda: by_kernel(zero_masked(tensor, mask > 0)),
            ),
            ops.zeros_like(mask),
        )

    return ops.matmul(tensor, kernel), gradient


def _sum_of_unmasked(weights: Tensor, memory: Tensor, mask: Tensor) -> Tensor:
    return _again_if_spoilt(
        ops.matmul(weights, memory),
        lambda product: product[:, :1],
        lambda: ops.matmul(weights, zero_masked(memory, mask > 0)),
    )


def _again_if_spoilt(
    product: Tensor,
    part: Callable[[Tensor], Tensor],
    again: Callable[[], Tensor],
) -> Tensor:
    fine = ops.all(ops.isfinite(part(product)))
    return ops.cond(fine, lambda: product, again)


def _transposed(tensor: Tensor) -> Tensor:
    return ops.swapaxes(tensor, -2, -1)
