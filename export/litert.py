"""Writes a model as a LiteRT (TFLite) file: the whole greedy decode."""

import os
import pathlib
from typing import Any

from export.errors import ExportError
from export.fresh_process import run_module
from export.package import append_package, is_package
from export.settings import ExportSettings
from export.staging import staged

# Operators that the stock runtimes lack, or that hold state between calls.
REFUSED = ("CUSTOM", "DELEGATE", "VARIABLE", "VAR_HANDLE", "HASHTABLE")


class LiteRTExporter:
    """Writes one `.tflite` file: greedy decode, tokenizers, settings.

    The file's signature `greedy` takes `source`, `(batch, source_len)` int32
    ids, 0 where padded, both sizes free but not 0; it returns `tokens` `(batch,
    target_len)` and `lengths` `(batch,)`, int32, `scores` `(batch,)` and,
    with attention, `alignments` `(batch, target_len, source_len)`, float32.
    Builtin operators only. `export.runtime.Translator` runs it on strings.

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
            source_tokenizer: Has `model`, SentencePiece bytes.
            target_tokenizer: Has `model`, SentencePiece bytes.
            settings: Limits and names.
            overwrite: Replace whatever stands at `path`.

        Returns:
            The absolute path that was written.

        Raises:
            ExportError: If something else stands at `path`, if it cannot be
                written, if the converter fails, or if the model needs an
                operator that the stock runtime lacks.
        """
        from export.signatures import save
        from export.token_signatures import TokenSignatures
        from keras_attention.search import GreedySearch
        from keras_attention.time_loop import inference_loop

        with staged(path, self.is_export, overwrite) as staging:
            module = TokenSignatures(model, GreedySearch(), settings)
            saved_model = staging.parent / "saved_model"
            with inference_loop():
                save(module, saved_model)
            convert(saved_model, staging)
            refuse_operators(operators(staging))
            append_package(
                staging,
                source_tokenizer.model,
                target_tokenizer.model,
                settings,
            )
        return pathlib.Path(os.path.abspath(path))

    def is_export(self, path: pathlib.Path) -> bool:
        """Tells whether `path` is what this class writes."""
        return is_package(path)


def convert(saved_model: pathlib.Path, path: pathlib.Path) -> None:
    """Converts in a process of its own: the converter may crash.

    Args:
        saved_model: The folder to read.
        path: The LiteRT file to write.

    Raises:
        ExportError: If the process fails, with the last line that it said.
    """
    reason = run_module("export.litert_convert", saved_model, path)
    if not reason and path.exists():
        return
    raise ExportError(
        f"The LiteRT converter failed: {reason or 'it wrote no file'}.",
        "Export a SavedModel (format saved_model), or try another version of "
        "TensorFlow.",
    )


def operators(path: pathlib.Path) -> set[str]:
    """Reads the names of the operators that a LiteRT file uses.

    Args:
        path: The file.

    Returns:
        Names as in the schema, such as `"WHILE"`; `"CUSTOM FlexErf"` for an
        operator that is not builtin.

    Raises:
        ImportError: If ai-edge-litert is missing.
    """
    try:
        from ai_edge_litert import schema_py_generated as schema
    except ImportError as error:
        raise ImportError(
            f"The operator check needs ai-edge-litert ({error}). "
            "Install it: pip install ai-edge-litert"
        ) from error
    names = {
        value: name
        for name, value in vars(schema.BuiltinOperator).items()
        if isinstance(value, int)
    }
    model = schema.Model.GetRootAs(path.read_bytes(), 0)
    found = set()
    for index in range(model.OperatorCodesLength()):
        code = model.OperatorCodes(index)
        # Old files hold the code in a byte, new ones in an integer.
        number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        name = names.get(number, f"unknown operator {number}")
        custom = code.CustomCode()
        found.add(f"{name} {custom.decode()}" if custom else name)
    return found


def refuse_operators(names: set[str]) -> None:
    """Raises an error if an operator is one that the stock runtime lacks.

    Args:
        names: What `operators` returned.

    Raises:
        ExportError: If one of them is refused; the message names them.

    Example:

    >>> refuse_operators({"ADD", "WHILE"})
    """
    refused = sorted(
        name for name in names if any(word in name for word in REFUSED)
    )
    if refused:
        raise ExportError(
            "The model needs operators that the stock LiteRT runtime lacks "
            f"or that keep state between calls: {', '.join(refused)}.",
            "Replace the layer that uses them, or export a SavedModel.",
        )
