"""Runs an exported LiteRT file where TensorFlow and Keras are not.

Needs NumPy, ai-edge-litert and sentencepiece, nothing else; with tokenizers
of characters or words (see `export.vocabulary`), no sentencepiece. From a
shell, one sentence a line:

    python -m export.runtime model.tflite < sentences.txt

`--help` lists the options. How to call the file without this module, from
another language, is in docs/on_device.md.
"""

import os
import pathlib
import sys
from collections.abc import Iterable
from typing import Any

import numpy as np

from export.bucket_runner import BucketRunner, buckets_of
from export.errors import ExportError
from export.package import read_package
from export.processors import processor_of
from export.translation import Texts, Translation

__all__ = ["SEARCHES", "Translation", "Translator"]

SEARCHES = ("greedy", "beam")  # names of signatures
IMPOSSIBLE = -1e8  # no hypothesis that was found scores less (nats)


class Translator:
    """A LiteRT file with its tokenizers, ready to translate.

    One object serves one thread at a time.

    Args:
        path: A `.tflite` file that this package exported.
        num_threads: CPU threads that the interpreter may use, 1 to 1,024.

    Raises:
        ValueError: If `num_threads` is none of these.
        ImportError: If ai-edge-litert or sentencepiece is missing.
        ExportError: If the file is missing, damaged, not an export of this
            package, or of another version.

    Example:

    ```python
    translator = Translator("model.tflite")
    translator.translate(["Bonjour !"])[0].text
    ```
    """

    def __init__(
        self, path: str | os.PathLike[str], num_threads: int = 1
    ) -> None:
        if not 1 <= num_threads <= 1024:
            raise ValueError(
                "`num_threads` must be at least 1 and at most 1,024. "
                f"Received: {num_threads}."
            )
        interpreter_module = _import_interpreter()
        package = read_package(pathlib.Path(path))
        self.settings = package.settings
        self._path = os.fspath(path)
        try:
            self._texts = Texts(
                processor_of(package.source_model),
                processor_of(package.target_model),
                self.settings.max_source_len,
            )
            self._interpreter = interpreter_module.Interpreter(
                model_path=self._path, num_threads=num_threads
            )
            self._runners: dict[str, Any] = {}
            greedy = self._runner("greedy").get_output_details()
            self._attends = "alignments" in greedy
        except (ValueError, RuntimeError) as error:
            raise ExportError(
                f"Cannot load the model and the tokenizers of {path}: {error}.",
                "Update ai-edge-litert and sentencepiece, or export the "
                "model again.",
            ) from error

    def translate(
        self,
        texts: Iterable[str],
        batch_size: int = 16,
        search: str = "greedy",
    ) -> list[Translation]:
        """Translates sentences; the order is kept.

        An answer does not depend on the sentences it is batched with.

        Args:
            texts: Sentences. An empty or blank one gives an empty answer.
            batch_size: Sentences that are decoded at once. 1 takes the
                least memory.
            search: `"greedy"`, the fastest, or `"beam"`: the best of
                `settings.beam_size` hypotheses.

        Returns:
            One `Translation` for each sentence.

        Raises:
            TypeError: If `texts` is one string, or holds anything else than
                strings.
            ValueError: If `batch_size` is less than 1, or if `search` is
                unknown.
            ExportError: If the file has no such search.
        """
        if search not in SEARCHES:
            raise ValueError(
                f"`search` must be one of {', '.join(map(repr, SEARCHES))}. "
                f"Received: search={search!r}."
            )
        return [best for best, *_ in self._answers(texts, batch_size, search)]

    def nbest(
        self,
        texts: Iterable[str],
        batch_size: int = 16,
        repeats: bool = False,
    ) -> list[list[Translation]]:
        """Translates sentences by beam search: all texts that it found.

        Args:
            texts: Sentences.
            batch_size: Sentences that are decoded at once.
            repeats: Keep a text that the beam holds several times, in other
                pieces; otherwise it is there once, with its best score.

        Returns:
            For each sentence its answers, the best first: at most
            `settings.beam_size`, at least one; of an empty or blank sentence
            one that is empty.

        Raises:
            TypeError: As `translate`.
            ValueError: If `batch_size` is less than 1.
            ExportError: If the file has no beam search.
        """
        found = self._answers(texts, batch_size, "beam")
        if repeats:
            return found
        folded = []
        for answers in found:
            different: dict[str, Translation] = {}
            for one in answers:
                different.setdefault(one.text, one)
            folded.append(list(different.values()))
        return folded

    def _answers(
        self, texts: Iterable[str], batch_size: int, search: str
    ) -> list[list[Translation]]:
        """One list of answers for each sentence, the best first."""
        if isinstance(texts, str):
            raise TypeError(
                "`texts` must be a list of strings. Received one string: "
                "put it into a list."
            )
        if batch_size < 1:
            raise ValueError(
                f"`batch_size` must be at least 1. Received: {batch_size}."
            )
        runner = self._runner(search)
        sources = [self._texts.tokenize(text) for text in texts]
        # Similar lengths together: little time is spent on padding.
        order = sorted(range(len(sources)), key=lambda i: len(sources[i][0]))
        answers: dict[int, list[Translation]] = {}
        for first in range(0, len(order), batch_size):
            rows = order[first : first + batch_size]
            batch = self._run(runner, [sources[row] for row in rows])
            answers.update(zip(rows, batch, strict=True))
        return [answers[row] for row in range(len(sources))]

    def _runner(self, search: str) -> Any:
        """The runner of a signature, made when it is first asked for."""
        if search not in self._runners:
            known = self._interpreter.get_signature_list()
            if buckets_of(known, search):
                self._runners[search] = BucketRunner(self._interpreter, search)
                return self._runners[search]
            if search not in known:
                raise ExportError(
                    f"{self._path} has no signature {search!r}; it has "
                    f"{', '.join(sorted(known)) or 'none'}.",
                    "Export the model again with this version.",
                )
            runner = self._interpreter.get_signature_runner(search)
            self._runners[search] = runner
        return self._runners[search]

    def _run(
        self, runner: Any, sources: list[tuple[list[int], bool]]
    ) -> list[list[Translation]]:
        """Runs one batch."""
        width = max(len(ids) for ids, _ in sources)
        outputs: dict[str, np.ndarray] = {}
        if width:  # else nothing but blank lines
            batch = np.zeros((len(sources), width), np.int32)
            for row, (ids, _) in enumerate(sources):
                batch[row, : len(ids)] = ids
            outputs = runner(source=batch)
            if outputs["lengths"].ndim == 1:
                outputs = {k: v[:, np.newaxis] for k, v in outputs.items()}
        return [
            [
                self._texts.answer(
                    ids, truncated, {k: v[row, i] for k, v in outputs.items()}
                )
                for i, score in enumerate(outputs["scores"][row])
                if i == 0 or score > IMPOSSIBLE
            ]
            if ids
            else [self._texts.nothing(self._attends)]
            for row, (ids, truncated) in enumerate(sources)
        ]


def _import_interpreter() -> Any:
    """Returns the interpreter's module."""
    try:
        from ai_edge_litert import interpreter
    except ImportError as error:
        raise ImportError(
            f"export.runtime needs ai-edge-litert and sentencepiece ({error})."
            " Install them: pip install ai-edge-litert sentencepiece"
        ) from error
    return interpreter


if __name__ == "__main__":
    from export.runtime_command import main

    sys.exit(main())
