"""What a beam search ends with: its hypotheses, sorted."""

from __future__ import annotations

from keras import ops

from keras_attention.search.search import IMPOSSIBLE, SearchResult


def possible(scores):
    """Which log-probabilities are those of something that may be said."""
    return ops.greater(scores, IMPOSSIBLE / 2)


def best_hypotheses(hypotheses, ranked, num_results, complete=None):
    """Returns the best, as a `SearchResult`.

    An ended hypothesis goes before one that was cut off, and of these a
    complete one before others.

    Args:
        hypotheses: dictionary of "ended", "lengths" and "scores" `(batch,
            beam)`, "said" `(batch * beam, max_length)` and "alignments", a
            list of nothing or of `(batch * beam, max_length, source_len)`.
        ranked: `(batch, beam)`, what they are ranked by.
        num_results: how many of each row.
        complete: boolean `(batch, beam)`, which say all the required words,
            or `None`.
    """
    batch, beam = ops.shape(ranked)[0], ranked.shape[1]
    flat_row = ops.expand_dims(ops.arange(batch, dtype="int32") * beam, 1)

    def take(values, places):
        return ops.take(ops.reshape(values, (-1,)), ops.reshape(places, (-1,)))

    group = ops.where(hypotheses["ended"], 0, beam)
    if complete is not None:
        group = ops.where(complete, group, 2 * beam)
    group = ops.where(possible(hypotheses["scores"]), group, 3 * beam)
    _, by_rank = ops.top_k(ranked, k=beam)
    by_rank = flat_row + ops.cast(by_rank, "int32")
    # A stable sort by group of what is sorted by rank.
    key = ops.reshape(take(group, by_rank), (-1, beam))
    key = ops.cast(key, "int32") + ops.arange(beam, dtype="int32")
    _, first = ops.top_k(-ops.cast(key, "float32"), k=num_results)
    chosen = take(by_rank, flat_row + ops.cast(first, "int32"))
    result = SearchResult(
        tokens=ops.take(hypotheses["said"], chosen, axis=0),
        lengths=take(hypotheses["lengths"], chosen),
        scores=take(ranked, chosen),
        alignments=(
            ops.take(hypotheses["alignments"][0], chosen, axis=0)
            if hypotheses["alignments"]
            else None
        ),
    )
    if num_results == 1:
        return result
    real = possible(take(hypotheses["scores"], chosen))

    def split(one, otherwise):
        if one is None:
            return None
        shape = tuple(ops.shape(one))
        mask = ops.reshape(real, (-1,) + (1,) * (len(shape) - 1))
        one = ops.where(mask, one, ops.cast(otherwise, one.dtype))
        return ops.reshape(one, (batch, num_results, *shape[1:]))

    return SearchResult(*map(split, result, (0, 0, IMPOSSIBLE, 0.0)))
