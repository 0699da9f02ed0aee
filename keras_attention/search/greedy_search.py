"""`GreedySearch`: the likeliest token at every step."""

from __future__ import annotations

from keras import ops, tree

from keras_attention.search.search import (
    Search,
    SearchResult,
    row_limits,
    write,
)


class GreedySearch(Search):
    """Takes the likeliest token at each step, until the end token.

    Of equally likely tokens the one with the lowest id wins. Stops when every
    row has ended; what one row says does not depend on the others.

    Args:
        start_token: id that starts a sequence.
        end_token: id that ends one.

    Example:

    >>> search = GreedySearch()
    >>> always_two = lambda tokens, states, memory: (
    ...     ops.one_hot(ops.zeros_like(tokens) + 2, 4), states, None
    ... )
    >>> search(always_two, [ops.zeros((1, 1))], None, 3).tokens.numpy()
    array([[2, 0, 0]], dtype=int32)
    """

    def __call__(self, step, states, memory, max_length):
        batch = ops.shape(tree.flatten(states)[0])[0]
        limits, longest = row_limits(max_length, batch)
        tokens = ops.full((batch,), self.start_token, dtype="int32")
        # How wide the alignments are is known from one step; a graph does
        # not compute what only its shape is asked of.
        _, _, alignments = step(tokens, states, memory)
        history = []
        if alignments is not None:
            source_len = ops.shape(alignments)[1]
            history = [ops.zeros((batch, longest, source_len))]
        loop = (
            ops.zeros((), dtype="int32"),
            ops.zeros((batch,), dtype="bool"),
            tokens,
            ops.zeros((batch, longest), dtype="int32"),
            ops.zeros((batch,)),
            *history,
        )
        fixed = len(loop)

        def condition(time, done, *_):
            return ops.logical_and(
                time < longest, ops.logical_not(ops.all(done))
            )

        def body(time, done, tokens, said, scores, *rest):
            history, flat = rest[: len(slots)], rest[len(slots) :]
            logits, new_states, alignments = step(
                tokens, tree.pack_sequence_as(states, list(flat)), memory
            )
            logits = ops.cast(logits, "float32")
            # `top_k` where one would write `argmax`: LiteRT has it built in.
            # Padding, id 0, is no token: it is never said.
            best, tokens = ops.top_k(logits[:, 1:], k=1)
            tokens = ops.cast(ops.squeeze(tokens, 1), "int32") + 1
            log_probability = ops.squeeze(best, 1) - ops.logsumexp(
                logits, axis=-1
            )
            active = ops.logical_not(
                ops.logical_or(done, ops.less_equal(limits, time))
            )
            tokens = ops.where(active, tokens, 0)
            scores = scores + ops.where(active, log_probability, 0.0)
            said = write(said, time, tokens)
            if history:
                shown = ops.where(
                    ops.expand_dims(active, 1),
                    ops.cast(alignments, "float32"),
                    0.0,
                )
                history = [write(history[0], time, shown)]
            done = ops.logical_or(
                ops.logical_not(active), ops.equal(tokens, self.end_token)
            )
            return (
                time + 1,
                done,
                tokens,
                said,
                scores,
                *history,
                *tree.flatten(new_states),
            )

        slots = history
        outcome = ops.while_loop(
            condition, body, (*loop, *tree.flatten(states))
        )
        _, _, _, said, scores, *rest = outcome[:fixed]
        return SearchResult(
            tokens=said,
            lengths=ops.sum(ops.cast(ops.not_equal(said, 0), "int32"), axis=1),
            scores=scores,
            alignments=rest[0] if rest else None,
        )
