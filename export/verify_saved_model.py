"""Runs a SavedModel as its user would, for `export.verify_worker`."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from export.answers import Answer, from_outputs
from export.verify_steps import greedy_by_steps


class SavedModelRunner:
    """Every signature of a SavedModel.

    Args:
        artifact: The folder of a version.
        num_threads: CPU threads of TensorFlow.
    """

    def __init__(self, artifact: str, num_threads: int) -> None:
        import tensorflow as tf

        try:
            # Registers SentencePiece's operators; vocabularies need none.
            import tensorflow_text  # noqa: F401
        except ImportError:
            pass
        tf.config.threading.set_intra_op_parallelism_threads(num_threads)
        tf.config.threading.set_inter_op_parallelism_threads(num_threads)
        self._tf = tf
        self._signatures = tf.saved_model.load(artifact).signatures

    def greedy(self, texts: Sequence[str], size: int) -> list[list[Answer]]:
        """Returns the answer to each text, `size` at a time."""
        return self._search("serving_default", texts, size)

    def beam(self, texts: Sequence[str], size: int) -> list[list[Answer]]:
        """Returns the n best answers to each text."""
        return self._search("beam", texts, size)

    def score(
        self, texts: Sequence[str], targets: Sequence[str], size: int
    ) -> list[list[Answer]]:
        """Returns each target as an answer, with its score."""
        answers = []
        for first in range(0, len(texts), size):
            rows = slice(first, first + size)
            outputs = self._call(
                "score",
                text=self._strings(texts[rows]),
                target_text=self._strings(targets[rows]),
            )
            # What the caller adds up is what is given; NaN agrees with none.
            total = outputs["token_scores"].sum(axis=1)
            same = np.isclose(total, outputs["scores"], rtol=1e-4, atol=1e-4)
            outputs["scores"] = np.where(same, outputs["scores"], np.nan)
            source = outputs["source_tokens"]
            answers += from_outputs(outputs, targets[rows], source)
        return answers

    def steps(self, texts: Sequence[str], size: int) -> list[list[Answer]]:
        """Returns the answers of a greedy search by the caller."""
        _, inputs = self._signatures["decode_step"].structured_input_signature

        def decode_step(**arrays: np.ndarray) -> dict[str, np.ndarray]:
            return self._call(
                "decode_step",
                **{k: self._tf.constant(v) for k, v in arrays.items()},
            )

        answers = []
        for first in range(0, len(texts), size):
            strings = self._strings(texts[first : first + size])
            tensors = self._call("encode", text=strings)
            limits = tensors["max_lengths"]
            found = greedy_by_steps(tensors, limits, decode_step, set(inputs))
            tokens = self._tf.constant(found["tokens"], "int32")
            said = self._call("detokenize", tokens=tokens)["text"]
            answers += from_outputs(found, said, tensors["source_tokens"])
        return answers

    def _search(
        self, name: str, texts: Sequence[str], size: int
    ) -> list[list[Answer]]:
        answers = []
        for first in range(0, len(texts), size):
            strings = self._strings(texts[first : first + size])
            outputs = self._call(name, text=strings)
            source = outputs["source_tokens"]
            answers += from_outputs(outputs, outputs["text"], source)
        return answers

    def _call(self, name: str, **tensors: Any) -> dict[str, np.ndarray]:
        outputs = self._signatures[name](**tensors)
        return {name: tensor.numpy() for name, tensor in outputs.items()}

    def _strings(self, texts: Sequence[str]) -> Any:
        return self._tf.constant(list(texts), self._tf.string)
