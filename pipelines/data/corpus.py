"""Parallel text: reading it, reporting bad lines, splitting parts off."""

import dataclasses
import hashlib
import unicodedata
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from pipelines.errors import UserError
from pipelines.files import read_lines

MAX_CHARACTERS = 10_000
MIN_PAIRS_TO_SPLIT = 10
NUM_LINES_SHOWN = 5
IN_ANOTHER_PART = "target of a validation or test pair"

PathLike = str | Path


@dataclasses.dataclass(frozen=True)
class Problem:
    """A line that was left out.

    Args:
        line_number: Counted from 1.
        reason: A few words, the same for all lines of the same kind.
    """

    line_number: int
    reason: str


@dataclasses.dataclass(frozen=True)
class Corpus:
    """Pairs of sentences, and the lines that could not be used.

    Args:
        sources: The source sentences.
        targets: Their translations, in the same order.
        problems: The lines left out, in the order of the file.
        name: What messages call it, for instance the file's name.
        line_numbers: Of each pair its line, counted from 1; empty where the
            pairs come from no file.

    Example:

    >>> corpus = Corpus(["Va !"], ["Go."], [Problem(2, "empty target")], "a")
    >>> len(corpus)
    1
    >>> print(corpus.report())
    a: 1 pair. Left out 1 of 2 lines: 1 empty target (line 2).
    """

    sources: list[str]
    targets: list[str]
    problems: list[Problem] = dataclasses.field(default_factory=list)
    name: str = "corpus"
    line_numbers: Sequence[int] = dataclasses.field(default=(), compare=False)

    def __len__(self) -> int:
        return len(self.sources)

    def report(self) -> str:
        """Sums up on one line how many pairs there are and what was bad."""
        text = f"{self.name}: {_count(len(self), 'pair')}."
        if not self.problems:
            return text
        kinds = Counter(problem.reason for problem in self.problems)
        parts = [
            f"{number:,} {reason} ({self._line_numbers(reason)})"
            for reason, number in kinds.most_common()
        ]
        num_lines = len(self) + len(self.problems)
        return (
            f"{text} Left out {len(self.problems):,} of "
            f"{_count(num_lines, 'line')}: {'; '.join(parts)}."
        )

    def first(self, num_pairs: int) -> "Corpus":
        """Keeps the first pairs only; 0 keeps all."""
        if not num_pairs:
            return self
        numbers = self.line_numbers[:num_pairs]
        problems = self.problems
        if num_pairs < len(self.line_numbers):
            # Lines behind the last one that is kept were never asked for.
            problems = [
                one for one in problems if one.line_number < numbers[-1]
            ]
        return dataclasses.replace(
            self,
            sources=self.sources[:num_pairs],
            targets=self.targets[:num_pairs],
            problems=problems,
            line_numbers=numbers,
        )

    def select(self, indices: Iterable[int], name: str) -> "Corpus":
        """Makes a corpus of some of the pairs, without the bad lines."""
        chosen = list(indices)
        return Corpus(
            [self.sources[index] for index in chosen],
            [self.targets[index] for index in chosen],
            name=name,
            line_numbers=array("i", (self.line_numbers[i] for i in chosen))
            if self.line_numbers
            else (),
        )

    def _line_numbers(self, reason: str) -> str:
        numbers = [p.line_number for p in self.problems if p.reason == reason]
        shown = ", ".join(str(number) for number in numbers[:NUM_LINES_SHOWN])
        more = ", ..." if len(numbers) > NUM_LINES_SHOWN else ""
        return f"line{'s' if len(numbers) > 1 else ''} {shown}{more}"


