"""The model's own answers, in this process: what artifacts are held to."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from export.answers import Answer, from_outputs
from export.settings import ExportSettings
from export.signatures import END, beam_search, decode

START = 1  # token id


class Reference:
    """Answers with the model itself, as it was trained.

    Args:
        model: A built encoder-decoder with `encode` and `decode_step`.
        source_tokenizer: Has `tokenize`: strings to ragged ids.
        target_tokenizer: Has `tokenize`, and `detokenize`: zero-padded ids to
            strings.
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
        self._functions: dict[type, Any] = {}
        self._scorer: Any = None  # traced when it is first needed

    def greedy(
        self, sentences: Sequence[str], batch_size: int
    ) -> list[list[Answer]]:
        """Returns the answer of a greedy search to each sentence.

        Args:
            sentences: The sentences.
            batch_size: Sentences that are decoded at once.

        Returns:
            For each, in order, a list of one answer.
        """
        from keras_attention.search import GreedySearch

        return self._answers(sentences, GreedySearch(), batch_size)

    def beam(
        self, sentences: Sequence[str], batch_size: int
    ) -> list[list[Answer]]:
        """Returns the answers of a beam search, as `greedy`, the n best."""
        settings = self._settings
        search = beam_search(settings)
        return self._answers(sentences, search, batch_size)

    def scores(
        self,
        sentences: Sequence[str],
        targets: Sequence[str],
        batch_size: int,
    ) -> list[list[Answer]]:
        """Returns given targets, tokenised, with the model's scores.

        Args:
            sentences: The sources.
            targets: A target for each.
            batch_size: Pairs that are scored at once.

        Returns:
            For each, in order, a list of one answer: the target.
        """
        answers = []
        for first in range(0, len(sentences), batch_size):
            rows = slice(first, first + batch_size)
            source = self._source_ids(sentences[rows])
            ids = self._ids(
                self._target_tokenizer,
                targets[rows],
                self._settings.max_target_len,
            )
            # Also an empty target has an end; but to an empty source there is
            # nothing to say.
            ids = [
                (one or [END]) if any(row) else []
                for one, row in zip(ids, source, strict=True)
            ]
            result = self._score(source, _padded(ids))
            answers += from_outputs(result, targets[rows], source)
        return answers

    def log_probabilities(
        self,
        sentences: Sequence[str],
        rows: Sequence[np.ndarray],
        batch_size: int,
    ) -> list[float]:
        """Scores given tokens.

        Args:
            sentences: The sources.
            rows: Token ids of an answer to each, without padding.
            batch_size: Answers that are scored at once.

        Returns:
            Their log-probabilities, in nats; 0 of no tokens.
        """
        found: list[float] = []
        for first in range(0, len(sentences), batch_size):
            part = slice(first, first + batch_size)
            source = self._source_ids(sentences[part])
            result = self._score(source, _padded(rows[part]))
            found += result["scores"].tolist()
        return found

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

    def beam_gap(
        self, sentence: str, expected: np.ndarray, found: np.ndarray
    ) -> float:
        """How much higher the model ranks its own hypothesis.

        Both are scored by the model itself, and ranked as the beam search
        ranks; arguments as of `greedy_gap`.
        """
        if len(expected) == 0 or len(found) == 0:
            return float("inf")
        own, other = (self._rank(sentence, t) for t in (expected, found))
        return own - other

    def num_tokens(self, sentence: str) -> int:
        """Counts the tokens of a source that is not cut, its end included."""
        [ids] = self._ids(self._source_tokenizer, [sentence], None)
        return len(ids)

    def source_lengths(self, sentences: Sequence[str]) -> tuple[int, int]:
        """Returns the fewest and the most tokens of the sentences."""
        lengths = np.count_nonzero(self._source_ids(sentences), axis=1)
        return int(lengths.min()), int(lengths.max())

    def _rank(self, sentence: str, tokens: np.ndarray) -> float:
        """What a beam search ranks a hypothesis by."""
        from keras_attention.search import coverage_penalty, length_penalty

        source = self._source_ids([sentence])
        result = self._score(source, tokens[np.newaxis])
        settings = self._settings
        penalty = length_penalty(result["lengths"], settings.length_penalty)
        rank = float(result["scores"][0] / penalty[0])
        if settings.coverage_penalty:
            covered = np.sum(result["alignments"], axis=1)
            coverage = coverage_penalty(covered, source != 0)
            rank += settings.coverage_penalty * float(coverage[0])
        return rank

    def _score(
        self, source: np.ndarray, tokens: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Scores `(batch, target_len)` ids; what a search returns."""
        import tensorflow as tf

        from keras_attention.search import score

        if self._scorer is None:
            spec = tf.TensorSpec((None, None), tf.int32)

            @tf.function(autograph=False, input_signature=[spec, spec])
            def run(source: tf.Tensor, tokens: tf.Tensor) -> Any:
                memory, states = self._model.encode(source)
                return score(self._model.decode_step, states, memory, tokens)

            self._scorer = run
        result = self._scorer(source, tokens)._asdict()
        return {k: v.numpy() for k, v in result.items() if v is not None}

    def _answers(
        self, sentences: Sequence[str], search: Any, batch_size: int
    ) -> list[list[Answer]]:
        import tensorflow as tf

        run = self._traced(search)
        answers = []
        for first in range(0, len(sentences), batch_size):
            batch = self._source_ids(sentences[first : first + batch_size])
            outputs = {k: v.numpy() for k, v in run(batch).items()}
            tokens = outputs["tokens"]
            shape = tokens.shape
            rows = tokens.reshape(math.prod(shape[:-1]), shape[-1])
            texts = self._target_tokenizer.detokenize(tf.constant(rows))
            texts = texts.numpy().reshape(shape[:-1])
            answers += from_outputs(outputs, texts, batch)
        return answers

    def _traced(self, search: Any) -> Any:
        """The function of a search, traced once for each kind."""
        import tensorflow as tf

        kind = type(search)
        if kind not in self._functions:

            @tf.function(
                autograph=False,
                input_signature=[tf.TensorSpec((None, None), tf.int32)],
            )
            def run(source: tf.Tensor) -> dict[str, tf.Tensor]:
                return decode(self._model, search, source, self._settings)

            self._functions[kind] = run
        return self._functions[kind]

    def _source_ids(self, sentences: Sequence[str]) -> np.ndarray:
        """Returns ids `(batch, source_len)`, cut, ended and padded."""
        ids = self._ids(
            self._source_tokenizer, sentences, self._settings.max_source_len
        )
        return _padded(ids)

    def _ids(
        self, tokenizer: Any, sentences: Sequence[str], max_len: int | None
    ) -> list[list[int]]:
        """Ids of each sentence, cut and ended; none of a blank one."""
        import tensorflow as tf

        rows = tokenizer.tokenize(tf.constant(list(sentences))).to_list()
        longest = None if max_len is None else max_len - 1
        return [
            [*row[:longest], END] if row and sentence.strip() else []
            for row, sentence in zip(rows, sentences, strict=True)
        ]


def _padded(ids: Sequence[Any]) -> np.ndarray:
    """Ids as rows padded with 0, `(batch, at least 1)` int32."""
    rows = np.zeros((len(ids), max([1, *map(len, ids)])), np.int32)
    for row, tokens in zip(rows, ids, strict=True):
        row[: len(tokens)] = tokens
    return rows
