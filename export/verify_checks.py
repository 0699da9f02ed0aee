"""What an artifact is asked, and what the model itself says to it."""

import bisect
import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from export import quantizations
from export.answers import Answers
from export.buckets import BUCKETS, fitting_buckets
from export.compare import Gap
from export.settings import ExportSettings

BATCH_SIZE = 16
N_BEST_THRESHOLD = 0.9  # share of the sentences with the same n best
LONG_THRESHOLD = 0.5  # of sources that no model has seen the like of
NUM_FEW = 50  # sentences of every check but the first, and for the latency


class Check(NamedTuple):
    """Something that an artifact is asked, and what the model says to it."""

    key: str
    name: str
    sentences: list[str]
    expected: Sequence[Answers]
    gap: Gap

    @property
    def searches(self) -> bool:
        """Whether a beam search answers: with several answers, ranked."""
        return self.key in ("beam", "long_beam")


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
        The checks; the first covers all sentences, the next a few of all
        lengths, and those of long sources all sizes that an artifact has.
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
    if long := long_sources(reference, sentences, settings.max_source_len):
        sure = reference.greedy(long, BATCH_SIZE)
        several = reference.beam(long, BATCH_SIZE)
        checks += [
            Check("long", "long sources", long, sure, gap),
            Check(
                "long_beam",
                f"long sources, {beam}",
                long,
                several,
                reference.beam_gap,
            ),
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
    if check.key.startswith("long"):
        threshold = min(threshold, LONG_THRESHOLD)
    if not check.searches:
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


def long_sources(
    reference: Any, sentences: Sequence[str], max_source_len: int
) -> list[str]:
    """Joins sentences to sources that fill each size an artifact has.

    Artifacts of fixed sizes have a program for each, most of which the
    sentences may never reach, and all artifacts cut what is too long.

    Args:
        reference: A `Reference`.
        sentences: The sentences to compare on.
        max_source_len: Tokens of a source that are read.

    Returns:
        A source for each bucket, which fills it as far as its tokens allow,
        and one that is too long; none if all sentences are blank.
    """
    written = [one.strip() for one in sentences if one.strip()]
    if not written or not reference.num_tokens(" ".join(written)):
        return []
    joined, repeated = "", itertools.cycle(written)
    while reference.num_tokens(joined) <= max_source_len:
        joined = f"{joined} {next(repeated)}".lstrip()

    def filling(size: int) -> str:
        """The longest beginning that has no more tokens."""
        lengths = range(len(joined) + 1)
        return joined[
            : bisect.bisect_right(
                lengths, size, key=lambda n: reference.num_tokens(joined[:n])
            )
            - 1
        ]

    sizes = fitting_buckets(BUCKETS, max_source_len)
    return [*map(filling, sizes), joined]


def _no_gap(sentence: str, expected: np.ndarray, found: np.ndarray) -> float:
    """For answers that leave no choice: other tokens are an error."""
    del sentence, expected, found
    return float("inf")
