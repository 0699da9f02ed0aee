"""`Search`: what every search shares."""

from __future__ import annotations

from typing import Any, NamedTuple

from keras import ops


class SearchResult(NamedTuple):
    """What a search returns, for each row of the batch.

    Attributes:
        tokens: int32 `(batch, max_length)`; after the end, zeros. The start
            token is not among them, the end token is, if it was reached.
        lengths: int32 `(batch,)`, tokens said, the end token included.
        scores: float32 `(batch,)`, log-probability in nats of the tokens
            (with a length penalty, divided by it).
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
    """

    def __init__(self, start_token=1, end_token=2):
        self.start_token = start_token
        self.end_token = end_token

    def __call__(self, step, states, memory, max_length):
        """Searches.

        Args:
            step: a function `(tokens (batch,), states, memory) -> (logits
                (batch, vocabulary), states, alignments (batch, source_len) or
                None)`, such as `EncoderDecoder.decode_step`.
            states: nested structure of tensors `(batch, ...)`.
            memory: nested structure of tensors `(batch, ...)` (or `None`),
                passed on to `step`. The caller tiles nothing.
            max_length: the most tokens to say, a positive integer, or an
                int32 tensor `(batch,)` with a limit for each row.

        Returns:
            A `SearchResult`.
        """
        raise NotImplementedError(
            f"{type(self).__name__} must implement "
            "`__call__(step, states, memory, max_length)`."
        )


def row_limits(max_length, batch):
    """Returns `(limits (batch,), the largest of them)`, int32."""
    limits = ops.broadcast_to(ops.cast(max_length, "int32"), (batch,))
    return limits, ops.max(limits, initial=0)  # 0 for an empty batch


def write(buffer, time, column):
    """Returns `buffer` with `column` at `time` of axis 1.

    Args:
        buffer: `(batch, time)` or `(batch, time, dim)`.
        time: scalar int32.
        column: `(batch,)` or `(batch, dim)`.
    """
    start = (0, time) if len(buffer.shape) == 2 else (0, time, 0)
    column = ops.cast(ops.expand_dims(column, 1), buffer.dtype)
    return ops.slice_update(buffer, start, column)


def pick(values, indices):
    """Returns `values[row, indices[row]]`.

    Args:
        values: `(batch, n)`.
        indices: int32 `(batch,)`.
    """
    indices = ops.expand_dims(indices, 1)
    return ops.squeeze(ops.take_along_axis(values, indices, axis=1), 1)
