"""Embeddings for TensorBoard's projector, each vector with its token."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from pipelines.files import write_whole

CHECKPOINT, CONFIG = "embeddings.ckpt", "projector_config.pbtxt"
MOST_VECTORS = 10_000  # the projector gets slow


def write_embeddings(
    folder: str | Path, embeddings: dict[str, tuple[Any, Sequence[str]]]
) -> None:
    """Writes what the projector shows; what it showed before is replaced.

    Args:
        folder: One with event files: TensorBoard looks there.
        embeddings: By name, vectors `(number, dim)` and a label for each.
            The first 10,000 are shown.

    Raises:
        UserError, OSError, tf.errors.OpError: If they cannot be written.
    """
    folder = Path(folder)
    variables, blocks = {}, []
    for name, (vectors, labels) in embeddings.items():
        values = np.asarray(vectors, np.float32)[:MOST_VECTORS]
        if len(labels) != len(vectors):
            raise ValueError(
                f"`embeddings` must have a label for each vector. {name} has "
                f"{len(vectors)} vectors. Received: {len(labels)} labels."
            )
        variables[name] = tf.Variable(values, trainable=False)
        metadata = f"{name}.tsv"
        lines = [_line(label) for label in labels[:MOST_VECTORS]]
        write_whole(folder / metadata, "".join(lines).encode())
        blocks.append(
            "embeddings {\n"
            f"  tensor_name: {_quoted(f'{name}/.ATTRIBUTES/VARIABLE_VALUE')}\n"
            f"  metadata_path: {_quoted(metadata)}\n"
            "}\n"
        )
    tf.train.Checkpoint(**variables).write(str(folder / CHECKPOINT))
    # TensorBoard asks here for the checkpoint, so the folder may be moved.
    state = f"model_checkpoint_path: {_quoted(CHECKPOINT)}\n"
    write_whole(folder / "checkpoint", state.encode())
    write_whole(folder / CONFIG, "".join(blocks).encode())


def token_embeddings(
    model: Any, source_tokenizer: Any, target_tokenizer: Any
) -> dict[str, tuple[Any, Sequence[str]]]:
    """Finds the embeddings of a model of token sequences.

    Returns:
        What `write_embeddings` wants; without those that are no embeddings
        of the tokens.
    """
    found: dict[str, tuple[Any, Sequence[str]]] = {}
    for name, tokenizer in (
        ("source_embedding", source_tokenizer),
        ("target_embedding", target_tokenizer),
    ):
        layer = getattr(model, name, None)
        vectors = getattr(layer, "embeddings", None)
        size = tokenizer.vocabulary_size
        if vectors is not None and vectors.shape[0] == size:
            array = keras.ops.convert_to_numpy(vectors)
            found[name] = array, tokenizer.pieces(range(size))
    return found


def _line(label: str) -> str:
    """A line of the metadata: never empty, never two."""
    return (" ".join(label.split()) or repr(label)) + "\n"


def _quoted(text: str) -> str:
    return json.dumps(text)
