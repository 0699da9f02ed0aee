"""The model's own answers, in this process: what artifacts are held to."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from export.answers import Answer, from_outputs
from export.settings import ExportSettings
from export.signatures import END, decode

START = 1  # token id


class Reference:
    """Answers with the model itself, as it was trained.

    Args:
        model: A built encoder-decoder with `encode` and `decode_step`.
        source_tokenizer: Has `tokenize`: strings to ragged ids.
        target_tokenizer: Has `detokenize`: zero-padded ids to strings.
        settings: Limits and search settings.
    """

    def __init__(
        self,
        model: Any,
        source_tokenizer: Any,
        target_tokenizer: Any,
        settings: ExportSettings,
    ) -> None:
        self._model = model
        self._source_tokenizer = source_tokenizer
        self._target_tokenizer = target_tokenizer
        self._settings = settings

    def answers(
        self, sentences: Sequence[str], search: Any, batch_size: int
    ) -> list[Answer]:
        """Returns one answer for each sentence.

        Args:
            sentences: The sentences.
            search: A search of `keras_attention.search`.
            batch_size: Sentences that are decoded at once.

        Returns:
            The answers, in order.
        """
        import tensorflow as tf

        @tf.function(
            autograph=False,
            input_signature=[tf.TensorSpec((None, None), tf.int32)],
        )
        def run(source: tf.Tensor) -> dict[str, tf.Tensor]:
            return decode(self._model, search, source, self._settings)

        answers = []
        for first in range(0, len(sentences), batch_size):
            batch = self._source_ids(sentences[first : first + batch_size])
            outputs = {k: v.numpy() for k, v in run(batch).items()}
            texts = self._target_tokenizer.detokenize(
                tf.constant(outputs["tokens"])
            ).numpy()
            words = [text.decode("utf-8", "replace") for text in texts]
            answers += from_outputs(outputs, words, batch)
        return answers

    def greedy_gap(
        self, sentence: str, expected: np.ndarray, found: np.ndarray
    ) -> float:
        """How much the model prefers its own token where two answers part.

        Args:
            sentence: The source.
            expected: Token ids of the model's answer.
            found: Token ids of the artifact's answer.

        Returns:
            Nats; infinity if one answer is the other's beginning.
        """
        import tensorflow as tf

        shared = min(len(expected), len(found))
        parts = np.flatnonzero(expected[:shared] != found[:shared])
        if len(parts) == 0:
            return float("inf")
        part = int(parts[0])
        memory, states = self._model.encode(
            tf.constant(self._source_ids([sentence]))
        )
        for token in [START, *expected[:part].tolist()]:
            logits, states, _ = self._model.decode_step(
                tf.constant([token]), states, memory
            )
        chosen = tf.nn.log_softmax(tf.cast(logits, "float32"))[0].numpy()
        return float(chosen[expected[part]] - chosen[found[part]])

    def _source_ids(self, sentences: Sequence[str]) -> np.ndarray:
        """Returns ids `(batch, source_len)`, cut, ended and padded."""
        import tensorflow as tf

        room = self._settings.max_source_len - 1
        rows = self._source_tokenizer.tokenize(tf.constant(list(sentences)))
        ids = [
            [*row[:room], END] if row and sentence.strip() else []
            for row, sentence in zip(rows.to_list(), sentences, strict=True)
        ]
        source = np.zeros((len(ids), max(1, *map(len, ids))), np.int32)
        for row, tokens in zip(source, ids, strict=True):
            row[: len(tokens)] = tokens
        return source
