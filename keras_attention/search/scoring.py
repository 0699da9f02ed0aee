"""`score`: how likely a model finds given targets."""

from __future__ import annotations

from keras import ops

from keras_attention.search.one_by_one import one_by_one


def score(step, states, memory, targets, lengths=None, start_token=1):
    """Returns the log-probabilities of given targets, and their alignments.

    `log P(y | x) = sum_t log p(y_t | y_1, ..., y_(t-1), x)`: what a search
    would have given these tokens, without penalties.

    Args:
        step: see `Search.__call__`.
        states: see `Search.__call__`.
        memory: see `Search.__call__`.
        targets: int32 `(batch, target_len)`, without the start token; zeros
            after the end.
        lengths: int32 `(batch,)`, how many tokens of each row count; `None`
            for those before the first zero.
        start_token: id that starts a sequence.

    Returns:
        A `SearchResult`: the targets' tokens that count, their lengths, their
        log-probabilities in nats `(batch,)`, and the alignments that go with
        them.

    Example:

    >>> equal = lambda tokens, states, memory: (
    ...     ops.zeros((1, 4)), states, None
    ... )
    >>> result = score(equal, [ops.zeros((1, 1))], None, [[3, 2, 0]])
    >>> result.scores.numpy().round(3)  # 2 log(1 / 4)
    array([-2.773], dtype=float32)
    >>> result.lengths.numpy()
    array([2], dtype=int32)
    """
    targets = ops.cast(targets, "int32")
    longest = ops.shape(targets)[1]
    if lengths is None:
        begun = ops.cumprod(ops.cast(ops.not_equal(targets, 0), "int32"), 1)
        lengths = ops.sum(begun, axis=1)
    lengths = ops.cast(lengths, "int32")

    def choose(logits, said, time):
        return ops.take(targets, time, axis=1)

    result = one_by_one(
        step, states, memory, lengths, longest, start_token, choose
    )
    return result._replace(lengths=lengths)
