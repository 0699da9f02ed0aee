"""Additive scores, in blocks that stay in the cache.

Written out, the scores need a tensor `(batch, target_len, source_len, units)`
and a tanh for each of its elements. Here that tensor is never built, neither
in the forward nor in the backward pass:

- The work is cut into blocks of at most `BLOCK` elements, one after another.
  The backward pass computes them again instead of keeping them.
- `tanh(q + k) = 1 - 2 / (1 + exp(2q) exp(2k))`: with the exponentials taken
  once for each query and each key, what is left for each pair is a product, a
  sum and a reciprocal. Two units share one division:
  `v / a + w / b = (v b + w a) / (a b)`.
- Sums over the source and over the units are matrix products, which are much
  faster than reductions.

No input is clipped. The products are taken only if
`max |query| + max |keys| <= EXPONENT`, where nothing can overflow; otherwise
every block falls back on `sigmoid(-2 (q + k))`, which is right for all finite
numbers and about as slow as the tanh. `docs/attention_cost.md` shows time,
memory and error.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops

from keras_attention.functional.custom_gradient import custom_gradient

Tensor = Any  # a tensor of whichever backend Keras runs on
Size = Any  # an integer, or a scalar tensor where a size is unknown

# Elements of a block: 4 MB in float32, to stay in the outer cache.
BLOCK = 2**20

# Up to this many elements are scored all at once. An unknown batch is taken
# to be of a usual size.
SMALL = 2**18
USUAL_BATCH = 64

# exp(2 * 32) = 6e27. The product of two such numbers may be infinite; what it
# divides is finite then, and the quotient is off by less than 1e-10.
EXPONENT = 32.0


def additive_scores(query: Tensor, keys: Tensor, scale: Tensor) -> Tensor:
    """Returns `v . tanh(query + key)`: Bahdanau et al. (2014), A.1.2.

    Query and keys are projected already: `query = W_a s`, `keys = U_a h`.

    A single query, as in one step of a decoder, and small tensors are scored
    by the formula as it stands; the rest in blocks, in at least float32.

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
    query, keys, scale = (
        ops.convert_to_tensor(one) for one in (query, keys, scale)
    )
    if query.shape[1] == 1:
        return _scores_of_one(query, keys, scale)
    if _is_small(query, keys):
        return plain_additive_scores(query, keys, scale)
    dtype = keras.backend.result_type(query.dtype, keys.dtype, scale.dtype)
    wide = "float64" if dtype == "float64" else "float32"
    scores = _blocked_scores(
        *(ops.cast(one, wide) for one in (query, keys, scale))
    )
    return ops.cast(scores, dtype)


def plain_additive_scores(query: Tensor, keys: Tensor, scale: Tensor) -> Tensor:
    """Returns what `additive_scores` returns, all at once."""
    # (batch, target_len, 1, units) + (batch, 1, source_len, units)
    hidden = ops.tanh(ops.expand_dims(query, 2) + ops.expand_dims(keys, 1))
    return ops.sum(hidden * scale, axis=-1)


def _is_small(query: Tensor, keys: Tensor) -> bool:
    (batch, target_len, units), source_len = query.shape, keys.shape[1]
    if None in (target_len, source_len):
        return False
    batch = USUAL_BATCH if batch is None else batch
    return batch * target_len * source_len * units <= SMALL


@custom_gradient
def _scores_of_one(query: Tensor, keys: Tensor, scale: Tensor) -> Any:
    """The scores of a single query, `(batch, 1, source_len)`.

    In a loop the gradient would keep the tanh of every step, as large as the
    keys: to compute it again costs less than to write and read it.
    """

    def gradient(upstream: Tensor) -> tuple:
        hidden = ops.tanh(query + keys)
        rows = ops.reshape(hidden, (-1, scale.shape[0]))
        # A matrix product, which is faster than a sum over rows.
        by_scale = ops.matmul(ops.reshape(upstream, (1, -1)), rows)
        slopes = scale - scale * ops.square(hidden)
        by_keys = ops.swapaxes(upstream, 1, 2) * slopes
        return (
            ops.sum(by_keys, axis=1, keepdims=True),
            by_keys,
            ops.squeeze(by_scale, 0),
        )

    return plain_additive_scores(query, keys, scale), gradient


