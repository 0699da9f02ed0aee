"""Attention over one source: one query, a batch, or step after step."""

import dataclasses

import numpy as np

from tests.reference.normalizers import (
    first_position,
    hard_monotonic,
    monotonic,
    softmax,
)
from tests.reference.windows import everywhere


def weighted_sum(alignments, value):
    """Bahdanau et al. (2014), eq. 5."""
    context = np.zeros(value.shape[-1])
    for weight, one in zip(alignments, value, strict=True):
        context += weight * one
    return context


def attend(query, value, key, score, normalizer=softmax, allowed=None):
    """One query over one source: Bahdanau et al. (2014), eqs. 5-6.

    Returns:
        `(context, alignments)`, `(value_dim,)` and `(source_len,)`.
    """
    scores = [score(query, one) for one in key]
    alignments = normalizer(scores, allowed)
    return weighted_sum(alignments, value), alignments


def attention(
    query, value, key, score, normalizer=softmax, mask=None, causal=False
):
    """A whole batch: contexts and alignments, by loops over `attend`."""
    contexts, alignments = [], []
    for row in range(len(query)):
        for position, one in enumerate(query[row]):
            allowed = [
                (mask is None or bool(mask[row][source]))
                and (not causal or source <= position)
                for source in range(len(value[row]))
            ]
            context, weights = attend(
                one, value[row], key[row], score, normalizer, allowed
            )
            contexts.append(context)
            alignments.append(weights)
    shape = query.shape[:2]
    return (
        np.reshape(contexts, (*shape, value.shape[-1])),
        np.reshape(alignments, (*shape, value.shape[1])),
    )


@dataclasses.dataclass(frozen=True)
class Past:
    """What an attention remembers of the earlier steps of one example.

    Attributes:
        alignments: of the step before, `(source_len,)`.
        accumulated: the sum over all steps before, `(source_len,)`.
        step: the number of steps before.
    """

    alignments: np.ndarray
    accumulated: np.ndarray
    step: int = 0

    def after(self, alignments):
        """Returns what is remembered after one more step."""
        return Past(alignments, self.accumulated + alignments, self.step + 1)


def remembering(
    score, window=everywhere, normalizer=softmax, allowed=None, start=None
):
    """Makes an attention that remembers its own earlier steps.

    A new one for each example; also the `look` of `decode`.

    Args:
        score: function `(query, keys, past) -> scores`; `each(...)` makes
            one of a pair function. `-inf` is a position without a score: it
            is not allowed.
        window: function `(query, allowed, past) -> (allowed, weights)`.
        normalizer: function `(scores, allowed, past) -> alignments`.
        allowed: the mask, `(source_len,)` or `(target_len, source_len)`;
            `None`: all positions.
        start: the alignments "before the first step", `(source_len,)`. By
            default one at the first position for the monotonic normalisers,
            zeros for the others. They are not accumulated.

    Returns:
        Function `(query, value, key=value) -> (context, alignments)`. What is
        remembered, and makes the context, are the alignments after the
        window's weights.
    """
    past = None

    def look(query, value, key=None):
        nonlocal past
        source_len = len(value)
        if past is None:
            nowhere = np.zeros(source_len)
            first = nowhere if start is None else start
            if start is None and normalizer in (monotonic, hard_monotonic):
                first = first_position(source_len)
            past = Past(first, nowhere)
        mask = np.ones(source_len, bool) if allowed is None else allowed
        if np.ndim(mask) == 2:
            mask = mask[past.step]
        inside, weights = window(query, mask, past)
        scores = score(query, value if key is None else key, past)
        inside = [
            bool(one) and own > -np.inf
            for one, own in zip(inside, scores, strict=True)
        ]
        alignments = normalizer(scores, inside, past)
        if weights is not None:
            alignments = alignments * weights
        past = past.after(alignments)
        return weighted_sum(alignments, value), alignments

    return look


def attend_in_turn(
    queries,
    value,
    key,
    score,
    window=everywhere,
    normalizer=softmax,
    allowed=None,
    start=None,
):
    """All queries of one example, one after the other.

    Args:
        queries: `(target_len, query_dim)`.
        value: `(source_len, value_dim)`.
        key: `(source_len, key_dim)`.
        score, window, normalizer, allowed, start: see `remembering`.

    Returns:
        `(contexts, alignments)`, `(target_len, value_dim)` and
        `(target_len, source_len)`.
    """
    look = remembering(score, window, normalizer, allowed, start)
    contexts, alignments = zip(
        *[look(query, value, key) for query in queries], strict=True
    )
    return np.array(contexts), np.array(alignments)
