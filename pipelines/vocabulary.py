"""Vocabularies of characters or of words, for servers without SentencePiece."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from pipelines.errors import UserError
from pipelines.files import write_whole
from pipelines.text import NUM_SPECIAL, UNKNOWN_ID, load_as, to_bytes

FORMAT = "keras_attention.vocabulary"
KINDS = ("character", "whitespace")
SPECIAL = ("<pad>", "<s>", "</s>", "<unk>")
UNKNOWN_TEXT = "\u2047"  # shown as ⁇, as SentencePiece has it


class VocabularyTokenizer:
    """Splits text into characters, or into words between white space.

    It has the methods and the ids of `SubwordTokenizer`. A SavedModel with
    such tokenizers needs TensorFlow's core operators only (see
    docs/serving.md). White space of any kind counts as a space, several as
    one, and none counts at the ends; nothing else is normalised.

    Args:
        model: A serialised vocabulary, JSON, as `train` makes it.

    Example:

    >>> lines = ["the cat", "the dog"]
    >>> tokenizer = VocabularyTokenizer.train(lines, 6, "whitespace")
    >>> [ids] = tokenizer.encode_lines(["the cat  sleeps"])
    >>> tokenizer.pieces(ids), tokenizer.decode(ids)
    (['the', 'cat', '<unk>'], 'the cat ⁇')
    """

    def __init__(self, model: bytes) -> None:
        self.model = model
        try:
            content = json.loads(model)
            if content["format"] != FORMAT or content["kind"] not in KINDS:
                raise ValueError("its format or its kind is not known")
            self.kind: str = content["kind"]
            self._tokens: list[str] = [*SPECIAL, *content["tokens"]]
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(
                f"This is no vocabulary: {error}.",
                "Use one made by `VocabularyTokenizer.train`.",
            ) from None
        self._ids = {
            token: index
            for index, token in enumerate(self._tokens)
            if index >= NUM_SPECIAL
        }

    @classmethod
    def train(
        cls, lines: Iterable[str], vocabulary_size: int, kind: str
    ) -> Self:
        """Keeps the most frequent characters or words.

        Args:
            lines: Sentences of the training part only.
            vocabulary_size: The most tokens, the 4 special ones included.
            kind: `"character"` or `"whitespace"`.

        Returns:
            The tokenizer.

        Raises:
            UserError: If no line holds any text.
        """
        counts = Counter(
            token for line in lines for token in _split(line, kind)
        )
        if not counts:
            raise UserError(
                "A tokenizer needs text to learn from, but every line is "
                "empty.",
                "Give it training sentences.",
            )
        # Of equally frequent ones the first in the alphabet.
        ranked = sorted(counts, key=lambda token: (-counts[token], token))
        kept = ranked[: max(vocabulary_size - NUM_SPECIAL, 1)]
        content = {"format": FORMAT, "kind": kind, "tokens": kept}
        return cls(json.dumps(content, ensure_ascii=False).encode())

    @property
    def vocabulary_size(self) -> int:
        """Number of tokens, the special ones included."""
        return len(self._tokens)

    @property
    def in_graph(self) -> Self:
        """What `tokenize` uses: nothing has to be made for it."""
        return self

    def tokenize(self, text: Any) -> Any:
        """Tokenises inside a `tf.data` pipeline; an export has its own way.

        Args:
            text: String tensor (batch,), UTF-8.

        Returns:
            Ragged int32 tensor (batch, None) without special tokens.
        """
        import tensorflow as tf

        def split(lines: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            rows = self.encode_lines(
                [line.decode("utf-8", "replace") for line in lines]
            )
            flat = [index for row in rows for index in row]
            lengths = [len(row) for row in rows]
            return np.array(flat, np.int32), np.array(lengths, np.int64)

        flat, lengths = tf.numpy_function(split, [text], (tf.int32, tf.int64))
        return tf.RaggedTensor.from_row_lengths(
            tf.ensure_shape(flat, [None]),
            tf.ensure_shape(lengths, [None]),
            validate=False,
        )

    def detokenize(self, tokens: Any) -> Any:
        """Turns ids back into text.

        Args:
            tokens: int32 tensor (batch, None), padded with zeros.

        Returns:
            String tensor (batch,).
        """
        import tensorflow as tf

        def join(rows: np.ndarray) -> np.ndarray:
            return np.array([self.decode(row).encode() for row in rows], object)

        return tf.ensure_shape(
            tf.numpy_function(join, [tokens], tf.string), [None]
        )

    def encode_lines(self, lines: Sequence[str]) -> list[list[int]]:
        """Returns the ids of each line."""
        return [
            [
                self._ids.get(token, UNKNOWN_ID)
                for token in _split(line, self.kind)
            ]
            for line in lines
        ]

    def decode(self, ids: Iterable[int]) -> str:
        """Turns the ids of one sentence back into text."""
        separator = " " if self.kind == "whitespace" else ""
        return separator.join(
            UNKNOWN_TEXT if index == UNKNOWN_ID else self._tokens[int(index)]
            for index in ids
            if index >= UNKNOWN_ID
        )

    def pieces(self, ids: Iterable[int]) -> list[str]:
        """Names each id, for plots: `▁` is a space."""
        return [self._tokens[int(i)].replace(" ", "▁") for i in ids]

    def save(self, path: str | Path) -> None:
        """Writes the vocabulary to a file, wholly or not at all."""
        write_whole(path, self.model)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Reads what `save` wrote."""
        return load_as(cls, path)


def _split(line: str, kind: str) -> list[str]:
    """Characters or words of a line; what is no text is U+FFFD."""
    words = to_bytes(line).decode("utf-8", "replace").split()
    return words if kind == "whitespace" else list(" ".join(words))
