"""An encoder-decoder that reads images."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_attention as ka
from keras_attention.encoders import SequenceDropout
from keras_attention.functional import unflatten_grid
from tests.backends import needs_compiler
from tests.cases import (
    BATCH,
    HIDDEN,
    MEMORY,
    QUERY,
    TARGET,
    UNITS,
    VECTOR,
    VOCABULARY,
    numpy,
    randomize,
)

HEIGHT, WIDTH = 5, 29
ROWS, COLUMNS = 3, 15  # every second of them


@keras.saving.register_keras_serializable(package="tests")
class HalvingEncoder(keras.layers.Layer):
    """Every second row and column; a pixel that is padding stays padding."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.convolution = keras.layers.Conv2D(MEMORY, 1, strides=2)

    def build(self, inputs_shape):
        self.convolution.build(inputs_shape)

    def call(self, inputs, mask=None):
        features = self.convolution(inputs)
        counted = ops.ones_like(features[..., :1])
        if mask is not None:
            mask = self.compute_mask(inputs, mask)
            counted = ops.cast(ops.expand_dims(mask, -1), features.dtype)
        total = ops.sum(features * counted, axis=(1, 2))
        return features, [total / ops.sum(counted, axis=(1, 2))]

    def compute_mask(self, inputs, previous_mask=None):
        return None if previous_mask is None else previous_mask[:, ::2, ::2]


def make_functional_encoder():
    """The mean of the features is the state (Xu et al. 2015, 3.1.2)."""
    image = keras.Input((None, None, 3))
    features = keras.layers.Conv2D(MEMORY, 1, strides=2)(image)
    mean = keras.layers.GlobalAveragePooling2D()(features)
    return keras.Model(image, (features, [mean]))


def make_model(encoder=None, **options):
    return ka.EncoderDecoder(
        encoder=make_functional_encoder() if encoder is None else encoder,
        decoder=ka.AttentionRNN(
            ka.AttentionCell(
                keras.layers.GRUCell(HIDDEN), ka.AdditiveAttention(UNITS)
            )
        ),
        target_embedding=keras.layers.Embedding(VOCABULARY, QUERY),
        output_layer=keras.layers.Dense(VOCABULARY),
        **options,
    )


def make_images():
    shape = (BATCH, HEIGHT, WIDTH, 3)
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def make_inputs():
    tokens = np.random.default_rng(3).integers(4, VOCABULARY, (BATCH, TARGET))
    return {"source": make_images(), "target": tokens}


@pytest.mark.parametrize("masked", [False, True])
def test_an_encoder_of_images(masked):
    model = make_model(HalvingEncoder() if masked else None)
    inputs = make_inputs()
    model(inputs)
    randomize(model)
    mask = None
    if masked:
        # The second image is smaller than the first.
        mask = np.ones((BATCH, HEIGHT, WIDTH), bool)
        mask[1, 3:], mask[1, :, 20:] = False, False
        inputs["source_mask"] = mask
    outputs, alignments = model(inputs, return_attention_scores=True)
    assert alignments.shape == (BATCH, TARGET, ROWS, COLUMNS)

    memory, states = model.encode(inputs["source"], mask)
    assert memory.value.shape == (BATCH, ROWS, COLUMNS, MEMORY)
    assert memory.keys.shape == (BATCH, ROWS * COLUMNS, UNITS)
    for time in range(TARGET):
        step, states, looked = model.decode_step(
            inputs["target"][:, time], states, memory
        )
        looked = unflatten_grid(looked, memory.value.shape[1:3])
        np.testing.assert_allclose(
            numpy(step), numpy(outputs)[:, time], atol=1e-5
        )
        np.testing.assert_allclose(
            numpy(looked), numpy(alignments)[:, time], atol=1e-5
        )

    if masked:
        assert memory.mask.shape == (BATCH, ROWS, COLUMNS)
        # As if the smaller image had come alone.
        alone = {
            "source": inputs["source"][1:, :3, :20],
            "target": inputs["target"][1:],
        }
        expected, looked = model(alone, return_attention_scores=True)
        np.testing.assert_allclose(
            numpy(outputs)[1:], numpy(expected), atol=1e-5
        )
        np.testing.assert_allclose(
            numpy(alignments)[1:, :, :2, :10], numpy(looked), atol=1e-5
        )
        assert (numpy(alignments)[1, :, 2:] == 0.0).all()
        assert (numpy(alignments)[1, :, :, 10:] == 0.0).all()


