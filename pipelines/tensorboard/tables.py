"""Sample translations as a table, and sentences by their length."""

from __future__ import annotations

from collections.abc import Sequence

from pipelines.tensorboard.statistics import spread

NUM_LENGTHS = 4  # groups of sentences of similar length


def length_groups(lengths: Sequence[int]) -> dict[str, list[int]]:
    """Sorts sentences into a few groups of similar length and size.

    Args:
        lengths: Of each sentence, in words.

    Returns:
        By names such as `"03_to_04_words"` the numbers of the sentences.
        Those of equal length are in one group.

    Example:

    >>> for name, numbers in length_groups([3, 9, 4, 4, 12, 5, 7, 30]).items():
    ...     print(name, numbers)
    03_words [0]
    04_to_05_words [2, 3, 5]
    07_to_09_words [1, 6]
    12_to_30_words [4, 7]
    """
    ordered = sorted(lengths)
    first = {ordered[n] for n in spread(len(ordered), NUM_LENGTHS)}
    groups: dict[int, list[int]] = {start: [] for start in sorted(first)}
    for number, length in enumerate(lengths):
        groups[max(s for s in first if s <= length)].append(number)
    named = {}
    for start, chosen in groups.items():
        end = max(lengths[n] for n in chosen)
        name = f"{start:02}" if start == end else f"{start:02}_to_{end:02}"
        named[f"{name}_words"] = chosen
    return named


def table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Makes a Markdown table of texts, which are shown as they are.

    >>> print(table(["a", "b"], [["x|y", "*"]]))
    | a | b |
    | --- | --- |
    | x\\|y | \\* |
    """
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join(
        "| " + " | ".join(_cell(text) for text in line) + " |" for line in lines
    )


def _cell(text: str) -> str:
    text = " ".join(text.split()).replace("\\", "\\\\")
    for mark in "|*_`<[":
        text = text.replace(mark, "\\" + mark)
    return text
