"""BPE-dropout: the same sentences in other subwords, epoch for epoch."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from pipelines.data.corpus import Corpus
from pipelines.errors import UserError
from pipelines.text import END_ID, SubwordTokenizer

SIDES = 2
MIXING = 1_000_003  # keeps the seeds of epochs apart


class DroppedMerges:
    """Sentence pairs whose subwords are drawn anew in each epoch.

    Provilkov et al. (2020): while a word is put together from its characters,
    each merge of byte pair encoding is left out with a probability. The model
    then sees many ways to write a word, and learns what its parts mean; where
    there are few sentences, it translates better. It is for training only.

    What is drawn depends on nothing but the seed and the epoch's number.

    Args:
        corpus: The sentence pairs.
        source_tokenizer: Tokenizer of the sources, of subwords.
        target_tokenizer: Tokenizer of the targets, likewise.
        rate: Share of the merges that are left out.
        seed: For the draws.

    Raises:
        UserError: If a tokenizer is not of subwords.

    Example:

    >>> tokenizer = SubwordTokenizer.train(["low lower lowest"] * 3, 20)
    >>> drawn = DroppedMerges(
    ...     Corpus(["lower"], ["lowest"]), tokenizer, tokenizer, 0.5, seed=1
    ... )
    >>> [tokenizer.decode(row[:-1]) for [row] in drawn.draw(0)]
    ['lower', 'lowest']
    """

    def __init__(
        self,
        corpus: Corpus,
        source_tokenizer: Any,
        target_tokenizer: Any,
        rate: float,
        seed: int,
    ) -> None:
        self._sides = (
            (source_tokenizer, corpus.sources),
            (target_tokenizer, corpus.targets),
        )
        for tokenizer, _ in self._sides:
            if not isinstance(tokenizer, SubwordTokenizer):
                raise UserError(
                    "Characters and whole words have no merges to leave out: "
                    "data.bpe_dropout needs subwords.",
                    'Set data.tokenizer = "sentencepiece", or leave out '
                    "data.bpe_dropout.",
                )
        self._rate = rate
        self._seed = seed
        # For each side, the usual tokens and the longest that may be drawn.
        self._usual: list[list[list[int]]] = []
        self._limits: list[np.ndarray] = []

    def draw(self, epoch: int) -> list[list[list[int]]]:
        """Draws the tokens of sources and targets, end tokens included."""
        return [
            [
                [*row, END_ID]
                for row in tokenizer.sample_lines(
                    lines,
                    self._rate,
                    # Never negative: the sign of a seed is not looked at.
                    self._seed * MIXING + SIDES * (epoch + 1) + side,
                )
            ]
            for side, (tokenizer, lines) in enumerate(self._sides)
        ]

    def typical_lengths(
        self, usual: tuple[Any, Any], most: tuple[int, int]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Lengths to plan batches with: those of one draw, no epoch's own.

        Args:
            usual: Lengths of sources and targets without dropout.
            most: Tokens of a source, and of a target. A row that was drawn
                longer counts with its usual length.
        """
        source, target = (
            np.array([len(row) for row in rows]) for rows in self.draw(-1)
        )
        return (
            np.where(source > most[0], usual[0], np.maximum(usual[0], source)),
            np.where(target > most[1], usual[1], np.maximum(usual[1], target)),
        )

    def limit(
        self, usual: Sequence[tf.RaggedTensor], limits: Sequence[np.ndarray]
    ) -> None:
        """Says what a batch has room for.

        Args:
            usual: The tokens of sources and targets without dropout.
            limits: For each side and row the most tokens. What is drawn
                longer than that is replaced by the usual tokens.
        """
        self._usual = [side.to_list() for side in usual]
        self._limits = list(limits)

    def tokens(self, epoch: tf.Tensor) -> tuple[tf.RaggedTensor, ...]:
        """Draws the tokens of an epoch, in the graph.

        Args:
            epoch: Its number, a scalar tensor.

        Returns:
            Sources and targets, ragged int32 (rows, None).
        """
        parts = tf.numpy_function(
            self._flat, [epoch], [tf.int32, tf.int64] * SIDES
        )
        for part in parts:
            part.set_shape([None])
        return tuple(
            tf.RaggedTensor.from_row_lengths(values, lengths)
            for values, lengths in zip(parts[::2], parts[1::2], strict=True)
        )

    def _flat(self, epoch: np.ndarray) -> list[np.ndarray]:
        """Values and row lengths of both sides."""
        found = []
        for drawn, usual, limits in zip(
            self.draw(int(epoch)), self._usual, self._limits, strict=True
        ):
            rows = [
                one if len(one) <= limit else other
                for one, other, limit in zip(drawn, usual, limits, strict=True)
            ]
            found += [
                np.concatenate([np.array(row, np.int32) for row in rows]),
                np.array([len(row) for row in rows], np.int64),
            ]
        return found
