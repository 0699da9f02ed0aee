"""Pronouncing dictionaries: reading them, and splitting parts off."""

from __future__ import annotations

import dataclasses
import re
from array import array
from collections.abc import Collection
from pathlib import Path

from pipelines.data.corpus import MAX_CHARACTERS, Corpus, Problem, split
from pipelines.errors import UserError
from pipelines.files import read_lines

COMMENT = ";;;"  # as CMUdict has it, its licence among them
REMARK = "#"  # begins a remark behind the phones
ALTERNATIVE = re.compile(r"(.+)\(\d+\)$")  # READ(2): the word READ again
WIDE = re.compile(r"\t|\s{2,}")


def read_pronunciations(
    path: str | Path, exclude: Collection[str] = ()
) -> Corpus:
    """Reads a pronouncing dictionary.

    A line is a word, white space, and its phones with spaces between them; a
    further pronunciation is a further line with the same word, or with
    `WORD(2)`. Lines that begin with `;;;` are comments, and so is what
    follows ` # ` behind the phones; neither counts as a bad line. Files are
    UTF-8, plain or gzipped.

    Bad lines are left out and kept in `problems`: no phones, a word with
    white space in it (where two spaces or a tab end the word), the same
    pronunciation twice, not UTF-8, more than 10,000 characters.

    Args:
        path: The file.
        exclude: Words to leave out, those of other parts of the data; they
            are counted as bad lines.

    Returns:
        The corpus: words, and phones with single spaces between them. A word
        with several pronunciations occurs as often.

    Raises:
        UserError: If the file cannot be read (see `read_lines`), or has no
            line of that form.

    Example:

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "words.txt"
    ...     _ = path.write_text(";;; A comment\\nREAD  R IY D\\n"
    ...                         "READ  R EH D\\nBAD\\n")
    ...     corpus = read_pronunciations(path)
    >>> list(zip(corpus.sources, corpus.targets))
    [('READ', 'R IY D'), ('READ', 'R EH D')]
    >>> print(corpus.report())
    words.txt: 2 pairs. Left out 1 of 3 lines: 1 no phones (line 4).
    """
    path = Path(path)
    excluded = set(exclude)
    found: dict[tuple[str, str], int] = {}  # and the line of each
    problems = []
    for line_number, line in enumerate(read_lines(path), start=1):
        if line is not None and line.startswith(COMMENT):
            continue
        row = _read_line(line)
        if isinstance(row, tuple):
            if row[0] in excluded:
                row = "a word of another part of the data"
            elif row in found:
                row = "the same pronunciation again"
            else:
                found[row] = line_number
        if isinstance(row, str):
            problems.append(Problem(line_number, row))
    corpus = Corpus(
        [word for word, _ in found],
        [phones for _, phones in found],
        problems,
        path.name,
        array("i", found.values()),
    )
    if not found:
        raise UserError(
            f"No usable pronunciation. {corpus.report()}",
            "A line is a word, two spaces, and its phones: READ  R IY D.",
        )
    return corpus


def by_word(corpus: Corpus) -> dict[str, list[str]]:
    """All pronunciations of each word, in the order of the corpus.

    >>> by_word(Corpus(["READ", "RED", "READ"], ["R IY D", "R EH D", "R EH D"]))
    {'READ': ['R IY D', 'R EH D'], 'RED': ['R EH D']}
    """
    words: dict[str, list[str]] = {}
    for word, phones in zip(corpus.sources, corpus.targets, strict=True):
        words.setdefault(word, []).append(phones)
    return words


def split_words(
    corpus: Corpus,
    validation: int | None = None,
    test: int | None = None,
    seed: int = 1,
) -> tuple[Corpus, Corpus, Corpus]:
    """Splits validation and test words off a dictionary.

    All pronunciations of a word go to the same part; words that only sound
    alike need not.

    Args:
        corpus: From `read_pronunciations`, at least 10 words.
        validation: Number of words; None for 5% of all, at most 1,000.
        test: Likewise.
        seed: Another seed gives other parts.

    Returns:
        The training, validation and test part.

    Raises:
        UserError: As `pipelines.data.corpus.split`.
    """
    words = list(by_word(corpus))
    # A word stands for both sides: none is in two parts.
    parts = split(
        Corpus(words, words, name=corpus.name), validation, test, seed
    )
    train, validation_part, test_part = (
        _only(corpus, set(part.sources), part.name) for part in parts
    )
    return train, validation_part, test_part


def first_words(corpus: Corpus, limit: int) -> Corpus:
    """Keeps all pronunciations of the first words only; 0 keeps all."""
    if not limit:
        return corpus
    chosen = set(list(by_word(corpus))[:limit])
    kept = _only(corpus, chosen, corpus.name)
    return dataclasses.replace(kept, problems=corpus.problems)


def _only(corpus: Corpus, words: set[str], name: str) -> Corpus:
    numbers = [n for n, word in enumerate(corpus.sources) if word in words]
    return corpus.select(numbers, name)


def _read_line(line: str | None) -> tuple[str, str] | str:
    """A word and its phones, or the reason why a line is none."""
    if line is None:
        return "not UTF-8"
    if len(line) > MAX_CHARACTERS:
        return f"over {MAX_CHARACTERS:,} characters"
    line = line.strip()
    if not line:
        return "empty line"
    parts = WIDE.split(line, maxsplit=1)
    if len(parts) == 1:
        parts = line.split(maxsplit=1)
    word, rest = parts[0], parts[1] if len(parts) == 2 else ""
    phones = rest.split()
    if REMARK in phones:
        phones = phones[: phones.index(REMARK)]
    if not phones:
        return "no phones"
    if len(word.split()) > 1:
        return "white space in the word"
    again = ALTERNATIVE.match(word)
    return again[1] if again else word, " ".join(phones)
