"""Writes a model as a SavedModel: strings in, strings out."""

import json
import os
import pathlib
import re
from typing import Any

from export.errors import ExportError
from export.settings import ExportSettings
from export.staging import staged

FORMAT = "keras_attention.saved_model"
VERSION = 1
# TensorFlow leaves the folder `assets.extra` to whoever writes the model.
DESCRIPTION = pathlib.PurePath("assets.extra", "keras_attention.json")


class SavedModelExporter:
    """Writes a SavedModel that takes strings and holds its tokenizers.

    Signatures: `serving_default` (greedy search), `beam` (the n best),
    `score` (of given targets), and for callers who search themselves
    `encode`, `decode_step` and `detokenize`. `docs/serving.md` has what they
    take and return, in Python and through TensorFlow Serving.

    The process that loads it needs tensorflow and tensorflow_text only; with
    vocabularies in place of SentencePiece models (see `export.vocabulary`),
    tensorflow alone.

    Example:

    ```python
    SavedModelExporter().export(
        model,
        "exported/fra-eng",
        source_tokenizer=source_tokenizer,
        target_tokenizer=target_tokenizer,
        settings=ExportSettings(name="fra-eng"),
    )
    # Elsewhere:
    import tensorflow as tf
    import tensorflow_text  # registers the tokenizer's operators

    loaded = tf.saved_model.load("exported/fra-eng/1")
    translate = loaded.signatures["serving_default"]
    translate(text=tf.constant(["Bonjour !"]))["text"]
    ```
    """

    name = "saved_model"

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
        """Writes a version of a model, whole or not at all.

        Args:
            model: A built encoder-decoder with `encode` and `decode_step`.
            path: The model's folder, or that of a version; see
                `version_folder`. An earlier export of the same version is
                replaced, other versions stay.
            source_tokenizer: Has `model` (bytes): a SentencePiece model, or a
                vocabulary.
            target_tokenizer: Likewise.
            settings: Limits, search settings and names.
            overwrite: Replace whatever stands in the version's place.

        Returns:
            The absolute path of the version that was written.

        Raises:
            ExportError: If something else stands there, if it cannot be
                written, or if the settings ask for quantised weights.
            ImportError: If tensorflow-text is missing.
        """
        from export.signatures import save
        from export.text_signatures import TextSignatures

        if settings.quantize != "none":
            raise ExportError(
                "A SavedModel's weights are float32. "
                f"Received: quantize={settings.quantize!r}.",
                "Leave out the quantisation, or export to LiteRT.",
            )
        place = version_folder(path)
        with staged(place, self.is_export, overwrite) as staging:
            module = TextSignatures(
                model,
                source_tokenizer.model,
                target_tokenizer.model,
                settings,
            )
            save(module, staging)
            description = staging / DESCRIPTION
            description.parent.mkdir(exist_ok=True)
            content = {
                "format": FORMAT,
                "version": VERSION,
                "settings": settings.to_dict(),
            }
            description.write_text(json.dumps(content, indent=2), "utf-8")
        return place

    def is_export(self, path: pathlib.Path) -> bool:
        """Tells whether the folder of a version is what this class writes."""
        try:
            content = json.loads((path / DESCRIPTION).read_text("utf-8"))
        except (OSError, ValueError):
            return False
        return isinstance(content, dict) and content.get("format") == FORMAT


def version_folder(path: str | os.PathLike[str]) -> pathlib.Path:
    """Where a SavedModel goes: TensorFlow Serving wants versions.

    Args:
        path: The model's folder, whose version 1 is meant; or, if its name is
            a positive integer, the folder of that version.

    Returns:
        The absolute path of the version's folder.

    Example:

    >>> version_folder("/models/fra-eng")
    PosixPath('/models/fra-eng/1')
    >>> version_folder("/models/fra-eng/2")
    PosixPath('/models/fra-eng/2')
    """
    folder = pathlib.Path(os.path.abspath(path))
    if re.fullmatch(r"[1-9][0-9]*", folder.name):
        return folder
    return folder / "1"
