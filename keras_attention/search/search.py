"""`Search`: what every search shares."""

from __future__ import annotations

from typing import Any, NamedTuple

from keras import ops, tree

from keras_attention.search import rules as rules_module
from keras_attention.search.rules import ROUNDING, Progress

IMPOSSIBLE = -1.0e9  # a log-probability that never wins, and is finite
# What may be said is likelier than that, however little a model thinks of it.
LEAST_LOGIT = -1.0e8
LEAST_LOG_PROBABILITY = -1.0e5


class SearchResult(NamedTuple):
    """What a search returns, for each row of the batch.

    Attributes:
        tokens: int32 `(batch, max_length)`; after the end, zeros. The start
            token is not among them, the end token is, if it was reached.
        lengths: int32 `(batch,)`, tokens said, the end token included.
        scores: float32 `(batch,)`, log-probability in nats of the tokens
            (with a length penalty, divided by it; with a coverage penalty,
            plus it).
        alignments: float32 `(batch, max_length, source_len)`, zeros after the
            end, or `None` without attention. Over a grid, `source_len` is
            `height * width`; `functional.unflatten_grid` gives it back.
    """

    tokens: Any
    lengths: Any
    scores: Any
    alignments: Any


class Search:
    """Base class of searches over one decode step.

    Args:
        start_token: id that starts a sequence.
        end_token: id that ends one.
        rules: list of `Rule`s (or their names or configs), which say what
            must not be said; see `keras_attention.search.rules`.

    Example: a step that says the token after the last one.

    >>> def step(tokens, states, memory):
    ...     return 9.0 * ops.one_hot(tokens + 3, 7), states, None
    >>> search = keras_attention.search.get("greedy")
    >>> search(step, [ops.zeros((1, 1))], None, max_length=1).tokens.numpy()
    array([[4]], dtype=int32)
    """

    def __init__(self, start_token=1, end_token=2, rules=()):
        if not 0 < end_token:
            raise ValueError(
                "`end_token` must be a positive integer: 0 is padding, which "
                f"is never said. Received: end_token={end_token}."
            )
        self.start_token = start_token
        self.end_token = end_token
        self.rules = [rules_module.get(rule) for rule in rules]

    def __call__(
        self, step, states, memory, max_length, source_mask=None, prefix=None
    ):
        """Searches.

        Args:
            step: a function `(tokens (batch,), states, memory) -> (logits
                (batch, vocabulary), states, alignments (batch, source_len) or
                None)`, such as `EncoderDecoder.decode_step`.
            states: nested structure of tensors `(batch, ...)`.
            memory: nested structure of tensors `(batch, ...)` (or `None`),
                passed on to `step`. The caller tiles nothing.
            max_length: the most tokens to say, a positive integer, or an
                int32 tensor `(batch,)` with a limit for each row; see
                `length_limits`. `RowLimits` also say how wide the result is.
            source_mask: boolean `(batch, source_len)`, `True` = a token of
                the source, for what depends on the source's length.
            prefix: int32 `(batch, prefix_len)`, tokens that the answers must
                begin with, zeros after them; rules hold from there on.

        Returns:
            A `SearchResult`.
        """
        raise NotImplementedError(
            f"{type(self).__name__} must implement "
            "`__call__(step, states, memory, max_length)`."
        )

    def progress(self, tokens, time, request, vocabulary):
        """Returns the `Progress` that rules look at."""
        return Progress(
            tokens, time, request.source_lengths, self.end_token, vocabulary
        )

    def allowed(self, progress, request):
        """Returns which tokens may be said next, boolean `(rows or 1, n)`."""
        return rules_module.allowed_tokens(self.rules, progress, request.prefix)


class Request(NamedTuple):
    """What a caller asks of each row, besides the tokens.

    Attributes:
        source_mask: boolean `(rows, source_len)`, or `None`.
        source_lengths: int32 `(rows,)`, or `None`.
        prefix: int32 `(rows, prefix_len)`, or `None`.
    """

    source_mask: Any
    source_lengths: Any
    prefix: Any


def make_request(source_mask, prefix, copies=1):
    """Returns the `Request` of a batch, each row `copies` times."""
    source_lengths = None
    if source_mask is not None:
        source_mask = repeat_rows(ops.cast(source_mask, "bool"), copies)
        source_lengths = ops.sum(ops.cast(source_mask, "int32"), axis=1)
    if prefix is not None:
        prefix = repeat_rows(ops.cast(prefix, "int32"), copies)
    return Request(source_mask, source_lengths, prefix)


def repeat_rows(structure, copies):
    """`(batch, ...)` to `(batch * copies, ...)`, a row's copies together."""
    if copies == 1:
        return structure
    return tree.map_structure(
        lambda one: None if one is None else ops.repeat(one, copies, axis=0),
        structure,
    )


def length_limits(source_lengths, ratio=1.0, extra=0, longest=None):
    """Returns limits that grow with the source, for `max_length`.

    They are `floor(ratio * n) + extra`, where `n` is the number of source
    tokens, and `longest` at most.

    Args:
        source_lengths: integers `(batch,)`.
        ratio: float, tokens for each token of the source.
        extra: integer, tokens added to them.
        longest: integer, the most tokens of any row, or `None`.

    Returns:
        int32 `(batch,)`.

    Example:

    >>> length_limits([2, 3, 10], ratio=1.5, extra=1, longest=9).numpy()
    array([4, 5, 9], dtype=int32)
    """
    # 1.05 times 60 is 62.999996 in float32.
    grown = ratio * ops.cast(source_lengths, "float32") + ROUNDING
    grown = ops.minimum(ops.floor(grown), 2.0**30)  # int32 would overflow.
    limits = ops.cast(grown, "int32") + extra
    return limits if longest is None else ops.minimum(limits, longest)


class RowLimits(NamedTuple):
    """Limits of rows, and how wide what a search returns is.

    As `max_length` where the width must be known when a function is traced:
    the largest limit is a tensor, so the width would be unknown.

    Attributes:
        limits: int32 `(batch,)`, the most tokens of each row.
        longest: integer or scalar tensor, the width; no limit above it.
    """

    limits: Any
    longest: Any


def row_limits(max_length, batch):
    """Returns `RowLimits`, whose width is the largest limit if not given."""
    if isinstance(max_length, RowLimits):
        return max_length
    limits = ops.broadcast_to(ops.cast(max_length, "int32"), (batch,))
    return RowLimits(limits, ops.max(limits, initial=0))  # of an empty batch


def write(buffer, time, column):
    """Returns `buffer` with `column` at `time` of axis 1.

    Args:
        buffer: `(batch, time)` or `(batch, time, dim)`.
        time: scalar int32.
        column: `(batch,)` or `(batch, dim)`.
    """
    if buffer.shape[1] == 0:
        return buffer  # no step is taken, but JAX reads through one
    start = (0, time) if len(buffer.shape) == 2 else (0, time, 0)
    column = ops.cast(ops.expand_dims(column, 1), buffer.dtype)
    return ops.slice_update(buffer, start, column)


def pick(values, indices):
    """Returns `values[row, indices[row]]`.

    Args:
        values: `(batch, n)`.
        indices: int32 `(batch,)`.
    """
    rows, columns = ops.shape(values)[0], ops.shape(values)[1]
    place = ops.arange(rows, dtype="int32") * columns + indices
    return ops.take(ops.reshape(values, (-1,)), place)
