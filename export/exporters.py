"""Every format by its name, and the one call that does it all."""

import dataclasses
import difflib
import os
from collections.abc import Sequence
from typing import Any

from export import quantizations
from export.buckets import LiteRTBucketsExporter
from export.errors import ExportError
from export.litert import LiteRTExporter, check_needs, refuse_xla
from export.report import Report
from export.saved_model import SavedModelExporter, version_folder
from export.settings import ExportSettings
from export.staging import staged
from export.verify import verify

EXPORTERS: dict[str, Any] = {
    "saved_model": SavedModelExporter,
    "litert": LiteRTExporter,
    "litert_buckets": LiteRTBucketsExporter,
}


def get(name: str) -> Any:
    """Returns the exporter of a format.

    Args:
        name: A key of `EXPORTERS`.

    Returns:
        An object with `export(model, path, ...)` and `is_export(path)`.

    Raises:
        ExportError: If there is no such format.

    Example:

    >>> get("litert").name
    'litert'
    """
    if name not in EXPORTERS:
        near = difflib.get_close_matches(str(name), EXPORTERS, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ExportError(
            f"There is no export format {name!r}.{hint}",
            f"Choose one of: {', '.join(EXPORTERS)}.",
        )
    return EXPORTERS[name]()


def check(format: str, quantize: str = "none", xla: bool = False) -> None:
    """Looks at what was asked for, before all the work.

    Args:
        format: A key of `EXPORTERS`.
        quantize: A key of `export.quantizations.QUANTIZATIONS`.
        xla: Whether searches shall be compiled with XLA.

    Raises:
        ExportError: If there is no such format or quantisation, or if the
            format does not know the quantisation, or XLA.
        ImportError: If the package is missing that it needs.

    Example:

    >>> check("litert", "int8")
    """
    get(format)
    quantizations.get(quantize)
    if format == "saved_model" and quantize != "none":
        raise ExportError(
            f"A {format} export has no {quantize} weights.",
            "Quantize a LiteRT file: format litert.",
        )
    if format != "saved_model":
        refuse_xla(xla)
    check_needs(quantize)


def export_model(
    format: str,
    model: Any,
    path: str | os.PathLike[str],
    *,
    source_tokenizer: Any,
    target_tokenizer: Any,
    settings: ExportSettings,
    sentences: Sequence[str],
    overwrite: bool = False,
    references: Sequence[str] | None = None,
) -> Report:
    """Writes an artifact, compares it with the model, puts it in place.

    If anything fails, `path` stays as it was.

    Args:
        format: A key of `EXPORTERS`.
        model: A built encoder-decoder with `encode` and `decode_step`.
        path: The file (LiteRT) to write, or the folder (SavedModel), see
            `saved_model.version_folder`. An earlier export of this format
            there is replaced.
        source_tokenizer: Has `model` (bytes): a SentencePiece model, or a
            vocabulary (`export.vocabulary`); and `tokenize`.
        target_tokenizer: Likewise, and `detokenize`.
        settings: Limits, search settings and names.
        sentences: Sources to compare on, such as the test set's.
        overwrite: Replace whatever stands at `path`.
        references: A right answer for each of the sentences, to measure BLEU
            on; needs sacrebleu.

    Returns:
        The report of the verification.

    Raises:
        ExportError: If the artifact cannot be written, or if it does not
            answer as the model does.
        ImportError: If an optional package is missing; the message has the
            command that installs it.

    Example:

    ```python
    report = export_model(
        "litert",
        model,
        "model.tflite",
        source_tokenizer=source_tokenizer,
        target_tokenizer=target_tokenizer,
        settings=ExportSettings(name="fra-eng"),
        sentences=["Bonjour !", "Je ne sais pas."],
    )
    print(report.to_line())
    ```
    """
    check(format, settings.quantize, settings.xla)
    exporter = get(format)
    place = version_folder(path) if format == "saved_model" else path
    is_file = format != "saved_model"
    with staged(place, exporter.is_export, overwrite, file=is_file) as staging:
        exporter.export(
            model,
            staging,
            source_tokenizer=source_tokenizer,
            target_tokenizer=target_tokenizer,
            settings=settings,
        )
        report = verify(
            format,
            model,
            staging,
            (source_tokenizer, target_tokenizer),
            settings,
            sentences,
            None,
            references,
        )
    return dataclasses.replace(report, path=os.path.abspath(place))
