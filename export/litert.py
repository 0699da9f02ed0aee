"""Writes a model as a LiteRT (TFLite) file: searches, and their steps."""

import importlib.util
import os
import pathlib
from typing import Any

from export.errors import ExportError
from export.fresh_process import run_module
from export.operators import operators, refuse_operators
from export.package import append_package, is_package
from export.settings import ExportSettings
from export.staging import staged


class LiteRTExporter:
    """Writes one `.tflite` file: four signatures, tokenizers, settings.

    Signatures `greedy` and `beam` answer, `encode` and `decode_step` are for
    callers who search themselves; `docs/on_device.md` has their names, shapes
    and types. They share the weights, which are stored once, as
    `settings.quantize` says. Builtin operators only.
    `export.runtime.Translator` runs the file on strings.

    Example:

    ```python
    LiteRTExporter().export(
        model,
        "exported/fra-eng.tflite",
        source_tokenizer=source_tokenizer,
        target_tokenizer=target_tokenizer,
        settings=ExportSettings(name="fra-eng"),
    )
    ```
    """

    name = "litert"

    def export(
        self,
        model: Any,
        path: str | os.PathLike[str],
        *,
        source_tokenizer: Any,
        target_tokenizer: Any,
        settings: ExportSettings,
        overwrite: bool = False,
    ) -> pathlib.Path:
        """Writes the file `path`, whole or not at all.

        Args:
            model: A built encoder-decoder with `encode` and `decode_step`.
            path: The file. An earlier export there is replaced.
            source_tokenizer: Has `model` (bytes): a SentencePiece model, or a
                vocabulary (`export.vocabulary`).
            target_tokenizer: Likewise.
            settings: Limits, search settings, names and quantisation.
            overwrite: Replace whatever stands at `path`.

        Returns:
            The absolute path that was written.

        Raises:
            ExportError: If something else stands at `path`, if it cannot be
                written, if the converter fails, if the settings ask for
                XLA, or if the model needs an operator that the stock runtime
                lacks.
            ImportError: If an optional package is missing; the message has
                the command that installs it.
        """
        check_needs(settings.quantize)
        refuse_xla(settings.xla)
        from export.signatures import save
        from export.token_signatures import TokenSignatures
        from keras_attention.time_loop import inference_loop

        with staged(path, self.is_export, overwrite, file=True) as staging:
            module = TokenSignatures(model, settings)
            saved_model = staging.parent / "saved_model"
            with inference_loop():
                save(module, saved_model)
            convert(saved_model, staging, settings.quantize)
            refuse_operators(operators(staging))
            append_package(
                staging,
                source_tokenizer.model,
                target_tokenizer.model,
                settings,
                self.name,
            )
        return pathlib.Path(os.path.abspath(path))

    def is_export(self, path: pathlib.Path) -> bool:
        """Tells whether `path` is what this class writes."""
        return is_package(path, self.name)


def check_needs(quantize: str) -> None:
    """Looks for the package that a quantisation needs, before all the work.

    Args:
        quantize: A key of `export.quantizations.QUANTIZATIONS`.

    Raises:
        ImportError: If it is missing.
    """
    if quantize == "int4" and not importlib.util.find_spec("ai_edge_quantizer"):
        raise ImportError(
            "int4 weights need ai-edge-quantizer. "
            "Install it: pip install ai-edge-quantizer"
        )


def refuse_xla(xla: bool) -> None:
    """Raises an error if a LiteRT file is to be compiled with XLA.

    Args:
        xla: What was asked for.

    Raises:
        ExportError: If it was.
    """
    if xla:
        raise ExportError(
            "A LiteRT file is not compiled with XLA.",
            "Leave it out, or export a SavedModel.",
        )


def convert(
    saved_model: pathlib.Path, path: pathlib.Path, quantize: str = "none"
) -> None:
    """Converts in a process of its own: the converter may crash.

    Args:
        saved_model: The folder to read; all its signatures are converted.
        path: The LiteRT file to write.
        quantize: How weights are stored: a key of
            `export.quantizations.QUANTIZATIONS`.

    Raises:
        ExportError: If the process fails, with the last line that it said.
    """
    reason = run_module("export.litert_convert", saved_model, path, quantize)
    if not reason and path.exists():
        return
    remedy = "Export a SavedModel (format saved_model), or try another version"
    if quantize != "none":
        remedy = f"Export without {quantize} weights, or try another version"
    raise ExportError(
        f"The LiteRT converter failed: {reason or 'it wrote no file'}.",
        f"{remedy} of TensorFlow.",
    )
