"""Answers as rows without padding, and how they travel between processes."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np


class Answer(NamedTuple):
    """One sentence's answer, from a model or from an artifact.

    text: The answer's text.
    score: Log-probability, in nats.
    tokens: `(target_len,)` int32 ids, without padding.
    alignments: `(target_len, source_len)` float32, or `None`.
    """

    text: str
    score: float
    tokens: np.ndarray
    alignments: np.ndarray | None


def from_outputs(
    outputs: dict[str, Any], texts: Sequence[str], source: np.ndarray
) -> list[Answer]:
    """Cuts a padded batch into answers.

    Args:
        outputs: Arrays `tokens`, `lengths`, `scores`, maybe `alignments`.
        texts: The batch's texts.
        source: `(batch, source_len)` ids, 0 where padded.

    Returns:
        One answer for each row.
    """
    alignments = outputs.get("alignments")
    answers = []
    for row, text in enumerate(texts):
        length = int(outputs["lengths"][row])
        source_len = int(np.count_nonzero(source[row]))
        answers.append(
            Answer(
                text,
                float(outputs["scores"][row]),
                np.asarray(outputs["tokens"][row, :length], np.int32),
                None
                if alignments is None
                else np.asarray(alignments[row, :length, :source_len]),
            )
        )
    return answers


def pack(answers: Sequence[Answer], prefix: str) -> dict[str, np.ndarray]:
    """Flattens answers into arrays that an `.npz` file can hold.

    Args:
        answers: The answers.
        prefix: What the arrays' names begin with.

    Returns:
        Names to arrays.
    """
    tables = [
        np.zeros((0, 0), np.float32) if a.alignments is None else a.alignments
        for a in answers
    ]
    tokens = [answer.tokens for answer in answers]
    return {
        f"{prefix}/texts": np.array([answer.text for answer in answers], str),
        f"{prefix}/scores": np.array([a.score for a in answers], np.float64),
        f"{prefix}/lengths": np.array([len(t) for t in tokens], np.int64),
        f"{prefix}/tokens": _flat(tokens, np.int32),
        f"{prefix}/shapes": np.array([t.shape for t in tables]).reshape(-1, 2),
        f"{prefix}/alignments": _flat(tables, np.float32),
        f"{prefix}/attends": np.array(
            [answer.alignments is not None for answer in answers], bool
        ),
    }


def unpack(arrays: Any, prefix: str) -> list[Answer]:
    """Reads what `pack` made.

    Args:
        arrays: Names to arrays.
        prefix: As it was given to `pack`.

    Returns:
        The answers.
    """
    names = ("texts", "scores", "lengths", "tokens", "shapes", "alignments")
    texts, scores, lengths, tokens, shapes, values = (
        arrays[f"{prefix}/{name}"] for name in names
    )
    attends = arrays[f"{prefix}/attends"]
    rows = _split(tokens, lengths)
    tables = _split(values, shapes.prod(axis=1))
    return [
        Answer(
            str(texts[i]),
            float(scores[i]),
            rows[i],
            tables[i].reshape(shapes[i]) if attends[i] else None,
        )
        for i in range(len(texts))
    ]


def _flat(arrays: Sequence[np.ndarray], dtype: Any) -> np.ndarray:
    flat = [np.ravel(array) for array in arrays]
    return np.concatenate([np.zeros(0, dtype), *flat]).astype(dtype)


def _split(values: np.ndarray, sizes: np.ndarray) -> list[np.ndarray]:
    return np.split(values, np.cumsum(sizes)[:-1]) if len(sizes) else []
