"""What counts as the same answer."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from export.answers import Answer
from export.report import Agreement, Difference

TOLERANCE = 1e-2  # of scores (nats) and alignments, tokens being identical
NEAR_TIE = 1e-3  # nats; rounding in float32 may turn such a choice


def compare(
    check: str,
    sentences: Sequence[str],
    expected: Sequence[Answer],
    found: Sequence[Answer],
    reference: Any,
) -> tuple[Agreement, list[Difference]]:
    """Compares an artifact's answers with the model's.

    Args:
        check: What was done, for the report.
        sentences: The sources; those behind `expected` are left out.
        expected: The model's answers.
        found: The artifact's answers, as many.
        reference: Measures the gap of two greedy answers, `greedy_gap`;
            `None` for answers of a beam search, whose scores are compared.

    Returns:
        The counts and distances, and every sentence answered differently.
    """
    differences = []
    num_identical = num_agreeing = 0
    scores, alignments = [0.0], []
    for sentence, own, other in zip(sentences, expected, found, strict=False):
        if np.array_equal(own.tokens, other.tokens):
            num_identical += 1
            gap = 0.0
            score, alignment = _distances(own, other)
            scores.append(score)
            if alignment is not None:
                alignments.append(alignment)
            # Written so that NaN does not agree.
            near = False
            agrees = (
                own.text == other.text
                and score <= TOLERANCE
                and (alignment is None or alignment <= TOLERANCE)
            )
        else:
            gap = (
                abs(own.score - other.score)
                if reference is None
                else reference.greedy_gap(sentence, own.tokens, other.tokens)
            )
            agrees = near = bool(abs(gap) <= NEAR_TIE)
        num_agreeing += agrees
        if near or not agrees:
            differences.append(
                Difference(check, sentence, own.text, other.text, gap, near)
            )
    agreement = Agreement(
        check,
        len(expected),
        num_identical,
        num_agreeing,
        float(np.max(scores)),
        float(np.max(alignments)) if alignments else None,
    )
    return agreement, differences


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