@custom_gradient
def _blocked_scores(query: Tensor, keys: Tensor, scale: Tensor) -> Any:
    def gradient(upstream: Tensor) -> tuple:
        return _gradients(query, keys, scale, upstream)

    v, w = _halves(scale)

    def pairs(p, q, r, s):
        a, b = 1.0 + _products(p, r), 1.0 + _products(q, s)
        return _dot((v * b + w * a) / (a * b), ops.ones_like(v))

    def singles(p, q, r, s):
        return _dot(_sigmoids(p, r), v) + _dot(_sigmoids(q, s), w)

    # In halves before the loop: XLA does not vectorise over a slice inside.
    sums = _by_size(
        query,
        keys,
        lambda q, k: _over_blocks(pairs, _halves(q), _halves(k)),
        lambda q, k: _over_blocks(singles, _halves(q), _halves(k)),
    )
    # sum v tanh(q + k) = sum v - 2 sum v / (1 + exp(2q) exp(2k))
    return ops.sum(scale) - 2.0 * sums, gradient


def _gradients(
    query: Tensor, keys: Tensor, scale: Tensor, upstream: Tensor
) -> tuple:
    """The gradients of the scores by query, keys and scale.

    With `r = 1 / (1 + exp(2q) exp(2k))`, `tanh = 1 - 2r` and its derivative
    is `1 - tanh^2 = 4 (r - r^2)`.
    """
    # Query and keys change places for the keys' gradient: what is summed over
    # is always the longer axis of a matrix product.
    mirrored = ops.swapaxes(upstream, 1, 2)

    def using(reciprocals):
        def by_query(rows, weights, columns):
            r = reciprocals(rows, columns)
            return _weigh(weights, r), _weigh(weights, r - r * r)

        def by_keys(rows, weights, columns):
            r = reciprocals(rows, columns)
            return _weigh(weights, r - r * r)

        return lambda q, k: (
            *_over_blocks(by_query, (q, upstream), (k,)),
            _over_blocks(by_keys, (k, mirrored), (q,)),
        )

    weighed, by_query, by_keys = _by_size(
        query, keys, using(_reciprocals), using(_sigmoids)
    )
    by_scale = ops.sum(upstream) - 2.0 * ops.sum(weighed, axis=(0, 1))
    return 4.0 * scale * by_query, 4.0 * scale * by_keys, by_scale


def _by_size(
    query: Tensor, keys: Tensor, fast: Callable, safe: Callable
) -> Any:
    """`fast` on exponentials if they are small, `safe` on the numbers."""
    return ops.cond(
        _largest(query) + _largest(keys) <= EXPONENT,
        lambda: fast(ops.exp(2.0 * query), ops.exp(2.0 * keys)),
        lambda: safe(query, keys),
    )


def _largest(tensor: Tensor) -> Tensor:
    return ops.maximum(ops.max(tensor), -ops.min(tensor))


def _products(rows: Tensor, columns: Tensor) -> Tensor:
    """`(..., rows, units)`, `(..., columns, units)`: products of all pairs."""
    return ops.expand_dims(rows, -2) * ops.expand_dims(columns, -3)


def _reciprocals(rows: Tensor, columns: Tensor) -> Tensor:
    return 1.0 / (1.0 + _products(rows, columns))


def _sigmoids(rows: Tensor, columns: Tensor) -> Tensor:
    """What `_reciprocals` returns, from the numbers and not from `exp(2x)`."""
    sums = ops.expand_dims(rows, -2) + ops.expand_dims(columns, -3)
    return ops.sigmoid(-2.0 * sums)


def _halves(tensor: Tensor) -> tuple[Tensor, Tensor]:
    """The two halves of the last axis; the second may end in a zero."""
    half = (tensor.shape[-1] + 1) // 2
    second = _lengthen(tensor[..., half:], len(tensor.shape) - 1, half)
    return tensor[..., :half], second


def _dot(tensor: Tensor, vector: Tensor) -> Tensor:
    """`tensor (..., dim) . vector (dim,)`, as a product of matrices."""
    shape = ops.shape(tensor)
    product = ops.matmul(
        ops.reshape(tensor, (-1, shape[-1])), ops.expand_dims(vector, 1)
    )
    return ops.reshape(product, shape[:-1])


