"""`BeamSearch`: the best of several hypotheses."""

from __future__ import annotations

from keras import ops, tree

from keras_attention.registry import positive_integer
from keras_attention.search.hypotheses import best_hypotheses, possible
from keras_attention.search.penalties import coverage_penalty, length_penalty
from keras_attention.search.required import (
    best_of_each_bank,
    tokens_met,
    words_said,
)
from keras_attention.search.search import (
    IMPOSSIBLE,
    LEAST_LOG_PROBABILITY,
    Search,
    make_request,
    repeat_rows,
    row_limits,
    write,
)

NOTHING = -1.0e30  # the rank of no candidate, below every candidate's


class BeamSearch(Search):
    """Keeps the `beam_size` likeliest beginnings at each step.

    Hypotheses are ranked by Wu et al. (2016), eq. 14:
    `log P(y) / lp(y) + coverage_penalty * cp(x, y)`, with the length penalty
    `lp(y) = ((5 + |y|) / 6) ^ length_penalty` and the coverage
    `cp(x, y) = sum_i log(min(sum_j p_ij, 1))`, where `p_ij` is how much
    output token `j` attends to source token `i`. A hypothesis that has ended
    stays in the beam, where it competes with the others. A row stops as soon
    as no open hypothesis can overtake its `num_results` best ended ones. What
    one row says does not depend on the others.

    Args:
        beam_size: hypotheses kept, at least 1; 1 is greedy search.
        length_penalty: exponent of the penalty; 0 for none, larger favours
            longer outputs.
        start_token: id that starts a sequence.
        end_token: id that ends one.
        coverage_penalty: weight of the coverage, not negative; 0 for none,
            larger favours outputs that attend to all of the source. Sources
            of different lengths need the search's `source_mask`.
        num_results: how many hypotheses of each row to return, the best
            first, at most `beam_size`.
        rules: list of `Rule`s: what must not be said.

    Returns:
        A `SearchResult`. With more than one result its tensors have an axis
        more, the second: `tokens` are `(batch, num_results, max_length)`.
        Where there are fewer hypotheses than that, the last have length 0 and
        the score -1e9.

    Example:

    >>> search = BeamSearch(beam_size=2)
    >>> always_two = lambda tokens, states, memory: (
    ...     ops.one_hot(ops.zeros_like(tokens) + 2, 4), states, None
    ... )
    >>> search(always_two, [ops.zeros((1, 1))], None, 3).tokens.numpy()
    array([[2, 0, 0]], dtype=int32)
    >>> search = BeamSearch(beam_size=2, num_results=2)
    >>> search(always_two, [ops.zeros((1, 1))], None, 3).tokens.numpy()
    array([[[2, 0, 0],
            [1, 2, 0]]], dtype=int32)
    """

    def __init__(
        self,
        beam_size=5,
        length_penalty=1.0,
        start_token=1,
        end_token=2,
        coverage_penalty=0.0,
        num_results=1,
        rules=(),
    ):
        super().__init__(start_token, end_token, rules)
        self.beam_size = positive_integer("beam_size", beam_size)
        self.length_penalty = length_penalty
        self.num_results = positive_integer("num_results", num_results)
        if self.num_results > self.beam_size:
            raise ValueError(
                "`num_results` cannot be larger than `beam_size`. Received: "
                f"num_results={num_results}, beam_size={beam_size}."
            )
        if coverage_penalty < 0:
            raise ValueError(
                "`coverage_penalty` must not be negative. "
                f"Received: coverage_penalty={coverage_penalty}."
            )
        self.coverage_penalty = coverage_penalty

    def __call__(
        self,
        step,
        states,
        memory,
        max_length,
        source_mask=None,
        prefix=None,
        required=None,
    ):
        """Searches; see `Search.__call__`, and

        Args:
            required: int32 `(batch, num_words, word_len)`, words of one or
                several tokens that must appear in the answers, zeros after a
                word's last token and for no word; the two last sizes must be
                known. `beam_size` hypotheses are kept for every number of
                their tokens that have been said (Hokamp and Liu 2017), and
                none ends before all have been. An answer that reaches its
                limit first, or to which the rules leave nothing else to
                say, is cut off without them.
        """
        num_banks = 1
        if required is not None:
            required = ops.cast(required, "int32")
            num_banks += required.shape[1] * required.shape[2]
        beam = self.beam_size * num_banks
        batch = ops.shape(tree.flatten(states)[0])[0]
        limits, longest = row_limits(max_length, batch)
        states = repeat_rows(states, beam)
        memory = repeat_rows(memory, beam)
        request = make_request(source_mask, prefix, beam)
        required = repeat_rows([required], beam)[0]
        tokens = ops.full((batch * beam,), self.start_token, dtype="int32")
        logits, _, alignments = step(tokens, states, memory)
        vocabulary = logits.shape[-1]
        history, covered = [], []
        if alignments is not None:
            source_len = ops.shape(alignments)[1]
            history = [ops.zeros((batch * beam, longest, source_len))]
        if self.coverage_penalty:
            if not history:
                raise ValueError(
                    "`coverage_penalty` needs a `step` that returns "
                    "alignments. Leave it at 0 for a model without attention."
                )
            covered = [ops.zeros((batch * beam, source_len))]
        # At first all hypotheses of a row are the same: only one may grow.
        place = ops.expand_dims(ops.arange(beam, dtype="int32"), 0)
        scores = ops.broadcast_to(
            ops.where(ops.equal(place, 0), 0.0, IMPOSSIBLE), (batch, beam)
        )
        # `ended` hypotheses can only be followed by padding, at no cost.
        # Others never are: padding, id 0, is no token.
        is_padding = ops.equal(ops.arange(vocabulary, dtype="int32"), 0)
        is_no_end = ops.not_equal(
            ops.arange(vocabulary, dtype="int32"), self.end_token
        )
        only_padding = ops.where(is_padding, 0.0, IMPOSSIBLE)
        flat_row = ops.expand_dims(
            ops.arange(batch, dtype="int32") * beam, 1
        )  # (batch, 1)

        def condition(now):
            return ops.logical_and(
                now["time"] < longest, ops.logical_not(ops.all(now["closed"]))
            )

        def body(now):
            time, closed, ended = now["time"], now["closed"], now["ended"]
            logits, new_states, alignments = step(
                ops.reshape(now["tokens"], (-1,)),
                tree.pack_sequence_as(states, list(now["states"])),
                memory,
            )
            log_probability = ops.log_softmax(
                ops.cast(logits, "float32"), axis=-1
            )
            progress = self.progress(now["said"], time, request, vocabulary)
            allowed = self.allowed(progress, request)
            if required is not None:
                met, all_said = tokens_met(required, progress)
                allowed = _wait_for(all_said, allowed, is_no_end)
            log_probability = ops.where(
                allowed,
                ops.maximum(log_probability, LEAST_LOG_PROBABILITY),
                IMPOSSIBLE,
            )
            log_probability = ops.where(
                ops.expand_dims(ended, 2),
                only_padding,
                ops.reshape(log_probability, (-1, beam, vocabulary)),
            )
            total = ops.expand_dims(now["scores"], 2) + log_probability
            # A closed row stays as it is.
            frozen = ops.expand_dims(closed, 1)
            growing = ops.logical_not(ops.logical_or(ended, frozen))
            covered = now["covered"]
            if history:
                shown = ops.where(
                    ops.reshape(growing, (-1, 1)),
                    ops.cast(alignments, "float32"),
                    0.0,
                )
                covered = [one + shown for one in covered]
            # The penalty of a hypothesis that grows counts the new token.
            grown = now["lengths"] + ops.cast(growing, "int32")
            ranked = self._rank(total, grown, covered, request)
            candidates = ops.reshape(ranked, (-1, beam * vocabulary))
            if required is None:
                _, best = ops.top_k(candidates, k=beam)
            else:
                found, best = best_of_each_bank(
                    candidates,
                    ops.reshape(met, (-1, beam * vocabulary)),
                    num_banks,
                    self.beam_size,
                    NOTHING,
                )
            best = ops.cast(best, "int32")
            parent = ops.floor_divide(best, vocabulary)  # (batch, beam)
            new_tokens = best - parent * vocabulary
            parent = ops.where(frozen, place, parent)
            new_tokens = ops.where(frozen, 0, new_tokens)
            source = ops.reshape(flat_row + parent, (-1,))

            def take(one):
                return ops.take(one, source, axis=0)

            def take_hypotheses(one):
                return ops.reshape(take(ops.reshape(one, (-1,))), (-1, beam))

            chosen = (flat_row + parent) * vocabulary + new_tokens
            new_scores = ops.take(
                ops.reshape(total, (-1,)), ops.reshape(chosen, (-1,))
            )
            new_scores = ops.reshape(new_scores, (-1, beam))
            if required is not None:
                new_scores = ops.where(
                    ops.less(found, NOTHING / 2), IMPOSSIBLE, new_scores
                )
            scores = ops.where(frozen, now["scores"], new_scores)
            new_tokens = ops.reshape(new_tokens, (-1,))
            new = {
                "time": time + 1,
                "ended": ops.logical_or(
                    take_hypotheses(ended),
                    ops.reshape(
                        ops.equal(new_tokens, self.end_token), (-1, beam)
                    ),
                ),
                "lengths": take_hypotheses(grown),
                "scores": scores,
                "tokens": ops.reshape(new_tokens, (-1, beam)),
                "said": write(take(now["said"]), time, new_tokens),
                "alignments": [
                    write(take(one), time, take(shown))
                    for one in now["alignments"]
                ],
                "covered": [take(one) for one in covered],
                "states": [take(one) for one in tree.flatten(new_states)],
            }
            new["closed"] = self._closed(new, limits, request)
            return (new,)

        nothing = ops.zeros((batch, beam), dtype="int32")
        first = {
            "time": ops.zeros((), dtype="int32"),
            "closed": ops.less_equal(limits, 0),
            "ended": ops.zeros((batch, beam), dtype="bool"),
            "lengths": nothing,
            "scores": scores,
            "tokens": ops.reshape(tokens, (-1, beam)),
            "said": ops.zeros((batch * beam, longest), dtype="int32"),
            "alignments": history,
            "covered": covered,
            "states": tree.flatten(states),
        }
        (last,) = ops.while_loop(condition, body, (first,))
        ranked = self._rank(
            last["scores"], last["lengths"], last["covered"], request
        )
        complete = None
        if required is not None:
            complete = ops.all(words_said(required, last["said"]), axis=1)
            complete = ops.reshape(complete, (-1, beam))
        return best_hypotheses(last, ranked, self.num_results, complete)

    def _rank(self, scores, lengths, covered, request):
        """What hypotheses are ranked by (Wu et al. 2016, eq. 14).

        Args:
            scores: `(batch, beam)` or `(batch, beam, vocabulary)`.
            lengths: `(batch, beam)`.
            covered: list of nothing, or of `(batch * beam, source_len)`.
            request: a `Request`.
        """

        def fit(one):
            one = ops.reshape(one, (-1, lengths.shape[1]))
            return ops.expand_dims(one, 2) if len(scores.shape) == 3 else one

        ranked = scores / fit(length_penalty(lengths, self.length_penalty))
        for one in covered:
            coverage = coverage_penalty(one, request.source_mask)
            ranked = ranked + self.coverage_penalty * fit(coverage)
        return ranked

    def _closed(self, now, limits, request):
        """Which rows are decided, boolean `(batch,)`."""
        scores, lengths, ended = now["scores"], now["lengths"], now["ended"]
        ranked = self._rank(scores, lengths, now["covered"], request)
        best_ended, _ = ops.top_k(
            ops.where(
                ops.logical_and(ended, possible(scores)), ranked, IMPOSSIBLE
            ),
            k=self.num_results,
        )
        # The best an open hypothesis can still reach: no further cost, all
        # covered, at the length whose penalty is kindest to it.
        kindest = lengths
        if self.length_penalty > 0:
            kindest = ops.broadcast_to(
                ops.expand_dims(limits, 1), ops.shape(lengths)
            )
        reachable = scores / length_penalty(kindest, self.length_penalty)
        best_open = ops.max(
            ops.where(
                ops.logical_or(ended, ops.logical_not(possible(scores))),
                IMPOSSIBLE,
                reachable,
            ),
            axis=1,
        )
        return ops.logical_or(
            ops.greater_equal(best_ended[:, -1], best_open),
            ops.less_equal(limits, now["time"]),
        )


def _wait_for(all_said, allowed, is_no_end):
    """What may be said until all required words have been: not the end.

    Where the rules leave nothing else, the end after all.

    Args:
        all_said: boolean `(rows,)`.
        allowed: boolean `(rows, vocabulary)`, by the rules.
        is_no_end: boolean `(vocabulary,)`.
    """
    waiting = ops.logical_and(
        allowed, ops.logical_or(ops.expand_dims(all_said, 1), is_no_end)
    )
    some = ops.any(waiting, axis=1, keepdims=True)
    return ops.where(some, waiting, allowed)
