"""The output layer that is the embedding's table."""

import keras
import numpy as np
import pytest

import keras_attention as ka
from tests.cases.case import VOCABULARY
from tests.cases.models import make_tied_model
from tests.tensors import numpy

IDS = {
    "source": np.array([[3, 4, 0], [5, 1, 2]]),
    "target": np.array([[1, 4], [1, 2]]),
}


def test_logits_are_products_with_the_table():
    model = make_tied_model()
    model(IDS)
    seen = {}
    layer = model.output_layer
    call = layer.call

    def watched(inputs, table):
        seen["inputs"] = numpy(inputs)
        return call(inputs, table)

    layer.call = watched
    rng = np.random.default_rng(2)
    bias = rng.normal(size=layer.bias.shape)
    layer.bias.assign(bias)
    logits = numpy(model(IDS))
    table = numpy(model.target_embedding.embeddings)
    expected = np.einsum("btd,vd->btv", seen["inputs"], table) + bias
    np.testing.assert_allclose(logits, expected, atol=1e-5)


def test_the_table_is_counted_and_saved_once(tmp_path):
    model = make_tied_model()
    logits = numpy(model(IDS))
    paths = [weight.path for weight in model.weights]
    assert len(paths) == len(set(paths))
    assert sum(weight.shape[0] == VOCABULARY for weight in model.weights) == 2
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(numpy(loaded(IDS)), logits, atol=1e-6)
    table = loaded.target_embedding.embeddings
    table.assign(numpy(table) * 2)
    assert np.abs(numpy(loaded(IDS)) - logits).max() > 1e-3


def test_wrong_parts_are_named():
    def model(**parts):
        return ka.EncoderDecoder(
            encoder=ka.RecurrentEncoder(4),
            decoder=ka.AttentionRNN(ka.AttentionCell(keras.layers.GRUCell(5))),
            source_embedding=keras.layers.Embedding(9, 3, mask_zero=True),
            output_layer="tied",
            **parts,
        )

    with pytest.raises(ValueError, match="needs a keras.layers.Embedding"):
        model()
    with pytest.raises(ValueError, match="outputs of width 5.*of width 3"):
        model(target_embedding=keras.layers.Embedding(9, 3))(IDS)
