"""Padding that is only carried along, and half precision over long inputs."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_attention as ka
from keras_attention import windows
from tests.tensors import numpy

VOCABULARY, DIM = 9, 3


def embedding(kind):
    """What embeds with a mask, in three forms."""
    table = keras.layers.Embedding(VOCABULARY, DIM, mask_zero=True)
    if kind == "layer":
        return table
    if kind == "sequential":
        return keras.Sequential([table, keras.layers.Dropout(0.5)])
    ids = keras.Input((None,), dtype="int32")
    return keras.Model(ids, keras.layers.Dropout(0.5)(table(ids)))


def make_model(source_embedding, normalizer="softmax", window="global", **more):
    keras.utils.set_random_seed(4)
    cell = ka.AttentionCell(
        keras.layers.GRUCell(7, dtype=more.get("dtype")),
        ka.Attention("additive", window, normalizer, dtype=more.get("dtype")),
        attend="after",
        dtype=more.get("dtype"),
    )
    arguments = {
        "encoder": ka.RecurrentEncoder(5, dtype=more.get("dtype")),
        "target_embedding": keras.layers.Embedding(VOCABULARY, DIM),
        "output_layer": keras.layers.Dense(VOCABULARY),
    }
    return ka.EncoderDecoder(
        decoder=ka.AttentionRNN(cell, dtype=more.get("dtype")),
        source_embedding=source_embedding,
        **arguments | more,
    )


@pytest.mark.parametrize("kind", ["layer", "sequential", "functional"])
def test_padding_is_not_looked_at_whatever_embeds(kind):
    model = make_model(embedding(kind))
    target = np.array([[1, 2, 3]])
    outputs, alignments = model(
        {"source": np.array([[5, 6, 0, 0]]), "target": target},
        return_attention_scores=True,
    )
    np.testing.assert_array_equal(numpy(alignments)[..., 2:], 0.0)
    short = model({"source": np.array([[5, 6]]), "target": target})
    np.testing.assert_allclose(numpy(outputs), numpy(short), atol=1e-6)
    memory, _ = model.encode(np.array([[5, 6, 0, 0]]))
    assert numpy(memory.mask).tolist() == [[True, True, False, False]]


class PlainEncoder(keras.layers.Layer):
    """An encoder that knows nothing of masks; of every second position."""

    def __init__(self, step=1):
        super().__init__()
        self.supports_masking = True  # As Keras asks, which warns otherwise.
        self.step = step

    def call(self, inputs, training=False):
        del training
        value = inputs[:, :: self.step]
        return value, [value[:, 0]]


# Keras says first that it could not build the model.
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("kind", ["layer", "sequential", "functional"])
def test_an_encoder_need_not_take_a_mask(kind):
    inputs = {
        "source": np.array([[5, 6, 0, 0]]),
        "target": np.array([[1, 2, 3]]),
    }
    model = make_model(embedding(kind), encoder=PlainEncoder())
    _, alignments = model(inputs, return_attention_scores=True)
    assert numpy(alignments)[..., :2].min() > 0.0
    np.testing.assert_array_equal(numpy(alignments)[..., 2:], 0.0)
    shorter = make_model(embedding(kind), encoder=PlainEncoder(step=2))
    with pytest.raises(ValueError, match="must shorten its mask, too"):
        shorter(inputs)


def test_the_mask_of_a_source_without_embedding():
    model = make_model(None)
    source = np.ones((1, 4, DIM), "float32")
    source[:, 2:] = 0.0
    _, alignments = model(
        {
            "source": keras.layers.Masking()(source),
            "target": np.array([[1, 2, 3]]),
        },
        return_attention_scores=True,
    )
    np.testing.assert_array_equal(numpy(alignments)[..., 2:], 0.0)
    assert numpy(alignments)[..., :2].min() > 0.0


def test_the_mask_of_inputs_that_are_alone():
    """Without memory and states, Keras has no argument to put it into."""
    layer = ka.AttentionRNN(
        ka.AttentionCell(keras.layers.LSTMCell(4)), return_sequences=False
    )
    table = keras.layers.Embedding(VOCABULARY, DIM, mask_zero=True)
    padded = layer(table(np.array([[1, 2, 0, 0]])))
    short = layer(table(np.array([[1, 2]])))
    np.testing.assert_allclose(numpy(padded), numpy(short), atol=1e-6)


def test_dropout_leaves_what_is_not_embedded_whole():
    seen = []

    class Encoder(keras.layers.Layer):
        def call(self, inputs, training=False):
            seen.append(inputs)
            return inputs, [ops.mean(inputs, axis=1)]

    model = make_model(
        None, encoder=Encoder(), dropout=0.5, target_embedding=None
    )
    source = np.ones((8, 5, 1), "float32")
    target = np.ones((8, 4, 1), "float32")
    model({"source": source, "target": target})  # Makes the weights.
    model({"source": source, "target": target}, training=True)
    np.testing.assert_array_equal(numpy(seen[-1]), source)


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
def test_steps_take_floats_of_any_width(dtype):
    """As a whole sequence does."""
    inputs = np.random.default_rng(1).normal(size=(2, 3, DIM))
    inputs = inputs.astype("float32")
    model = make_model(embedding("layer"), target_embedding=None, dtype=dtype)
    source = np.array([[5, 6, 7], [5, 0, 0]])
    whole = model({"source": source, "target": inputs})
    memory, states = model.encode(source)
    for time in range(3):
        outputs, states, _ = model.decode_step(inputs[:, time], states, memory)
        np.testing.assert_allclose(
            numpy(ops.cast(outputs, "float32")),
            numpy(ops.cast(whole, "float32"))[:, time],
            atol=2e-2,
        )


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
def test_coverage_adds_up_over_many_steps(dtype):
    """A half-precision sum stops where a step is less than its last bit."""
    source_len, steps = 300, 400
    layer = ka.Attention(score="coverage", dtype=dtype)
    query = ops.zeros((1, 1, 4))
    value = ops.ones((1, source_len, 4))
    layer([query, value])
    keys = layer.project_keys(ops.cast(value, layer.compute_dtype))
    past = None
    for _ in range(steps):
        look = layer.attend(
            ops.cast(query, layer.compute_dtype),
            ops.cast(value, layer.compute_dtype),
            keys,
            past=past,
        )
        past = look.past
    total = numpy(past.accumulated)
    np.testing.assert_allclose(total, steps / source_len, rtol=5e-3)


def test_steps_that_may_look_nowhere_say_the_same_in_training():
    """The estimator "marginal", behind the end of a window."""
    model = make_model(
        embedding("layer"), "marginal", windows.LocalMonotonicWindow(1)
    )
    target = np.array([[1, 2, 3, 4, 5, 6]])
    short, long = np.array([[5, 6]]), np.array([[5, 6, 0, 0, 0]])
    trained = [
        numpy(model({"source": source, "target": target}, training=True))
        for source in (short, long)
    ]
    np.testing.assert_allclose(*trained, atol=1e-5)
    # From step 3 on nothing is within reach: what is said is the same, too.
    logits = model({"source": short, "target": target})
    said = numpy(ops.log_softmax(logits, axis=-1))
    np.testing.assert_allclose(trained[0][:, 3:], said[:, 3:], atol=1e-5)
    assert np.abs(trained[0][:, :2] - said[:, :2]).max() > 1e-5


@pytest.mark.parametrize("cell", [ka.LayerNormGRUCell, ka.LayerNormLSTMCell])
def test_large_inputs_are_normalised_in_float16(cell):
    inputs = np.random.default_rng(1).normal(size=(3, 64)).astype("float32")
    # Keras's own initializer has no float16 on every backend.
    options = {"recurrent_initializer": "glorot_uniform"}
    wide, half = (
        keras.layers.RNN(cell(4, dtype=dtype, **options), dtype=dtype)
        for dtype in ("float32", "float16")
    )
    expected = numpy(wide(inputs[:, None]))
    half(inputs[:, None])
    half.set_weights(wide.get_weights())
    found = numpy(half(100.0 * inputs[:, None]))
    assert np.abs(found).max() > 0.05
    np.testing.assert_allclose(found, expected, atol=2e-2)


def test_sequences_of_no_steps():
    encoder = ka.RecurrentEncoder(5)
    memory, states = encoder(ops.zeros((2, 0, DIM)))
    assert memory.shape == (2, 0, 10)
    assert [tuple(one.shape) for one in states] == [(2, 5)] * 4
    cell = ka.AttentionCell(keras.layers.GRUCell(7), ka.AdditiveAttention(6))
    decoder = ka.AttentionRNN(cell, return_state=True)
    outputs, states = decoder(
        ops.zeros((2, 0, DIM)), memory=ops.ones((2, 4, 10))
    )
    assert outputs.shape == (2, 0, 17)
    np.testing.assert_array_equal(numpy(states[0]), np.zeros((2, 7)))
