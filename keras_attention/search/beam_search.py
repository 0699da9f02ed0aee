"""`BeamSearch`: the best of several hypotheses."""

from __future__ import annotations

from keras import ops, tree

from keras_attention.registry import positive_integer
from keras_attention.search.search import (
    Search,
    SearchResult,
    row_limits,
    write,
)

IMPOSSIBLE = -1.0e9  # a log-probability that never wins, and is finite


class BeamSearch(Search):
    """Keeps the `beam_size` likeliest beginnings at each step.

    Hypotheses are ranked by `log P(y) / lp(y)` with the length penalty
    `lp(y) = ((5 + |y|) / 6) ^ length_penalty` (Wu et al. 2016, eq. 14). A
    hypothesis that has ended stays in the beam, where it competes with the
    others. A row stops as soon as no open hypothesis can overtake its best
    ended one. What one row says does not depend on the others.

    Args:
        beam_size: hypotheses kept, at least 1; 1 is greedy search.
        length_penalty: exponent of the penalty; 0 for none, larger favours
            longer outputs.
        start_token: id that starts a sequence.
        end_token: id that ends one.

    Example:

    >>> search = BeamSearch(beam_size=2)
    >>> always_two = lambda tokens, states, memory: (
    ...     ops.one_hot(ops.zeros_like(tokens) + 2, 4), states, None
    ... )
    >>> search(always_two, [ops.zeros((1, 1))], None, 3).tokens.numpy()
    array([[2, 0, 0]], dtype=int32)
    """

    def __init__(
        self, beam_size=5, length_penalty=1.0, start_token=1, end_token=2
    ):
        super().__init__(start_token, end_token)
        self.beam_size = positive_integer("beam_size", beam_size)
        self.length_penalty = length_penalty

    def __call__(self, step, states, memory, max_length):
        beam = self.beam_size
        batch = ops.shape(tree.flatten(states)[0])[0]
        limits, longest = row_limits(max_length, batch)
        states = tree.map_structure(self._tile, states)
        memory = tree.map_structure(
            lambda one: None if one is None else self._tile(one), memory
        )
        tokens = ops.full((batch * beam,), self.start_token, dtype="int32")
        logits, _, alignments = step(tokens, states, memory)
        vocabulary = logits.shape[-1]
        history = []
        if alignments is not None:
            source_len = ops.shape(alignments)[1]
            history = [ops.zeros((batch * beam, longest, source_len))]
        # At first all hypotheses of a row are the same: only one may grow.
        first = ops.equal(ops.arange(beam, dtype="int32"), 0)
        scores = ops.where(first, 0.0, IMPOSSIBLE)
        scores = ops.broadcast_to(ops.expand_dims(scores, 0), (batch, beam))
        # `ended` hypotheses can only be followed by padding, at no cost.
        # Others never are: padding, id 0, is no token.
        is_padding = ops.equal(ops.arange(vocabulary, dtype="int32"), 0)
        only_padding = ops.where(is_padding, 0.0, IMPOSSIBLE)
        flat_row = ops.expand_dims(
            ops.arange(batch, dtype="int32") * beam, 1
        )  # (batch, 1)

        def condition(time, closed, *_):
            return ops.logical_and(
                time < longest, ops.logical_not(ops.all(closed))
            )

        def body(time, closed, ended, lengths, scores, tokens, said, *rest):
            kept, flat = rest[: len(history)], rest[len(history) :]
            logits, new_states, alignments = step(
                ops.reshape(tokens, (-1,)),
                tree.pack_sequence_as(states, list(flat)),
                memory,
            )
            log_probability = ops.log_softmax(
                ops.cast(logits, "float32"), axis=-1
            )
            log_probability = ops.reshape(
                log_probability, (-1, beam, vocabulary)
            )
            log_probability = ops.where(
                ops.expand_dims(ended, 2),
                only_padding,
                ops.where(is_padding, IMPOSSIBLE, log_probability),
            )
            total = ops.expand_dims(scores, 2) + log_probability
            # The penalty of a hypothesis that grows counts the new token.
            grown = lengths + ops.cast(ops.logical_not(ended), "int32")
            ranked = total / ops.expand_dims(self._penalty(grown), 2)
            _, best = ops.top_k(
                ops.reshape(ranked, (-1, beam * vocabulary)), k=beam
            )
            best = ops.cast(best, "int32")
            parent = ops.floor_divide(best, vocabulary)  # (batch, beam)
            new_tokens = best - parent * vocabulary
            # A closed row stays as it is.
            frozen = ops.expand_dims(closed, 1)
            same = ops.broadcast_to(
                ops.expand_dims(ops.arange(beam, dtype="int32"), 0),
                ops.shape(parent),
            )
            parent = ops.where(frozen, same, parent)
            new_tokens = ops.where(frozen, 0, new_tokens)
            source = ops.reshape(flat_row + parent, (-1,))

            def take(one):
                return ops.take(one, source, axis=0)

            def take_hypotheses(one):
                return ops.reshape(take(ops.reshape(one, (-1,))), (-1, beam))

            new_scores = ops.reshape(
                ops.take(
                    ops.reshape(total, (-1,)),
                    ops.reshape(
                        (flat_row + parent) * vocabulary + new_tokens, (-1,)
                    ),
                ),
                (-1, beam),
            )
            scores = ops.where(frozen, scores, new_scores)
            was_ended = take_hypotheses(ended)
            lengths = ops.where(frozen, lengths, take_hypotheses(grown))
            said = write(take(said), time, ops.reshape(new_tokens, (-1,)))
            if kept:
                growing = ops.reshape(
                    ops.logical_not(ops.logical_or(was_ended, frozen)), (-1, 1)
                )
                shown = ops.where(
                    growing, take(ops.cast(alignments, "float32")), 0.0
                )
                kept = [write(take(kept[0]), time, shown)]
            ended = ops.logical_or(
                was_ended, ops.equal(new_tokens, self.end_token)
            )
            closed = self._closed(ended, lengths, scores, limits, time + 1)
            new_states = [take(one) for one in tree.flatten(new_states)]
            return (
                time + 1,
                closed,
                ended,
                lengths,
                scores,
                new_tokens,
                said,
                *kept,
                *new_states,
            )

        nothing = ops.zeros((batch, beam), dtype="int32")
        outcome = ops.while_loop(
            condition,
            body,
            (
                ops.zeros((), dtype="int32"),
                ops.less_equal(limits, 0),
                ops.zeros((batch, beam), dtype="bool"),
                nothing,
                scores,
                ops.reshape(tokens, (-1, beam)),
                ops.zeros((batch * beam, longest), dtype="int32"),
                *history,
                *tree.flatten(states),
            ),
        )
        _, _, ended, lengths, scores, _, said, *rest = outcome
        # An ended hypothesis goes before one that was cut off.
        ranked = scores / self._penalty(lengths)
        preferred = ops.where(ended, ranked, ranked + IMPOSSIBLE)
        preferred = ops.where(
            ops.any(ended, axis=1, keepdims=True), preferred, ranked
        )
        _, winner = ops.top_k(preferred, k=1)
        chosen = ops.reshape(flat_row + ops.cast(winner, "int32"), (-1,))
        return SearchResult(
            tokens=ops.take(said, chosen, axis=0),
            lengths=ops.take(ops.reshape(lengths, (-1,)), chosen),
            scores=ops.take(ops.reshape(ranked, (-1,)), chosen),
            alignments=ops.take(rest[0], chosen, axis=0) if history else None,
        )

    def _closed(self, ended, lengths, scores, limits, time):
        """Which rows are decided after `time` tokens, boolean `(batch,)`."""
        ranked = scores / self._penalty(lengths)
        best_ended = ops.max(ops.where(ended, ranked, IMPOSSIBLE), axis=1)
        # The best an open hypothesis can still reach: no further cost, at
        # the length whose penalty is kindest to it.
        kindest = lengths
        if self.length_penalty > 0:
            kindest = ops.broadcast_to(
                ops.expand_dims(limits, 1), ops.shape(lengths)
            )
        reachable = scores / self._penalty(kindest)
        best_open = ops.max(ops.where(ended, IMPOSSIBLE, reachable), axis=1)
        return ops.logical_or(
            ops.greater_equal(best_ended, best_open),
            ops.less_equal(limits, time),
        )

    def _penalty(self, lengths):
        # Wu et al. (2016), eq. 14
        ratio = (5.0 + ops.cast(lengths, "float32")) / 6.0
        return ops.power(ratio, float(self.length_penalty))

    def _tile(self, tensor):
        """`(batch, ...)` to `(batch * beam, ...)`, a row's copies together."""
        return ops.repeat(tensor, self.beam_size, axis=0)
