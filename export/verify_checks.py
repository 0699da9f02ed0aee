"""What an artifact is asked, and what the model itself says to it."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from export import quantizations
from export.answers import Answers
from export.compare import Gap
from export.settings import ExportSettings

BATCH_SIZE = 16
N_BEST_THRESHOLD = 0.9  # share of the sentences with the same n best
NUM_FEW = 50  # sentences of every check but the first, and for the latency


class Check(NamedTuple):
    """Something that an artifact is asked, and what the model says to it."""

    key: str
    name: str
    sentences: list[str]
    expected: Sequence[Answers]
    gap: Gap


def checks_of(
    format: str,
    reference: Any,
    sentences: list[str],
    settings: ExportSettings,
) -> list[Check]:
    """Asks the model all that an artifact will be asked.

    Args:
        format: A key of `export.exporters.EXPORTERS`.
        reference: A `Reference`.
        sentences: The sentences to compare on.
        settings: The settings of the artifact.

    Returns:
        The checks; the first covers all sentences, the others a few of all
        lengths.
    """
    greedy = reference.greedy(sentences, BATCH_SIZE)
    rows = few_of(sentences)
    few, own = [sentences[i] for i in rows], [greedy[i] for i in rows]
    gap = reference.greedy_gap
    several = reference.beam(few, BATCH_SIZE)
    beam = f"beam of {settings.beam_size}"
    checks = [
        Check("greedy", f"batch size {BATCH_SIZE}", sentences, greedy, gap),
        Check("one", "batch size 1", few, own, gap),
        Check("again", "second call", few, own, gap),
        Check("steps", "encode and decode_step", few, own, gap),
        Check("beam", beam, few, several, reference.beam_gap),
    ]
    if format == "litert_buckets":
        # It has no signatures for callers who search themselves.
        checks = [check for check in checks if check.key != "steps"]
    if format == "saved_model":
        targets = [answer.text for [answer] in own]
        scored = reference.scores(few, targets, BATCH_SIZE)
        checks.append(Check("score", "score", few, scored, _no_gap))
    return checks


class Comparison(NamedTuple):
    """Answers of a check that are compared; `threshold` must agree."""

    name: str
    expected: Sequence[Answers]
    found: Sequence[Answers]
    threshold: float


def comparisons(
    check: Check,
    found: Sequence[Answers],
    settings: ExportSettings,
    threshold: float,
) -> list[Comparison]:
    """What is compared of a check: of the n best, the best and then all.

    Args:
        check: The check.
        found: The artifact's answers to it.
        settings: The settings of the artifact.
        threshold: Share of the sentences whose best answer must agree.

    Returns:
        One comparison, or two.
    """
    if check.key != "beam":
        return [Comparison(check.name, check.expected, found, threshold)]
    own, other = (
        [several[:1] for several in one] for one in (check.expected, found)
    )
    least = quantizations.get(settings.quantize).min_beam_agreement
    compared = [Comparison(check.name, own, other, min(threshold, least))]
    if settings.quantize == "none" and settings.beam_size > 1:
        name = f"{check.name}: all {settings.beam_size}"
        least = min(threshold, N_BEST_THRESHOLD)
        compared.append(Comparison(name, check.expected, found, least))
    return compared


def few_of(sentences: Sequence[str]) -> list[int]:
    """Chooses sentences of all lengths, the shortest and longest included."""
    by_length = sorted(range(len(sentences)), key=lambda i: len(sentences[i]))
    count = min(NUM_FEW, len(sentences))
    places = np.linspace(0, len(sentences) - 1, count).round().astype(int)
    return sorted(by_length[place] for place in places)


def _no_gap(sentence: str, expected: np.ndarray, found: np.ndarray) -> float:
    """For answers that leave no choice: other tokens are an error."""
    del sentence, expected, found
    return float("inf")
