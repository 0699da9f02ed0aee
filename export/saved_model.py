"""Writes a model as a SavedModel: strings in, strings out."""

import json
import os
import pathlib
from typing import Any

from export.settings import ExportSettings
from export.staging import staged

FORMAT = "keras_attention.saved_model"
VERSION = 1
# TensorFlow leaves the folder `assets.extra` to whoever writes the model.
DESCRIPTION = pathlib.PurePath("assets.extra", "keras_attention.json")


class SavedModelExporter:
    """Writes a SavedModel that takes strings and holds its tokenizers.

    Two signatures: `serving_default` (greedy) and `beam`. Both take `text`,
    a `(batch,)` tensor of strings, and return a dictionary:

    | key | shape | what |
    |---|---|---|
    | `text` | `(batch,)` | the answers; empty for empty or blank text |
    | `scores` | `(batch,)` | log-probability; `beam`: length-penalised |
    | `tokens` | `(batch, target_len)` | ids, 0 where padded |
    | `lengths` | `(batch,)` | tokens of each answer, with the end token |
    | `truncated` | `(batch,)` | whether the source was too long and cut |
    | `source_tokens` | `(batch, source_len)` | ids that were read |
    | `source_pieces`, `target_pieces` | as the ids | subwords |
    | `alignments` | `(batch, target_len, source_len)` | with attention only |

    The process that loads it needs tensorflow and tensorflow_text only.

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

    loaded = tf.saved_model.load("exported/fra-eng")
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
        """Writes the folder `path`, whole or not at all.

        Args:
            model: A built encoder-decoder with `encode` and `decode_step`.
            path: The folder. An earlier export there is replaced.
            source_tokenizer: Has `model`, SentencePiece bytes.
            target_tokenizer: Has `model`, SentencePiece bytes.
            settings: Limits, beam size and names.
            overwrite: Replace whatever stands at `path`.

        Returns:
            The absolute path that was written.

        Raises:
            ExportError: If something else stands at `path`, or if it cannot
                be written.
            ImportError: If tensorflow-text is missing.
        """
        from export.signatures import save
        from export.text_signatures import TextSignatures
        from keras_attention.search import BeamSearch, GreedySearch

        searches = {
            "serving_default": GreedySearch(),
            "beam": BeamSearch(
                beam_size=settings.beam_size,
                length_penalty=settings.length_penalty,
            ),
        }
        with staged(path, self.is_export, overwrite) as staging:
            module = TextSignatures(
                model,
                searches,
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
        return pathlib.Path(os.path.abspath(path))

    def is_export(self, path: pathlib.Path) -> bool:
        """Tells whether `path` holds what this class writes."""
        try:
            content = json.loads((path / DESCRIPTION).read_text("utf-8"))
        except (OSError, ValueError):
            return False
        return isinstance(content, dict) and content.get("format") == FORMAT
