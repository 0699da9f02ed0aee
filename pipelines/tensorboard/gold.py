"""Links between words that people drew, and how a model's compare."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from keras_attention import diagnostics
from pipelines.data.corpus import Corpus
from pipelines.errors import UserError
from pipelines.files import read_lines
from pipelines.plots.words import NAMES, WORD_MARK

_LINK = re.compile(r"(\d+)([-?p])(\d+)")
_END = next(name for name, label in NAMES.items() if label == "⏎")


class GoldLinks(NamedTuple):
    """The links of one sentence pair: sets of (source, target) positions.

    Attributes:
        sure: those that everybody would draw.
        possible: those that one may draw besides.
    """

    sure: frozenset[tuple[int, int]]
    possible: frozenset[tuple[int, int]]


def parse_links(line: str) -> GoldLinks:
    """Reads links in the Pharaoh format.

    Args:
        line: `SOURCE-TARGET` for each link, counted from zero; `SOURCE?TARGET`
            (or with a `p`) for one that is possible only.

    Raises:
        ValueError: If it is something else.

    Example:

    >>> links = parse_links("0-0 2-1 1?1")
    >>> sorted(links.sure), sorted(links.possible)
    ([(0, 0), (2, 1)], [(1, 1)])
    """
    kinds: dict[bool, set[tuple[int, int]]] = {True: set(), False: set()}
    for word in line.split():
        match = _LINK.fullmatch(word)
        if match is None:
            raise ValueError(
                "A link must be SOURCE-TARGET, positions counted from 0, "
                f"such as 0-0. Received: {word!r}."
            )
        source, kind, target = match.groups()
        kinds[kind == "-"].add((int(source), int(target)))
    return GoldLinks(frozenset(kinds[True]), frozenset(kinds[False]))


def read_links(path: str | Path, corpus: Corpus) -> list[GoldLinks]:
    """Reads the links of a corpus: a line for each line of its file.

    Args:
        path: A file in the Pharaoh format, plain or gzipped.
        corpus: The sentence pairs; words stand between white space.

    Returns:
        The links of each pair.

    Raises:
        UserError: If the file cannot be read, or does not fit the corpus.
    """
    lines = read_lines(path)
    left_out = {problem.line_number for problem in corpus.problems}
    if len(lines) != len(corpus) + len(left_out):
        raise UserError(
            f"{path} has {len(lines):,} lines, the validation set "
            f"{len(corpus) + len(left_out):,}.",
            "monitoring.gold_alignments needs a line for each line of the "
            "file of data.validation.",
        )
    found = []
    kept = (n for n in range(1, len(lines) + 1) if n not in left_out)
    for number, source, target in zip(
        kept, corpus.sources, corpus.targets, strict=True
    ):
        try:
            links = parse_links(lines[number - 1] or "")
        except ValueError as error:
            raise UserError(f"Line {number} of {path}: {error}") from None
        sizes = len(source.split()), len(target.split())
        for link in links.sure | links.possible:
            if link[0] >= sizes[0] or link[1] >= sizes[1]:
                raise UserError(
                    f"Line {number} of {path} links {link[0]}-{link[1]}, but "
                    f"the pair has {sizes[0]} and {sizes[1]} words.",
                    "Words stand between white space and are counted from 0; "
                    "the source comes first.",
                )
        found.append(links)
    return found


def best_links(alignments: np.ndarray) -> frozenset[tuple[int, int]]:
    """Links each target position to the source position it looks at most.

    Args:
        alignments: `(target_len, source_len)`.

    Returns:
        Pairs (source, target); none for a row of zeros.

    Example:

    >>> sorted(best_links(np.array([[0.1, 0.9], [0.8, 0.2]])))
    [(0, 1), (1, 0)]
    """
    return frozenset(
        (int(row.argmax()), target)
        for target, row in enumerate(alignments)
        if row.any()
    )


def between_words(
    alignments: np.ndarray,
    source: tuple[str, Sequence[str]],
    target: tuple[str, Sequence[str]],
) -> np.ndarray | None:
    """Puts the alignments of tokens together to those of words.

    What goes to the tokens of a source word is added, what comes from the
    tokens of a target word is averaged (Clark et al. 2019, section 4.1). The
    end of a sentence is no word.

    Args:
        alignments: `(target tokens, source tokens)`.
        source: The sentence and its tokens.
        target: Likewise.

    Returns:
        `(target words, source words)`, or None if the tokens cannot be told
        apart into the words of the sentence.
    """
    columns, rows = _word_numbers(*source), _word_numbers(*target)
    if columns is None or rows is None:
        return None
    sums = np.zeros((max(rows) + 1, max(columns) + 1))
    for row, values in zip(rows, alignments, strict=True):
        if row >= 0:
            for column, value in zip(columns, values, strict=True):
                if column >= 0:
                    sums[row, column] += value / rows.count(row)
    return sums


def error_rate(
    found: Iterable[frozenset[tuple[int, int]]], gold: Iterable[GoldLinks]
) -> float:
    """The alignment error rate of a corpus; see `keras_attention.diagnostics`.

    Args:
        found: The links of each pair.
        gold: Those that people drew.

    Example:

    >>> error_rate([frozenset({(0, 0), (0, 1)})], [parse_links("0-0 1-1")])
    0.5
    """
    flags = [
        (link in links, link in drawn.sure, link in drawn.possible)
        for links, drawn in zip(found, gold, strict=True)
        for link in links | drawn.sure | drawn.possible
    ]
    if not flags:
        return 0.0
    return float(diagnostics.alignment_error_rate(*np.array(flags).T))


def _word_numbers(text: str, pieces: Sequence[str]) -> list[int] | None:
    """The number of each token's word, -1 for the end; None if unknown."""
    ended = bool(pieces) and pieces[-1] == _END
    pieces = list(pieces[:-1] if ended else pieces)
    number_of_words = len(text.split())
    numbers: list[int] = []
    for piece in pieces:
        begins = not numbers or piece.startswith(WORD_MARK)
        numbers.append((numbers[-1] if numbers else -1) + begins)
    if not numbers or numbers[-1] + 1 != number_of_words:
        if len(pieces) != number_of_words or not pieces:
            return None
        numbers = list(range(number_of_words))  # Every token is a word.
    return numbers + [-1] * ended
