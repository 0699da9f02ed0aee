"""Writes a LiteRT file of fixed sizes: for CompiledModel and for browsers."""

import os
import pathlib
from collections.abc import Sequence
from typing import Any

from export.errors import ExportError
from export.litert import check_needs, convert, refuse_xla
from export.operators import operators, refuse_operators
from export.package import append_package, is_package
from export.settings import ExportSettings
from export.staging import staged

BUCKETS = (16, 32, 64)


class LiteRTBucketsExporter:
    """Writes one `.tflite` file in which every tensor's size is known.

    LiteRT's `CompiledModel` and LiteRT.js, its runtime for browsers, take no
    sizes that are free. So this file has one pair of signatures for each
    length of the source, a bucket: `greedy_16` and `beam_16` read up to 16
    tokens, one sentence at a time; a shorter sentence is padded with zeros,
    which changes nothing. See `export.bucket_signatures` for their inputs and
    outputs. The signatures share the weights, which are stored once, as
    `settings.quantize` says. Builtin operators only.
    `export.runtime.Translator` runs the file on strings, `examples/browser`
    in a web page.

    The last bucket is always `settings.max_source_len`: what fits the other
    formats fits this one.

    Args:
        buckets: Numbers of source tokens, the end token included. Those that
            are not below `settings.max_source_len` are left out.

    Raises:
        ExportError: If `buckets` are not integers of at least 2.

    Example:

    ```python
    LiteRTBucketsExporter().export(
        model,
        "exported/fra-eng.buckets.tflite",
        source_tokenizer=source_tokenizer,
        target_tokenizer=target_tokenizer,
        settings=ExportSettings(name="fra-eng"),
    )
    ```
    """

    name = "litert_buckets"

    def __init__(self, buckets: Sequence[int] = BUCKETS) -> None:
        self.buckets = tuple(buckets)
        for bucket in self.buckets:
            # The end token is a token: a source needs room for one more.
            wrong = isinstance(bucket, bool) or not isinstance(bucket, int)
            if wrong or bucket < 2:
                raise ExportError(
                    "`buckets` must be integers of at least 2. "
                    f"Received: buckets={self.buckets!r}."
                )

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
            settings: Limits, search settings, names and quantisation.
            overwrite: Replace whatever stands at `path`.

        Returns:
            The absolute path that was written.

        Raises:
            ExportError: If something else stands at `path`, if it cannot be
                written, if the converter fails, if the settings ask for
                XLA, or if the model needs an operator that the stock runtime
                lacks, or a size that depends on the sentence.
            ImportError: If an optional package is missing; the message has
                the command that installs it.
        """
        check_needs(settings.quantize)
        refuse_xla(settings.xla)
        from export.bucket_signatures import BucketSignatures
        from export.signatures import save
        from keras_attention.time_loop import inference_loop

        buckets = fitting_buckets(self.buckets, settings.max_source_len)
        with staged(path, self.is_export, overwrite, file=True) as staging:
            module = BucketSignatures(model, settings, buckets)
            saved_model = staging.parent / "saved_model"
            with inference_loop():
                save(module, saved_model)
            convert(saved_model, staging, settings.quantize)
            refuse_operators(operators(staging))
            refuse_free_sizes(staging)
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


def fitting_buckets(buckets: Sequence[int], longest: int) -> list[int]:
    """Chooses the buckets for sources of up to some length.

    Args:
        buckets: Numbers of source tokens.
        longest: The longest source, in tokens.

    Returns:
        The buckets below `longest`, in order, and `longest`.

    Example:

    >>> fitting_buckets([16, 32, 64], 40)
    [16, 32, 40]
    """
    return [*sorted({one for one in buckets if one < longest}), longest]


def refuse_free_sizes(path: pathlib.Path) -> None:
    """Raises an error if a tensor's size is known only when the model runs.

    Args:
        path: A LiteRT file.

    Raises:
        ExportError: If there is one; the message names it.
        ImportError: If ai-edge-litert is missing.
    """
    try:
        from ai_edge_litert import schema_py_generated as schema
    except ImportError as error:
        raise ImportError(
            f"The check of sizes needs ai-edge-litert ({error}). "
            "Install it: pip install ai-edge-litert"
        ) from error
    model = schema.Model.GetRootAs(path.read_bytes(), 0)
    for graph in map(model.Subgraphs, range(model.SubgraphsLength())):
        for tensor in map(graph.Tensors, range(graph.TensorsLength())):
            sizes = range(tensor.ShapeSignatureLength())
            if any(tensor.ShapeSignature(axis) < 0 for axis in sizes):
                raise ExportError(
                    "The model needs a tensor whose size depends on the "
                    f"sentence: {tensor.Name().decode()}.",
                    "Export it with format litert, or replace the layer that "
                    "makes it.",
                )
