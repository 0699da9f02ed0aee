"""Translations as lines of text, of a table, or of JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from pipelines.errors import UserError
from pipelines.translation import Translation

Lines = Callable[[int, Sequence[Translation]], Iterable[str]]
ScoreLines = Callable[[int, Translation | None], Iterable[str]]
FORMATS = ("text", "tsv", "json")
DIGITS = 6  # of a score or a weight


def text_lines(number: int, found: Sequence[Translation]) -> list[str]:
    """The best translation of a sentence, on one line.

    Args:
        number: The sentence's, from 1.
        found: Its translations, the best first.

    Returns:
        One line, without its end.
    """
    return [_one_line(found[0].text)]


def tsv_lines(number: int, found: Sequence[Translation]) -> list[str]:
    """Number of the sentence, rank, score and text, with tabs between them.

    Args:
        number: The sentence's, from 1.
        found: Its translations, the best first.

    Returns:
        A line for each translation.

    Example:

    >>> tsv_lines(7, [Translation("un", "one", -0.25, [], [], None)])
    ['7\\t1\\t-0.250000\\tone']
    """
    return [
        f"{number}\t{rank}\t{one.score:.{DIGITS}f}\t{_one_line(one.text)}"
        for rank, one in enumerate(found, start=1)
    ]


def json_lines(
    number: int, found: Sequence[Translation], alignments: bool = False
) -> list[str]:
    """All of a sentence's translations as one object.

    Args:
        number: The sentence's, from 1.
        found: Its translations, the best first.
        alignments: Also what each piece looked at: for each piece of the
            translation a weight for each of `source_pieces`; null for a model
            without attention.

    Returns:
        One line of JSON.

    Example:

    >>> print(*json_lines(7, [Translation("un", "one", -0.25, [], [], None)]))
    {"line": 7, "source": "un", "source_pieces": [], "translations": \
[{"text": "one", "score": -0.25, "pieces": []}]}
    """
    answers = []
    for one in found:
        answer: dict[str, Any] = {
            "text": one.text,
            "score": round(one.score, DIGITS),
            "pieces": one.target_pieces,
        }
        if alignments:
            answer["alignments"] = _weights(one)
        answers.append(answer)
    value: dict[str, Any] = {
        "line": number,
        "source": found[0].source,
        "source_pieces": found[0].source_pieces,
        "translations": answers,
    }
    if found[0].truncated:
        value["truncated"] = True
    return [json.dumps(value, ensure_ascii=False)]


def choose_lines(
    format: str | None, nbest: int, scores: bool, alignments: bool
) -> Lines:
    """Returns the function that writes what was asked for.

    Args:
        format: One of `FORMATS`; None for the one that suits the others.
        nbest: Translations of each sentence.
        scores: Whether scores are asked for.
        alignments: Whether alignments are.

    Raises:
        UserError: If the format cannot hold it.
    """
    if format is None:
        table = nbest > 1 or scores
        format = "json" if alignments else "tsv" if table else "text"
    if format not in FORMATS:
        raise UserError(
            f"There is no format {format!r}.",
            f"Choose one of {', '.join(FORMATS)}.",
        )
    if alignments and format != "json":
        raise UserError(
            f"--format {format} has no place for alignments.",
            "Give --format json, or leave --format out.",
        )
    if format == "text" and (nbest > 1 or scores):
        raise UserError(
            "--format text is one line for each sentence, without scores.",
            "Give --format tsv or json, or leave --format out.",
        )
    if format == "json":
        return lambda number, found: json_lines(number, found, alignments)
    return tsv_lines if format == "tsv" else text_lines


def choose_score_lines(format: str | None, alignments: bool) -> ScoreLines:
    """Returns the function that writes the score of a given translation.

    It takes the number of the pair's line and the pair, None for a line that
    is no pair: it stays empty as text, and is left out of the others.

    Args:
        format: One of `FORMATS`; None for the one that suits the other.
        alignments: Whether alignments are asked for.

    Raises:
        UserError: If the format cannot hold it.
    """
    format = format or ("json" if alignments else "text")
    choose_lines(format, 1, False, alignments)  # Complains.

    def lines(number: int, pair: Translation | None) -> list[str]:
        if pair is None:
            return [""] if format == "text" else []
        number_said = f"{pair.score:.{DIGITS}f}"
        if format == "text":
            return [number_said]
        if format == "tsv":
            return [f"{number}\t{number_said}\t{len(pair.target_pieces)}"]
        return json_lines(number, [pair], alignments)

    return lines


def truncation(number: int, limit: int) -> str:
    """Warns that only the beginning of a line was read."""
    return (
        f"Line {number} has more than the {limit} tokens that this model "
        "reads; only its beginning is translated."
    )


def _weights(translation: Translation) -> list[list[float]] | None:
    if translation.alignments is None:
        # An empty line has no pieces, whatever the model.
        return None if translation.source_pieces else []
    return [
        [round(float(weight), DIGITS) for weight in row]
        for row in translation.alignments
    ]


def _one_line(text: str) -> str:
    return " ".join(text.replace("\t", " ").splitlines())
