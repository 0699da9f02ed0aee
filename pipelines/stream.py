"""From lines on an input to translations on an output."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import IO, TYPE_CHECKING, Any

from pipelines.commands.translation_lines import Lines, text_lines, truncation
from pipelines.search_options import RECIPES_SEARCH, SearchOptions

if TYPE_CHECKING:
    from pipelines.run import Run

# Lines of a pipe that are read before they are translated, in batches: the
# more, the better sentences of a length come together.
BATCHES_AT_ONCE = 8
BYTE_ORDER_MARK = "\ufeff"


def translate_stream(
    run: Run,
    source: IO[bytes],
    output: IO[bytes],
    warn: Callable[[str], Any],
    *,
    prompt: Callable[[], Any] | None = None,
    options: SearchOptions = RECIPES_SEARCH,
    batch_size: int = 32,
    lines: Lines = text_lines,
) -> None:
    """Writes one line for each line read; an empty line stays empty.

    Bytes that are no UTF-8 are read as U+FFFD, which a tokenizer may leave
    out, and a warning names the line; likewise for a line that is longer than
    the model reads.

    Args:
        run: A trained run.
        source: Where lines come from, such as `sys.stdin.buffer`.
        output: Where translations go, such as `sys.stdout.buffer`.
        warn: Gets each warning.
        prompt: Called before each line is read. Lines are then translated
            one by one; otherwise in batches.
        options: How to search; otherwise as the recipe says.
        batch_size: Sentences at a time; with 1 each line is answered before
            the next is read, otherwise eight batches are read at once.
        lines: What to write for the translations of a line, one line or
            several; see `pipelines.commands.translation_lines`.

    Example:

    ```python
    translate_stream(
        run, sys.stdin.buffer, sys.stdout.buffer, warn=logging.warning
    )
    ```
    """
    # A program may write a line, and wait for its answer.
    alone = prompt is not None or batch_size == 1
    size = 1 if alone else BATCHES_AT_ONCE * batch_size
    limit = run.recipe.data.max_source_len
    first = 1
    for texts in _groups(_lines(source, warn, prompt), size):
        found = run.search(texts, options, batch_size=batch_size, first=first)
        for number, translations in enumerate(found, start=first):
            if translations[0].truncated:
                warn(truncation(number, limit))
            for line in lines(number, translations):
                output.write(line.encode("utf-8", "replace") + b"\n")
        output.flush()
        first += len(texts)


def _lines(
    source: IO[bytes],
    warn: Callable[[str], Any],
    prompt: Callable[[], Any] | None,
) -> Iterator[str]:
    """Yields decoded lines without their ends."""
    number = 0
    while True:
        if prompt:
            prompt()
        row = source.readline()
        if not row:
            return
        number += 1
        row = row.removesuffix(b"\n").removesuffix(b"\r")
        try:
            text = row.decode("utf-8")
        except UnicodeDecodeError as error:
            text = row.decode("utf-8", "replace")
            warn(
                f"Line {number} is not valid UTF-8 (byte {error.start + 1}); "
                "what cannot be read is left out or taken for an unknown "
                "character."
            )
        yield text.removeprefix(BYTE_ORDER_MARK) if number == 1 else text


def _groups(lines: Iterator[str], size: int) -> Iterator[list[str]]:
    """Yields lists of `size` lines; the last one may be shorter."""
    group: list[str] = []
    for line in lines:
        group.append(line)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group
