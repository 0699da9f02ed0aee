"""Runs a LiteRT file as its user would, for `export.verify_worker`."""

import pathlib
from collections.abc import Sequence

import numpy as np

from export.answers import Answer, from_outputs
from export.limits import answer_limits
from export.package import read_package
from export.processors import processor_of
from export.runtime import Translation, Translator
from export.verify_steps import END, greedy_by_steps


class LiteRTRunner:
    """Every signature of a LiteRT file.

    Args:
        artifact: The file.
        num_threads: CPU threads of the interpreter.
    """

    def __init__(self, artifact: str, num_threads: int) -> None:
        self._artifact = artifact
        self._num_threads = num_threads
        self._translator = Translator(artifact, num_threads)

    def greedy(self, texts: Sequence[str], size: int) -> list[list[Answer]]:
        """Returns the answer to each text, `size` at a time."""
        translations = self._translator.translate(texts, size)
        return [[_answer(one)] for one in translations]

    def beam(self, texts: Sequence[str], size: int) -> list[list[Answer]]:
        """Returns the n best answers to each text."""
        translations = self._translator.nbest(texts, size, repeats=True)
        return [[_answer(one) for one in several] for several in translations]

    def steps(self, texts: Sequence[str], size: int) -> list[list[Answer]]:
        """Returns the answers of a greedy search by the caller."""
        # The caller's own interpreter, as on a device.
        from ai_edge_litert.interpreter import Interpreter

        package = read_package(pathlib.Path(self._artifact))
        reader = processor_of(package.source_model)
        writer = processor_of(package.target_model)
        interpreter = Interpreter(
            model_path=self._artifact, num_threads=self._num_threads
        )
        encode = interpreter.get_signature_runner("encode")
        decode_step = interpreter.get_signature_runner("decode_step")
        settings = package.settings
        answers = []
        for first in range(0, len(texts), size):
            rows = [
                [*reader.encode(text)[: settings.max_source_len - 1], END]
                if reader.encode(text) and text.strip()
                else []
                for text in texts[first : first + size]
            ]
            source = np.zeros((len(rows), max(1, *map(len, rows))), np.int32)
            for row, ids in zip(source, rows, strict=True):
                row[: len(ids)] = ids
            found = greedy_by_steps(
                encode(source=source),
                answer_limits(np.count_nonzero(source, axis=1), settings),
                decode_step,
                set(decode_step.get_input_details()),
            )
            said = [
                writer.decode([int(token) for token in row if token > END])
                for row in found["tokens"]
            ]
            answers += from_outputs(found, said, source)
        return answers


def _answer(one: Translation) -> Answer:
    return Answer(one.text, one.score, one.tokens, one.alignments)