def read_parallel(
    paths: PathLike | Sequence[PathLike], columns: tuple[int, int] = (0, 1)
) -> Corpus:
    """Reads sentence pairs from one TSV file or from two parallel files.

    Files are UTF-8, plain or gzipped; a byte-order mark and CRLF are fine.
    Bad lines are left out and kept in `problems`: an empty side, too few or
    too many tabs, not UTF-8, a side of more than 10,000 characters. A TSV
    line should have as many columns as most of the file's lines have, so
    that files with further columns can be read too.

    Args:
        paths: The path of a TSV file, or a pair (source file, target file).
        columns: Columns of source and target in a TSV file, counted from 0.

    Returns:
        The corpus, at least one pair.

    Raises:
        UserError: If a file cannot be read (see `read_lines`), if two files
            have unequal numbers of lines, or if no pair can be used.

    Example:

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "pairs.tsv"
    ...     _ = path.write_text("Va !\\tGo.\\nOui.\\n")
    ...     print(read_parallel(path).report())
    pairs.tsv: 1 pair. Left out 1 of 2 lines: 1 too few tabs (line 2).
    """
    if isinstance(paths, (str, Path)):
        name = Path(paths).name
        rows = tsv_rows(read_lines(paths), columns)
    else:
        name = " and ".join(Path(path).name for path in paths)
        rows = _parallel_rows(paths)
    sources, targets, problems = [], [], []
    line_numbers = array("i")  # A list would hold an object for each.
    for line_number, row in enumerate(rows, start=1):
        reason = row if isinstance(row, str) else fault(*row)
        if reason:
            problems.append(Problem(line_number, reason))
        else:
            sources.append(row[0].strip())
            targets.append(row[1].strip())
            line_numbers.append(line_number)
    corpus = Corpus(sources, targets, problems, name, line_numbers)
    if not corpus:
        raise UserError(
            f"No usable sentence pair. {corpus.report()}",
            "Expected are lines `source<TAB>target`, or two files with one "
            "sentence a line.",
        )
    return corpus


