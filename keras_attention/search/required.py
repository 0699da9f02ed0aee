"""Words that must appear: how much of them a hypothesis has said."""

from __future__ import annotations

from keras import ops

from keras_attention.search.rules import latest_tokens


def words_said(required, tokens):
    """Which of the words were said.

    Args:
        required: int32 `(rows, num_words, word_len)`, zeros after the last
            token of a word, and for no word.
        tokens: int32 `(rows, max_length)`, zeros after the last.

    Returns:
        Boolean `(rows, num_words)`; `True` for no word.
    """
    word_len = required.shape[2]
    padded = ops.pad(tokens, ((0, 0), (0, word_len)))
    matches = True
    for offset in range(word_len):
        there = ops.expand_dims(padded[:, offset : offset - word_len], 1)
        wanted = required[:, :, offset : offset + 1]
        matches = ops.logical_and(
            matches,
            ops.logical_or(ops.equal(there, wanted), ops.equal(wanted, 0)),
        )  # (rows, num_words, max_length)
    no_word = ops.equal(required[:, :, 0], 0)
    return ops.logical_or(ops.any(matches, axis=2), no_word)


def tokens_met(required, progress):
    """How many tokens of the words each next token would make.

    Those of the words said, and of one more word those that have begun it.

    Args:
        required: see `words_said`.
        progress: a `Progress`.

    Returns:
        `(counts, all_said)`: int32 `(rows, vocabulary)`, and boolean `(rows,)`
        whether nothing is missing already.
    """
    word_len = required.shape[2]
    said = words_said(required, progress.tokens)
    lengths = ops.sum(ops.cast(ops.not_equal(required, 0), "int32"), axis=2)
    met = ops.sum(ops.where(said, lengths, 0), axis=1, keepdims=True)
    ids = ops.arange(progress.vocabulary, dtype="int32")
    latest = latest_tokens(progress, word_len - 1)
    gained = ops.zeros((1, progress.vocabulary), dtype="int32")
    for place in range(word_len):
        begun = ops.logical_not(said)
        for offset in range(place):
            at = word_len - 1 - place + offset
            begun = ops.logical_and(
                begun,
                ops.equal(latest[:, at : at + 1], required[:, :, offset]),
            )
        following = ops.where(begun, required[:, :, place], 0)
        makes = ops.logical_and(
            ops.equal(ops.expand_dims(following, 2), ids), ops.not_equal(ids, 0)
        )
        gained = ops.where(ops.any(makes, axis=1), place + 1, gained)
    return met + gained, ops.all(said, axis=1)


def best_of_each_bank(ranked, counts, num_banks, beam, nothing):
    """The best candidates that have met 0 tokens, 1 token, and so on.

    Hypotheses that have met more of the words do not compete with those that
    have met less, for words that must appear are seldom the likeliest.

    Args:
        ranked: `(batch, n)`, what candidates are ranked by.
        counts: int32 `(batch, n)`, tokens that they have met.
        num_banks: integer, one more than the largest count.
        beam: integer, how many candidates of each count to return.
        nothing: float, the rank of no candidate.

    Returns:
        `(ranks, places)`, both `(batch, num_banks * beam)`.
    """
    banks = [
        ops.top_k(ops.where(ops.equal(counts, bank), ranked, nothing), k=beam)
        for bank in range(num_banks)
    ]
    ranks, places = zip(*banks, strict=True)
    return ops.concatenate(ranks, axis=1), ops.concatenate(places, axis=1)
