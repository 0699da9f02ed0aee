"""A functional model around the layers: compile, fit, save, load."""

import keras
import numpy as np

from keras_attention import (
    AdditiveAttention,
    AttentionCell,
    AttentionRNN,
    RecurrentEncoder,
)
from tests.tensors import numpy


def make_model():
    source = keras.Input((None,), dtype="int32", name="source")
    target = keras.Input((None,), dtype="int32", name="target")
    memory, states = RecurrentEncoder(16)(
        keras.layers.Embedding(31, 16, mask_zero=True)(source)
    )
    outputs, alignments = AttentionRNN(
        AttentionCell(keras.layers.LSTMCell(16), AdditiveAttention(16)),
        return_attention_scores=True,
    )(
        keras.layers.Embedding(29, 16)(target),
        memory=memory,
        initial_state=states[:2],
    )
    logits = keras.layers.Dense(29)(outputs)
    return keras.Model([source, target], logits), keras.Model(
        [source, target], alignments
    )


def test_compile_fit_save_load(tmp_path):
    model, looks = make_model()
    rng = np.random.default_rng(0)
    source = rng.integers(1, 31, (16, 7))
    source[::2, 5:] = 0
    target = rng.integers(1, 29, (16, 5))
    labels = source[:, :5] % 29
    model.compile(
        keras.optimizers.Adam(0.02),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    history = model.fit(
        [source, target], labels, batch_size=16, epochs=8, verbose=0
    ).history
    assert history["loss"][-1] < history["loss"][0]

    alignments = looks.predict([source, target], verbose=0)
    np.testing.assert_array_equal(alignments[::2, :, 5:], 0.0)
    np.testing.assert_allclose(alignments.sum(-1), 1.0, atol=1e-5)

    model.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras")
    np.testing.assert_allclose(
        numpy(again([source, target])),
        numpy(model([source, target])),
        atol=1e-6,
    )
