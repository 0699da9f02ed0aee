"""Runs an exported LiteRT file where TensorFlow and Keras are not.

Needs NumPy, ai-edge-litert and sentencepiece, nothing else. From a shell,
one sentence a line:

    python -m export.runtime model.tflite < sentences.txt
"""

import os
import pathlib
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from export.errors import ExportError
from export.package import read_package

SIGNATURE = "greedy"
END = 2  # token id
FIRST_PIECE = 3  # ids below are padding, start and end


class Translation(NamedTuple):
    """One answer.

    text: The answer. Empty if the source was empty or blank.
    score: Sum of the log-probabilities of the answer's tokens (nats).
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


class Translator:
    """A LiteRT file with its tokenizers, ready to translate.

    One object serves one thread at a time.

    Args:
        path: A `.tflite` file that this package exported.
        num_threads: CPU threads that the interpreter may use.

    Raises:
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
        interpreter_module, sentencepiece = _import_needs()
        package = read_package(pathlib.Path(path))
        self.settings = package.settings
        try:
            self._source, self._target = (
                sentencepiece.SentencePieceProcessor(model_proto=model)
                for model in (package.source_model, package.target_model)
            )
            self._interpreter = interpreter_module.Interpreter(
                model_path=os.fspath(path), num_threads=num_threads
            )
            self._runner = self._interpreter.get_signature_runner(SIGNATURE)
            self._attends = "alignments" in self._runner.get_output_details()
        except (ValueError, RuntimeError) as error:
            raise ExportError(
                f"Cannot load the model and the tokenizers of {path}: {error}.",
                "Update ai-edge-litert and sentencepiece, or export the "
                "model again.",
            ) from error

    def translate(
        self, texts: Sequence[str], batch_size: int = 16
    ) -> list[Translation]:
        """Translates sentences; the order is kept.

        An answer does not depend on the sentences it is batched with.

        Args:
            texts: Sentences. An empty or blank one gives an empty answer.
            batch_size: Sentences that are decoded at once. 1 takes the
                least memory.

        Returns:
            One `Translation` for each sentence.

        Raises:
            TypeError: If `texts` is one string, or holds anything else than
                strings.
            ValueError: If `batch_size` is less than 1.
        """
        if isinstance(texts, str):
            raise TypeError(
                "`texts` must be a list of strings. Received one string: "
                "put it into a list."
            )
        if batch_size < 1:
            raise ValueError(
                f"`batch_size` must be at least 1. Received: {batch_size}."
            )
        sources = [self._tokenize(text) for text in texts]
        # Similar lengths together: little time is spent on padding.
        order = sorted(range(len(sources)), key=lambda i: len(sources[i][0]))
        answers: dict[int, Translation] = {}
        for first in range(0, len(order), batch_size):
            rows = order[first : first + batch_size]
            batch = self._translate_batch([sources[row] for row in rows])
            answers.update(zip(rows, batch, strict=True))
        return [answers[row] for row in range(len(sources))]

    def _tokenize(self, text: str) -> tuple[list[int], bool]:
        """Returns token ids (none for a blank text) and whether it was cut."""
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
        kept = ids[: self.settings.max_source_len - 1]
        return [*kept, END], len(kept) < len(ids)

    def _translate_batch(
        self, sources: list[tuple[list[int], bool]]
    ) -> list[Translation]:
        width = max(len(ids) for ids, _ in sources)
        if width == 0:
            outputs = None  # nothing but blank lines
        else:
            batch = np.zeros((len(sources), width), np.int32)
            for row, (ids, _) in enumerate(sources):
                batch[row, : len(ids)] = ids
            outputs = self._runner(source=batch)
        return [
            self._answer(ids, truncated, outputs, row)
            for row, (ids, truncated) in enumerate(sources)
        ]

    def _answer(
        self,
        ids: list[int],
        truncated: bool,
        outputs: dict[str, np.ndarray] | None,
        row: int,
    ) -> Translation:
        if not ids or outputs is None:
            empty = np.zeros(0, np.int32)
            nowhere = np.zeros((0, 0), np.float32) if self._attends else None
            return Translation("", 0.0, empty, [], [], nowhere, False)
        length = int(outputs["lengths"][row])
        tokens = outputs["tokens"][row, :length].copy()
        alignments = None
        if self._attends:
            # A copy: a view would keep the whole batch in memory.
            alignments = outputs["alignments"][row, :length, : len(ids)].copy()
        pieces = [int(token) for token in tokens if token >= FIRST_PIECE]
        return Translation(
            text=self._target.decode(pieces),
            score=float(outputs["scores"][row]),
            tokens=tokens,
            pieces_source=self._source.id_to_piece(ids),
            pieces_target=self._target.id_to_piece(tokens.tolist()),
            alignments=alignments,
            truncated=truncated,
        )


def _import_needs() -> tuple[Any, Any]:
    """Returns the interpreter's module and the sentencepiece module."""
    try:
        import sentencepiece
        from ai_edge_litert import interpreter
    except ImportError as error:
        raise ImportError(
            f"export.runtime needs ai-edge-litert and sentencepiece ({error})."
            " Install them: pip install ai-edge-litert sentencepiece"
        ) from error
    return interpreter, sentencepiece


def main(arguments: Sequence[str] | None = None) -> int:
    """Translates standard input, line by line, to standard output.

    Args:
        arguments: The command line's arguments: one path.

    Returns:
        The exit status: 0, or 2 after a clear line on standard error.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print(
            "Usage: python -m export.runtime model.tflite < sentences.txt",
            file=sys.stderr,
        )
        return 2
    try:
        translator = Translator(arguments[0])
    except (ExportError, ImportError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    try:
        for line in sys.stdin.buffer:
            text = line.decode("utf-8", "replace").rstrip("\r\n")
            answer = translator.translate([text])[0].text
            sys.stdout.buffer.write(f"{answer}\n".encode())
            sys.stdout.flush()
    except BrokenPipeError:  # the reader has seen enough, as in `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