def _weigh(weights: Tensor, tensor: Tensor) -> Tensor:
    """`(..., len)` and `(..., len, units)` to `(..., units)`: sums over len."""
    return ops.squeeze(ops.matmul(ops.expand_dims(weights, -2), tensor), -2)


def _over_blocks(
    function: Callable, rows: Sequence[Tensor], columns: Sequence[Tensor]
) -> Any:
    """Applies `function` to blocks of rows against all columns of an example.

    Args:
        function: takes a block of each of the rows `(examples, some_rows,
            dim)`, and of each of the columns `(examples, columns, dim)`;
            returns one tensor or several `(examples, some_rows, dim)`.
        rows: tensors `(batch, rows, dim)`.
        columns: tensors `(batch, columns, dim)`.

    Returns:
        What `function` returns, `(batch, rows, dim)`.
    """
    batch, num_rows, units = ops.shape(rows[0])
    row_size = ops.shape(columns[0])[1] * units
    # Several rows of one example, or several examples with all their rows.
    some_rows, row_blocks = _even(num_rows, BLOCK // _at_least_1(row_size))
    examples, batch_blocks = _even(
        batch, BLOCK // _at_least_1(row_size * num_rows)
    )

    def cut(tensor, length, blocks):
        tensor = _lengthen(tensor, 0, batch_blocks * examples)
        tensor = _lengthen(tensor, 1, blocks * length)
        dim = tensor.shape[-1] or ops.shape(tensor)[-1]
        return ops.reshape(tensor, (-1, examples, length, dim))

    rows = [cut(one, some_rows, row_blocks) for one in rows]
    columns = [cut(one, ops.shape(one)[1], 1) for one in columns]

    def block(index):
        return function(
            *(ops.take(one, index, axis=0) for one in rows),
            *(ops.take(one, index // row_blocks, axis=0) for one in columns),
        )

    def joined(tensor):
        shape = (-1, row_blocks * some_rows, ops.shape(tensor)[-1])
        return ops.reshape(tensor, shape)[:batch][:, :num_rows]

    results = _each(block, batch_blocks * row_blocks)
    return keras.tree.map_structure(joined, results)


def _each(function: Callable, number: Size) -> Any:
    """Returns what `function` returns for 0, 1, ... number - 1, stacked."""
    if isinstance(number, int):
        return ops.map(function, ops.arange(number, dtype="int32"))
    # `ops.map` collects in a list of tensors, which LiteRT has for known
    # shapes only. What is written in place converts; its gradient is not
    # asked for.
    first = function(ops.zeros((), dtype="int32"))

    def write(buffer, index, one):
        start = (index, *[0] * len(one.shape))
        return ops.slice_update(buffer, start, ops.expand_dims(one, 0))

    def body(index, *buffers):
        results = keras.tree.flatten(function(index))
        return index + 1, *(
            write(buffer, index, one)
            for buffer, one in zip(buffers, results, strict=True)
        )

    buffers = [
        write(ops.zeros((number, *ops.shape(one)), dtype=one.dtype), 0, one)
        for one in keras.tree.flatten(first)
    ]
    _, *buffers = ops.while_loop(
        lambda index, *_: index < number,
        body,
        (ops.ones((), dtype="int32"), *buffers),
    )
    return keras.tree.pack_sequence_as(first, buffers)


def _even(total: Size, most: Size) -> tuple[Size, Size]:
    """The size of a block and the number of blocks, as even as can be."""
    blocks = _at_least_1(-(-total // _at_least_1(most)))
    return _at_least_1(-(-total // blocks)), blocks


def _at_least_1(size: Size) -> Size:
    return max(1, size) if isinstance(size, int) else ops.maximum(size, 1)


def _lengthen(tensor: Tensor, axis: int, length: Size) -> Tensor:
    """Adds zeros at the end of an axis, up to a length."""
    shape = list(ops.shape(tensor))
    shape[axis] = length - shape[axis]
    if isinstance(shape[axis], int) and shape[axis] == 0:
        return tensor
    zeros = ops.zeros(shape, dtype=tensor.dtype)
    return ops.concatenate([tensor, zeros], axis=axis)
