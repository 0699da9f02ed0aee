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
NUM_LONG = 8  # long sources of each size
NUM_FEW = 50  # sentences of every check but the first, and for the latency


class Check(NamedTuple):
    """Something that an artifact is asked, and what the model says to it.

    key: Names its answers.
    name: Names it in a report.
    sentences: The sources.
    expected: The model's answers to each.
    gap: Measures how near other answers are.
    how: The runner's method that answers: `"greedy"`, `"beam"`, `"steps"` or
        `"score"`.
    batch_size: Sentences at once.
    threshold: No larger share of the sentences must agree.
    """

    key: str
    name: str
    sentences: list[str]
    expected: Sequence[Answers]
    gap: Gap
    how: str = "greedy"
    batch_size: int = BATCH_SIZE
    threshold: float = 1.0


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
        lengths, and the last ones long sources.
    """
    greedy = reference.greedy(sentences, BATCH_SIZE)
    rows = few_of(sentences)
    few, own = [sentences[i] for i in rows], [greedy[i] for i in rows]
    gap = reference.greedy_gap
    several = reference.beam(few, BATCH_SIZE)
    beam = f"beam of {settings.beam_size}"
    checks = [
        Check("greedy", f"batch size {BATCH_SIZE}", sentences, greedy, gap),
        Check("one", "batch size 1", few, own, gap, batch_size=1),
        Check("again", "second call", few, own, gap),
        Check("steps", "encode and decode_step", few, own, gap, "steps"),
        Check("beam", beam, few, several, reference.beam_gap, "beam"),
    ]
    if format == "litert_buckets":
        # It has no signatures for callers who search themselves.
        checks = [check for check in checks if check.key != "steps"]
    if format == "saved_model":
        targets = [answer.text for [answer] in own]
        scored = reference.scores(few, targets, BATCH_SIZE)
        checks.append(Check("score", "score", few, scored, _no_gap, "score"))
    has_sizes = format == "litert_buckets" or settings.xla
    long = long_sources(
        reference, sentences, settings.max_source_len, has_sizes
    )
    for name, sources in long.items():
        # One by one: those of a batch would share the largest one's size.
        checks += [
            Check(
                f"{name}, {how}",
                f"{name}, {how if how == 'greedy' else beam}",
                sources,
                answer(sources, BATCH_SIZE),
                gap,
                how,
                1,
                quantizations.get(settings.quantize).min_long_agreement,
            )
            for how, answer, gap in (
                ("greedy", reference.greedy, reference.greedy_gap),
                ("beam", reference.beam, reference.beam_gap),
            )
        ]
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
    threshold = min(threshold, check.threshold)
    if check.how != "beam":
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
    reference: Any,
    sentences: Sequence[str],
    max_source_len: int,
    has_sizes: bool,
) -> dict[str, list[str]]:
    """Joins sentences to sources as long as are read, and longer ones.

    Artifacts of fixed sizes have a program for each size, most of which the
    sentences may never reach, and all artifacts cut what is too long.

    Args:
        reference: A `Reference`.
        sentences: The sentences to compare on.
        max_source_len: Tokens of a source that are read.
        has_sizes: Whether the artifact has fixed sizes: each is filled.

    Returns:
        By their description, at most `NUM_LONG` sources that fill a size as
        far as their tokens allow, for each size; and as many that are too
        long. Each begins with another sentence. None if all are blank.
    """
    written = [one for one in sentences if reference.num_tokens(one)]
    if not written:
        return {}
    joined = []
    count = min(NUM_LONG, len(written))
    for number in range(count):
        first = number * len(written) // count
        text, others = "", itertools.cycle(written[first:] + written[:first])
        while reference.num_tokens(text) <= max_source_len:
            text = f"{text} {next(others).strip()}".lstrip()
        joined.append(text)

    def filling(text: str, size: int) -> str:
        """The longest beginning that has no more tokens."""
        ends = range(len(text) + 1)
        end = bisect.bisect_right(
            ends, size, key=lambda end: reference.num_tokens(text[:end])
        )
        # Of subwords a longer beginning may have fewer tokens.
        while reference.num_tokens(text[:end]) > size:
            end -= 1
        return text[:end]

    sizes = [max_source_len]
    if has_sizes:
        sizes = fitting_buckets(BUCKETS, max_source_len)
    sources = {
        f"sources of {size} tokens": [filling(text, size) for text in joined]
        for size in sizes
    }
    return {**sources, "sources that are cut": joined}


def _no_gap(sentence: str, expected: np.ndarray, found: np.ndarray) -> float:
    """For answers that leave no choice: other tokens are an error."""
    del sentence, expected, found
    return float("inf")
