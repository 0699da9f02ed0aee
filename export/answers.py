"""Answers as rows without padding, and how they travel between processes."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

IMPOSSIBLE = -1e8  # no hypothesis that was found scores less (nats)


class Answer(NamedTuple):
    """One answer to a sentence, from a model or from an artifact.

    text: The answer's text.
    score: Log-probability, in nats; of a beam search, what it ranks by.
    tokens: `(target_len,)` int32 ids, without padding.
    alignments: `(target_len, source_len)` float32, or `None`.
    """

    text: str
    score: float
    tokens: np.ndarray
    alignments: np.ndarray | None


# One sentence's answers, the best first; of a greedy search one.
Answers = Sequence[Answer]


def from_outputs(
    outputs: dict[str, Any], texts: Any, source: np.ndarray
) -> list[list[Answer]]:
    """Cuts a padded batch into answers.

    Args:
        outputs: Arrays `tokens` `(batch, target_len)`, `lengths`, `scores`,
            maybe `alignments`; of the n best, each with a second axis.
        texts: Strings `(batch,)` or `(batch, n)`, str or UTF-8.
        source: `(batch, source_len)` ids, 0 where padded.

    Returns:
        For each row its answers: as many as were found, at least one, and
        one that is empty for an empty source.
    """
    names = {"tokens", "lengths", "scores", "alignments"} & set(outputs)
    arrays = {name: np.asarray(outputs[name]) for name in names}
    texts = np.asarray(texts, object)
    if arrays["lengths"].ndim == 1:
        texts = texts[:, np.newaxis]
        arrays = {name: one[:, np.newaxis] for name, one in arrays.items()}
    answers = []
    for row, source_len in enumerate(np.count_nonzero(source, axis=1)):
        scores = arrays["scores"][row]
        found = [
            _answer(
                {name: one[row, i] for name, one in arrays.items()},
                texts[row, i],
                source_len,
            )
            for i, score in enumerate(scores if source_len else scores[:1])
            if i == 0 or score > IMPOSSIBLE
        ]
        answers.append(found)
    return answers


def _answer(outputs: dict[str, Any], text: Any, source_len: int) -> Answer:
    length = int(outputs["lengths"])
    alignments = outputs.get("alignments")
    if alignments is not None:
        alignments = alignments[:length, :source_len].astype(np.float32)
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    tokens = outputs["tokens"][:length].astype(np.int32)
    return Answer(str(text), float(outputs["scores"]), tokens, alignments)


def pack(answers: Sequence[Answers], prefix: str) -> dict[str, np.ndarray]:
    """Flattens answers into arrays that an `.npz` file can hold.

    Args:
        answers: Those of each sentence.
        prefix: What the arrays' names begin with.

    Returns:
        Names to arrays.
    """
    flat = [answer for several in answers for answer in several]
    tables = [
        np.zeros((0, 0), np.float32) if a.alignments is None else a.alignments
        for a in flat
    ]
    tokens = [answer.tokens for answer in flat]
    return {
        f"{prefix}/counts": np.array([len(a) for a in answers], np.int64),
        f"{prefix}/texts": np.array([answer.text for answer in flat], str),
        f"{prefix}/scores": np.array([a.score for a in flat], np.float64),
        f"{prefix}/lengths": np.array([len(t) for t in tokens], np.int64),
        f"{prefix}/tokens": _flat(tokens, np.int32),
        f"{prefix}/shapes": np.array([t.shape for t in tables]).reshape(-1, 2),
        f"{prefix}/alignments": _flat(tables, np.float32),
        f"{prefix}/attends": np.array(
            [answer.alignments is not None for answer in flat], bool
        ),
    }


def unpack(arrays: Any, prefix: str) -> list[list[Answer]]:
    """Reads what `pack` made.

    Args:
        arrays: Names to arrays.
        prefix: As it was given to `pack`.

    Returns:
        The answers of each sentence.
    """
    names = ("texts", "scores", "lengths", "tokens", "shapes", "alignments")
    texts, scores, lengths, tokens, shapes, values = (
        arrays[f"{prefix}/{name}"] for name in names
    )
    attends = arrays[f"{prefix}/attends"]
    rows = _split(tokens, lengths)
    tables = _split(values, shapes.prod(axis=1))
    flat = iter(
        Answer(
            str(texts[i]),
            float(scores[i]),
            rows[i],
            tables[i].reshape(shapes[i]) if attends[i] else None,
        )
        for i in range(len(texts))
    )
    return [
        [next(flat) for _ in range(count)]
        for count in arrays[f"{prefix}/counts"]
    ]


def _flat(arrays: Sequence[np.ndarray], dtype: Any) -> np.ndarray:
    flat = [np.ravel(array) for array in arrays]
    return np.concatenate([np.zeros(0, dtype), *flat]).astype(dtype)


def _split(values: np.ndarray, sizes: np.ndarray) -> list[np.ndarray]:
    return np.split(values, np.cumsum(sizes)[:-1]) if len(sizes) else []
