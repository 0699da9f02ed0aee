"""What counts as the same answer."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from export.answers import Answer, Answers
from export.report import Agreement, Difference

# How many nats the model prefers its own tokens to others:
# `(sentence, own tokens, other tokens) -> nats`.
Gap = Callable[[str, np.ndarray, np.ndarray], float]


def compare(
    check: str,
    sentences: Sequence[str],
    expected: Sequence[Answers],
    found: Sequence[Answers],
    gap: Gap,
    tolerance: float,
    threshold: float,
    near_tie: float,
) -> tuple[Agreement, list[Difference]]:
    """Compares an artifact's answers with the model's.

    Of the n best, a sentence counts as identical if all n are, and agrees if
    all n do; the first that does not is listed.

    Args:
        check: What was done, for the report.
        sentences: The sources.
        expected: The model's answers to each.
        found: The artifact's, likewise.
        gap: Measures how close two answers are to the model.
        tolerance: Of scores (nats) and alignments, tokens being identical.
        threshold: Share of the sentences that must agree, for the report.
        near_tie: Nats that the model may prefer its own tokens by where
            others agree too.

    Returns:
        The counts and distances, and every sentence answered differently.
    """
    differences = []
    num_identical = num_agreeing = 0
    scores, alignments = [0.0], []
    for sentence, own, other in zip(sentences, expected, found, strict=True):
        judgements = [
            _judge(sentence, one, another, gap, tolerance, near_tie)
            for one, another in zip(own, other, strict=False)
        ]
        complete = len(own) == len(other)
        num_identical += complete and all(j.identical for j in judgements)
        num_agreeing += complete and all(j.agrees for j in judgements)
        scores += [j.score for j in judgements if j.identical]
        alignments += [
            j.alignment for j in judgements if j.alignment is not None
        ]
        if not complete:
            differences.append(
                Difference(
                    check,
                    sentence,
                    f"{len(own)} answers",
                    f"{len(other)} answers",
                    float("inf"),
                    False,
                )
            )
            continue
        for j, one, another in zip(judgements, own, other, strict=True):
            if j.near_tie or not j.agrees:
                differences.append(
                    Difference(
                        check,
                        sentence,
                        one.text,
                        another.text,
                        j.gap,
                        j.near_tie,
                    )
                )
                break
    agreement = Agreement(
        check,
        len(expected),
        num_identical,
        num_agreeing,
        float(np.max(scores)),
        float(np.max(alignments)) if alignments else None,
        threshold,
    )
    return agreement, differences


class _Judgement(NamedTuple):
    """Of two answers: `score` and `alignment` are their distances."""

    identical: bool
    agrees: bool
    near_tie: bool
    gap: float
    score: float
    alignment: float | None


def _judge(
    sentence: str,
    own: Answer,
    other: Answer,
    gap: Gap,
    tolerance: float,
    near_tie: float,
) -> _Judgement:
    if not np.array_equal(own.tokens, other.tokens):
        nats = gap(sentence, own.tokens, other.tokens)
        near = bool(abs(nats) <= near_tie)
        return _Judgement(False, near, near, nats, 0.0, None)
    score, alignment = _distances(own, other)
    # Written so that NaN does not agree.
    agrees = (
        own.text == other.text
        and score <= tolerance
        and (alignment is None or alignment <= tolerance)
    )
    return _Judgement(True, bool(agrees), False, 0.0, score, alignment)


def _distances(own: Answer, other: Answer) -> tuple[float, float | None]:
    """Largest differences of score and alignments, for the same tokens."""
    score = abs(own.score - other.score)
    if own.alignments is None and other.alignments is None:
        return score, None
    if own.alignments is None or other.alignments is None:
        return score, float("nan")
    if own.alignments.shape != other.alignments.shape:
        # Two answers without tokens may have read what they please.
        return score, 0.0 if len(own.tokens) == 0 else float("nan")
    distances = np.abs(own.alignments - other.alignments)
    return score, float(np.max(distances, initial=0.0))