def test_the_decoder_starts_from_the_mean_of_the_features():
    model, inputs = make_model(), make_inputs()
    model(inputs)
    randomize(model)
    kernel, bias = map(numpy, model.encoder.layers[1].weights)
    features = make_images()[:, ::2, ::2] @ kernel[0, 0] + bias
    weight, offset = map(numpy, model.bridge.dense.weights)
    expected = np.tanh(features.mean((1, 2)) @ weight + offset)
    _, states = model.encode(inputs["source"])
    np.testing.assert_allclose(numpy(states[0]), expected, atol=1e-5)


@pytest.mark.parametrize(
    "search",
    [ka.search.GreedySearch(), ka.search.BeamSearch(2)],
    ids=["greedy", "beam"],
)
def test_a_search_keeps_the_alignments_of_a_grid(search):
    model, inputs = make_model(), make_inputs()
    model(inputs)
    randomize(model)
    memory, states = model.encode(inputs["source"])
    result = search(model.decode_step, states, memory, VECTOR)
    looked = numpy(unflatten_grid(result.alignments, memory.value.shape[1:3]))
    assert looked.shape == (BATCH, VECTOR, ROWS, COLUMNS)
    said = numpy(result.tokens).astype("int32")
    start = np.full((BATCH, 1), search.start_token)
    _, expected = model(
        {
            "source": inputs["source"],
            "target": np.concatenate([start, said[:, :-1]], axis=1),
        },
        return_attention_scores=True,
    )
    expected = np.where((said > 0)[..., None, None], numpy(expected), 0.0)
    np.testing.assert_allclose(looked, expected, atol=1e-5)


def test_dropout_takes_a_channel_of_all_cells():
    ones = np.ones((BATCH, HEIGHT, WIDTH, 101), "float32")
    dropped = numpy(SequenceDropout(0.5, seed=0)(ones, training=True))
    assert set(dropped.flatten()) == {0.0, 2.0}
    np.testing.assert_array_equal(
        dropped, np.broadcast_to(dropped[:, :1, :1], ones.shape)
    )
    assert (dropped[0, 0, 0] != dropped[1, 0, 0]).any()

    model, inputs = make_model(dropout=0.5), make_inputs()
    quiet, loud = model(inputs), model(inputs, training=True)
    np.testing.assert_array_equal(numpy(model(inputs)), numpy(quiet))
    assert np.abs(numpy(loud) - numpy(quiet)).max() > 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("jit_compile", [False, True])
def test_it_is_trained_and_saved(jit_compile, tmp_path):
    needs_compiler(jit_compile)
    keras.utils.set_random_seed(1)
    model = make_model(HalvingEncoder())
    inputs = {**make_inputs(), "source_mask": make_images()[..., 0] > -0.3}
    model.compile(
        keras.optimizers.Adam(0.02),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=jit_compile,
    )
    history = model.fit(inputs, inputs["target"], epochs=8, verbose=0).history
    assert history["loss"][-1] < 0.7 * history["loss"][0]
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(
        numpy(again(inputs)), numpy(model(inputs)), atol=1e-6
    )


def test_a_functional_encoder_is_saved(tmp_path):
    model, inputs = make_model(), make_inputs()
    model(inputs)
    randomize(model)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(
        numpy(again(inputs)), numpy(model(inputs)), atol=1e-6
    )
