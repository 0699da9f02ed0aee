"""From sentences to token ids and back, where TensorFlow is not."""

from typing import Any, NamedTuple

import numpy as np

END = 2  # token id
FIRST_PIECE = 3  # ids below are padding, start and end


class Translation(NamedTuple):
    """One answer.

    text: The answer. Empty if the source was empty or blank.
    score: Sum of the log-probabilities of the answer's tokens (nats); of a
        beam search, what it ranks by: the sum divided by the length penalty,
        plus the coverage penalty if there is one.
    tokens: `(target_len,)` int32 ids, the end token included when reached.
    pieces_source: The `source_len` subwords that were read.
    pieces_target: The `target_len` subwords that were written.
    alignments: `(target_len, source_len)` float32: where each written piece
        looked. `None` for a model without attention.
    truncated: Whether the source was cut because it was too long.
    """

    text: str
    score: float
    tokens: np.ndarray
    pieces_source: list[str]
    pieces_target: list[str]
    alignments: np.ndarray | None
    truncated: bool


class Texts:
    """Sentences to ids, and ids to answers.

    Args:
        source: The sources' tokenizer; see `export.processors`.
        target: The answers'.
        max_source_len: Tokens of a source that are read, the end token
            included.
    """

    def __init__(self, source: Any, target: Any, max_source_len: int) -> None:
        self._source = source
        self._target = target
        self._max_source_len = max_source_len

    def tokenize(self, text: str) -> tuple[list[int], bool]:
        """Reads a sentence.

        Args:
            text: The sentence.

        Returns:
            Token ids, none for a blank text, and whether they were cut.

        Raises:
            TypeError: If `text` is no string.
        """
        if not isinstance(text, str):
            raise TypeError(
                f"`texts` must hold strings. Received: {text!r}. Decode "
                'bytes first: text.decode("utf-8", errors="replace").'
            )
        # Half a surrogate pair is no character; read it as U+FFFD.
        encoded = text.encode("utf-8", "surrogatepass")
        text = encoded.decode("utf-8", "replace")
        ids = self._source.encode(text) if text.strip() else []
        if not ids:
            return [], False
        kept = ids[: self._max_source_len - 1]
        return [*kept, END], len(kept) < len(ids)

    def nothing(self, attends: bool) -> Translation:
        """The answer to a blank sentence."""
        empty = np.zeros(0, np.int32)
        nowhere = np.zeros((0, 0), np.float32) if attends else None
        return Translation("", 0.0, empty, [], [], nowhere, False)

    def answer(
        self, ids: list[int], truncated: bool, outputs: dict[str, np.ndarray]
    ) -> Translation:
        """Cuts the padding off one answer's arrays, and reads its text.

        Args:
            ids: The source's.
            truncated: Whether they were cut.
            outputs: `tokens`, `lengths`, `scores` and, with attention,
                `alignments` of this answer.

        Returns:
            The answer.
        """
        length = int(outputs["lengths"])
        tokens = outputs["tokens"][:length].copy()
        alignments = None
        if "alignments" in outputs:
            # A copy: a view would keep the whole batch in memory.
            alignments = outputs["alignments"][:length, : len(ids)].copy()
        pieces = [int(token) for token in tokens if token >= FIRST_PIECE]
        return Translation(
            text=self._target.decode(pieces),
            score=float(outputs["scores"]),
            tokens=tokens,
            pieces_source=self._source.id_to_piece(ids),
            pieces_target=self._target.id_to_piece(tokens.tolist()),
            alignments=alignments,
            truncated=truncated,
        )
