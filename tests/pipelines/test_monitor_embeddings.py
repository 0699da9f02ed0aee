"""What the projector is given, read back as TensorBoard reads it."""

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorboard.plugins.projector import ProjectorConfig

from pipelines.tensorboard import embeddings

VECTORS = np.random.default_rng(0).normal(size=(5, 3)).astype("float32")
LABELS = ["a", "b c", "\t", "", "é\n"]


def test_vectors_and_labels(tmp_path, monkeypatch):
    monkeypatch.setattr(embeddings, "MOST_VECTORS", 4)
    folder = tmp_path / "here"
    folder.mkdir()
    for _ in range(2):  # The second time replaces the first.
        embeddings.write_embeddings(
            folder, {"words": (VECTORS, LABELS), "other": (VECTORS, LABELS)}
        )
    folder = folder.rename(tmp_path / "moved")
    config = text_format.Parse(
        (folder / "projector_config.pbtxt").read_text(), ProjectorConfig()
    )
    reader = tf.train.load_checkpoint(tf.train.latest_checkpoint(str(folder)))
    assert len(config.embeddings) == 2
    for one in config.embeddings:
        vectors = reader.get_tensor(one.tensor_name)
        np.testing.assert_array_equal(vectors, VECTORS[:4])
        lines = (folder / one.metadata_path).read_text().split("\n")
        assert lines == ["a", "b c", r"'\t'", "''", ""]


def test_a_label_for_each_vector(tmp_path):
    with pytest.raises(ValueError, match="words has 5 vectors. Received: 4"):
        embeddings.write_embeddings(tmp_path, {"words": (VECTORS, LABELS[:4])})
