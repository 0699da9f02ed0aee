"""Saying tokens one by one: the loop of every search without a beam."""

from __future__ import annotations

from keras import ops, tree

from keras_attention.search.search import SearchResult, pick, write


def one_by_one(step, states, memory, limits, longest, start, choose, end=None):
    """Says one token after the other, until all rows have ended.

    Args:
        step: see `Search.__call__`.
        states: see `Search.__call__`.
        memory: see `Search.__call__`.
        limits: int32 `(batch,)`, the most tokens of each row.
        longest: scalar, the width of what is returned, no limit above it.
        start: id that every sequence starts from.
        choose: a function `(logits (batch, vocabulary) float32, tokens said
            (batch, longest), time) -> tokens (batch,)`, int32.
        end: id that ends a sequence, or `None`: only the limits end it.

    Returns:
        A `SearchResult`; its scores are the model's log-probabilities of
        what was chosen.
    """
    batch = ops.shape(tree.flatten(states)[0])[0]
    tokens = ops.full((batch,), start, dtype="int32")
    # How wide the alignments are is known from one step; a graph does not
    # compute what only its shape is asked of.
    _, _, alignments = step(tokens, states, memory)
    history = []
    if alignments is not None:
        source_len = ops.shape(alignments)[1]
        history = [ops.zeros((batch, longest, source_len))]
    first = {
        "time": ops.zeros((), dtype="int32"),
        "done": ops.less_equal(limits, 0),
        "tokens": tokens,
        "said": ops.zeros((batch, longest), dtype="int32"),
        "scores": ops.zeros((batch,)),
        "alignments": history,
        "states": tree.flatten(states),
    }

    def condition(now):
        return ops.logical_and(
            now["time"] < longest, ops.logical_not(ops.all(now["done"]))
        )

    def body(now):
        time, done = now["time"], now["done"]
        logits, new_states, alignments = step(
            now["tokens"],
            tree.pack_sequence_as(states, list(now["states"])),
            memory,
        )
        logits = ops.cast(logits, "float32")
        tokens = choose(logits, now["said"], time)
        gained = pick(logits, tokens) - ops.logsumexp(logits, axis=-1)
        tokens = ops.where(done, 0, tokens)
        kept = []
        if history:
            shown = ops.where(
                ops.expand_dims(done, 1), 0.0, ops.cast(alignments, "float32")
            )
            kept = [write(now["alignments"][0], time, shown)]
        new_done = ops.logical_or(done, ops.less_equal(limits, time + 1))
        if end is not None:
            new_done = ops.logical_or(new_done, ops.equal(tokens, end))
        return (
            {
                "time": time + 1,
                "done": new_done,
                "tokens": tokens,
                "said": write(now["said"], time, tokens),
                "scores": now["scores"] + ops.where(done, 0.0, gained),
                "alignments": kept,
                "states": tree.flatten(new_states),
            },
        )

    (last,) = ops.while_loop(condition, body, (first,))
    return SearchResult(
        tokens=last["said"],
        lengths=ops.sum(
            ops.cast(ops.not_equal(last["said"], 0), "int32"), axis=1
        ),
        scores=last["scores"],
        alignments=last["alignments"][0] if history else None,
    )
