"""Parallel text that is larger than memory: read a piece at a time."""

import dataclasses
import gzip
import itertools
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from pipelines.data.corpus import (
    NUM_LINES_SHOWN,
    Corpus,
    PathLike,
    fault,
    tsv_rows,
    usual_width,
)
from pipelines.errors import UserError
from pipelines.files import GZIP_MAGIC, UTF8_MARK, UTF16_MARKS, decode

HEAD = 100_000  # pairs that vocabularies and lengths are learned from
CHUNK = 1024  # lines at a time

Piece = tuple[list[int], list[str], list[str]]


class LineCounts:
    """Counts lines, and those that are left out, in little memory.

    Example:

    >>> counts = LineCounts()
    >>> counts.total = 9
    >>> counts.add("empty line", 3)
    >>> counts.report()
    ' Left out 1 of 9 lines: 1 empty line (line 3).'
    """

    def __init__(self) -> None:
        self.total = 0
        self.kinds: dict[str, tuple[int, list[int]]] = {}

    def add(self, reason: str, line_number: int) -> None:
        """Counts a line that is left out."""
        number, first = self.kinds.get(reason, (0, []))
        if len(first) < NUM_LINES_SHOWN:
            first = [*first, line_number]
        self.kinds[reason] = (number + 1, first)

    def report(self) -> str:
        """What was left out, as a sentence; "" if nothing was."""
        parts = []
        for reason, (number, first) in self.kinds.items():
            shown = ", ".join(map(str, first))
            more = ", ..." if number > len(first) else ""
            lines = "line" if number == 1 else "lines"
            parts.append(f"{number:,} {reason} ({lines} {shown}{more})")
        left_out = sum(number for number, _ in self.kinds.values())
        return (
            f" Left out {left_out:,} of {self.total:,} lines: "
            f"{'; '.join(parts)}."
            if parts
            else ""
        )


@dataclasses.dataclass(frozen=True)
class StreamedCorpus(Corpus):
    """A corpus of which only the beginning is in memory.

    Args:
        sources, targets: The first pairs, to learn vocabularies from.
        paths: The file, or the two files.
        columns: Of source and target in a TSV file.
        width: Columns of a line of the TSV file.
        limit: Most pairs to read; 0 for all.
    """

    paths: PathLike | Sequence[PathLike] = ""
    columns: tuple[int, int] = (0, 1)
    width: int = 2
    limit: int = 0

    def report(self) -> str:
        """Says on one line how it is read."""
        return (
            f"{self.name}: streamed; vocabularies are learned from its first "
            f"{len(self):,} pairs."
        )

    def pieces(self, counts: LineCounts | None = None) -> Iterator[Piece]:
        """Reads all pairs, a thousand lines at a time.

        Args:
            counts: Where lines are counted.

        Yields:
            Line numbers, sources and targets.
        """
        left = self.limit or None
        first = 1
        for rows in _rows(self.paths, self.columns, self.width):
            numbers: list[int] = []
            sources, targets = [], []
            for number, row in enumerate(rows, start=first):
                if left is not None and len(numbers) == left:
                    break  # What comes after is of no interest.
                reason = row if isinstance(row, str) else fault(*row)
                if counts:
                    counts.total += 1
                    if reason:
                        counts.add(reason, number)
                if not reason:
                    numbers.append(number)
                    sources.append(row[0].strip())
                    targets.append(row[1].strip())
            first += len(rows)
            if left is not None:
                left -= len(numbers)
            if numbers:
                yield numbers, sources, targets
            if left == 0:
                return


def read_stream(
    paths: PathLike | Sequence[PathLike],
    columns: tuple[int, int] = (0, 1),
    limit: int = 0,
) -> StreamedCorpus:
    """Opens sentence pairs to be read a piece at a time.

    The files are those of `pipelines.data.corpus.read_parallel`, and the same
    lines are bad; how many columns a line of a TSV file should have is seen
    from its beginning.

    Args:
        paths: The path of a TSV file, or a pair (source file, target file).
        columns: Columns of source and target in a TSV file, counted from 0.
        limit: Most pairs to read; 0 for all.

    Returns:
        The corpus, with its first pairs in memory.

    Raises:
        UserError: If a file cannot be read, or its beginning has no pair.
    """
    width = 2
    if isinstance(paths, (str, Path)):
        name = Path(paths).name
        beginning = itertools.islice(_lines(Path(paths)), 10 * CHUNK)
        width = usual_width(list(beginning), columns)
    else:
        name = " and ".join(Path(path).name for path in paths)
    corpus = StreamedCorpus(
        [],
        [],
        name=name,
        paths=paths,
        columns=columns,
        width=width,
        limit=limit,
    )
    sources: list[str] = []
    targets: list[str] = []
    for _, some_sources, some_targets in corpus.pieces():
        sources += some_sources
        targets += some_targets
        if len(sources) >= HEAD:
            break
    if not sources:
        raise UserError(
            f"No usable sentence pair in {name}.",
            "Expected are lines `source<TAB>target`, or two files with one "
            "sentence a line.",
        )
    return dataclasses.replace(corpus, sources=sources, targets=targets)


def _rows(
    paths: PathLike | Sequence[PathLike], columns: tuple[int, int], width: int
) -> Iterator[list[tuple[str, str] | str]]:
    """Pairs, or why a line is none, a chunk of lines at a time."""
    if isinstance(paths, (str, Path)):
        lines = _lines(Path(paths))
        while chunk := list(itertools.islice(lines, CHUNK)):
            yield tsv_rows(chunk, columns, width)
        return
    first, second = (Path(path) for path in paths)
    ended = object()
    pairs = itertools.zip_longest(
        _lines(first), _lines(second), fillvalue=ended
    )
    while both := list(itertools.islice(pairs, CHUNK)):
        rows: list[tuple[str, str] | str] = []
        for source, target in both:
            if source is ended or target is ended:
                raise UserError(
                    f"Parallel files must have equally many lines, but "
                    f"{first} and {second} have not.",
                    "Find where they go out of step, and mend that line.",
                )
            if isinstance(source, str) and isinstance(target, str):
                rows.append((source, target))
            else:
                rows.append("not UTF-8")
        yield rows


def _lines(path: Path) -> Iterator[str | None]:
    """Lines of a UTF-8 file, plain or gzipped; None for what is not text."""
    try:
        with open(path, "rb") as file:
            beginning = file.read(4)
            file.seek(0)
            source: IO[bytes] | gzip.GzipFile = file
            if beginning.startswith(GZIP_MAGIC):
                source = gzip.GzipFile(fileobj=file)
                beginning = source.read(4)
                source.seek(0)
            if beginning.startswith(UTF16_MARKS):
                raise UserError(
                    f"{path} is in UTF-16 or UTF-32; UTF-8 is expected.",
                    f"Convert it: `iconv -f UTF-16 -t UTF-8 {path.name}`.",
                )
            if beginning.startswith(UTF8_MARK):
                source.read(len(UTF8_MARK))
            for line in source:
                yield decode(line.removesuffix(b"\n"))
    except (EOFError, OSError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UserError(
            f"{path} cannot be read: {reason}.",
            "Check the path, its permissions, and that it is whole.",
        ) from None