def split(
    corpus: Corpus,
    validation: int | None = None,
    test: int | None = None,
    seed: int = 1,
) -> tuple[Corpus, Corpus, Corpus]:
    """Splits validation and test pairs off a corpus.

    All pairs of one source sentence go to the same part; a hash of the
    sentence says to which, so the same corpus and seed give the same parts
    on every machine. Sentences are the same if they differ in nothing but
    white space and what Unicode calls compatible (NFKC), as tokenizers read
    them. No sentence of the validation or test part, source or
    target, occurs in the training part: pairs whose target does are left
    out, and are `problems` of that part.

    Args:
        corpus: The pairs; at least 10.
        validation: Number of validation pairs; None for 5% of all, at least
            1 and at most 1,000. A few more where a source sentence has
            several translations.
        test: Number of test pairs, likewise. 0 for none.
        seed: Another seed gives other parts.

    Returns:
        The training, validation and test part.

    Raises:
        UserError: If there are too few pairs, or if the pairs share so many
            sentences that less than half would be left to train on.

    Example:

    >>> digits = [str(number) for number in range(100)]
    >>> parts = split(Corpus(digits, digits), validation=10)
    >>> [len(part) for part in parts]
    [85, 10, 5]
    """
    own_files = "Give validation and test files of your own."
    total = len(corpus)
    if total < MIN_PAIRS_TO_SPLIT:
        raise UserError(
            f"{corpus.name} has {_count(total, 'usable pair')}; at least "
            f"{MIN_PAIRS_TO_SPLIT} are needed to split off validation and "
            "test pairs.",
            f"Add pairs. {own_files}",
        )
    default = max(1, min(1000, total // 20))
    wanted_test = default if test is None else test
    wanted_validation = default if validation is None else validation
    groups: dict[str, list[int]] = {}
    for index, source in enumerate(corpus.sources):
        groups.setdefault(as_read(source), []).append(index)
    queue = sorted(
        groups,
        key=lambda source: _hash(corpus.sources[groups[source][0]], seed),
    )
    held_out: list[list[int]] = []
    for wanted in (wanted_test, wanted_validation):
        part: list[int] = []
        while len(part) < wanted and queue:
            part += groups[queue.pop()]
        held_out.append(sorted(part))
    test_part, validation_part = held_out
    held = {*test_part, *validation_part}
    held_sources = {as_read(corpus.sources[index]) for index in held}
    held_targets = {as_read(corpus.targets[index]) for index in held}
    train_part: list[int] = []
    shared: list[int] = []
    for index in range(total):
        if as_read(corpus.sources[index]) in held_sources:
            continue
        known = as_read(corpus.targets[index]) in held_targets
        (shared if known else train_part).append(index)
    if 2 * len(train_part) < total:
        raise UserError(
            f"Splitting {_count(len(validation_part), 'validation pair')} and "
            f"{_count(len(test_part), 'test pair')} off {corpus.name} would "
            f"leave {len(train_part):,} of {total:,} pairs to train on, as "
            "no sentence may be on both sides.",
            f"Ask for smaller parts. {own_files}",
        )
    numbers = corpus.line_numbers or range(1, total + 1)
    training = dataclasses.replace(
        corpus.select(train_part, f"{corpus.name} (training)"),
        problems=[Problem(numbers[index], IN_ANOTHER_PART) for index in shared],
    )
    return (
        training,
        corpus.select(validation_part, f"{corpus.name} (validation)"),
        corpus.select(test_part, f"{corpus.name} (test)"),
    )


def as_read(text: str) -> str:
    """A sentence as every tokenizer reads it.

    Example:

    >>> as_read("Va\\u202f!") == as_read("Va  !") == "Va !"
    True
    """
    return " ".join(unicodedata.normalize("NFKC", text).split())


def usual_width(lines: Iterable[str | None], columns: tuple[int, int]) -> int:
    """How many columns most lines of a TSV file have."""
    widths = Counter(line.count("\t") + 1 for line in lines if line)
    wanted = max(columns) + 1
    return max(wanted, max(widths, key=lambda n: (widths[n], -n), default=0))


def tsv_rows(
    lines: list[str | None],
    columns: tuple[int, int],
    width: int | None = None,
) -> list[tuple[str, str] | str]:
    """Picks two columns; a row is a pair, or the reason why it is none."""
    fields = [None if line is None else line.split("\t") for line in lines]
    if width is None:
        width = usual_width(lines, columns)
    rows: list[tuple[str, str] | str] = []
    for row in fields:
        if row is None:
            rows.append("not UTF-8")
        elif not any(field.strip() for field in row):
            rows.append("empty line")
        elif len(row) != width:
            rows.append(f"too {'few' if len(row) < width else 'many'} tabs")
        else:
            rows.append((row[columns[0]], row[columns[1]]))
    return rows


def _parallel_rows(
    paths: Sequence[PathLike],
) -> list[tuple[str, str] | str]:
    """Pairs the lines of two files up; a row as in `tsv_rows`."""
    if len(paths) != 2:
        raise UserError(
            f"Expected one TSV file or two parallel files. "
            f"Received {len(paths)} paths.",
            "Name the source file and the target file.",
        )
    sources, targets = (read_lines(path) for path in paths)
    if len(sources) != len(targets):
        raise UserError(
            f"Parallel files must have equally many lines, but {paths[0]} "
            f"has {len(sources):,} and {paths[1]} has {len(targets):,}.",
            "Find where they go out of step, and mend that line.",
        )
    return [
        "not UTF-8" if source is None or target is None else (source, target)
        for source, target in zip(sources, targets, strict=True)
    ]


def fault(source: str, target: str) -> str:
    """Says why a pair cannot be used; empty if it can."""
    empty = [
        side
        for side, text in (("source", source), ("target", target))
        if not text.strip()
    ]
    if empty:
        return f"empty {empty[0]}" if len(empty) == 1 else "empty line"
    if max(len(source), len(target)) > MAX_CHARACTERS:
        return f"over {MAX_CHARACTERS:,} characters"
    return ""


def _hash(sentence: str, seed: int) -> bytes:
    """A number that depends on nothing but sentence and seed."""
    text = f"{seed}\t{sentence}".encode()
    return hashlib.blake2b(text, digest_size=8).digest()


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
