"""Where a model's attention layers look, whatever it is made of."""

import keras
import numpy as np
import pytest

import keras_attention
from keras_attention.base_attention import BaseAttention
from pipelines import record_alignments

BATCH, TARGET, SOURCE, QUERY, UNITS = 2, 3, 5, 7, 13
RANDOM = np.random.default_rng(0)
IDS = {
    "target": RANDOM.integers(1, 9, (BATCH, TARGET)).astype("int32"),
    "source": RANDOM.integers(1, 9, (BATCH, SOURCE)).astype("int32"),
}
IDS["target"][0, 2:] = 0
IDS["source"][1, 3:] = 0
FLOATS = [
    RANDOM.normal(size=(BATCH, length, QUERY)).astype("float32")
    for length in (TARGET, SOURCE)
]


def same(actual, expected):
    np.testing.assert_allclose(
        actual, keras.ops.convert_to_numpy(expected), atol=1e-6
    )


def embedded(layer):
    """A functional model of ids around an attention layer."""
    target, source = keras.Input((None,)), keras.Input((None,))
    embedding = keras.layers.Embedding(9, QUERY, mask_zero=True)
    context = layer([embedding(target), embedding(source)])
    return keras.Model([target, source], context), embedding


@pytest.mark.parametrize(
    "make",
    [
        lambda: keras_attention.AdditiveAttention(UNITS, name="look"),
        lambda: keras.layers.AdditiveAttention(name="look"),
    ],
    ids=["ours", "keras"],
)
def test_an_attention_layer(make):
    layer = make()
    model, embedding = embedded(layer)
    inputs = [IDS["target"], IDS["source"]]
    before = model(inputs)
    [(name, found)] = record_alignments(model, inputs).items()
    assert name == "look" and found.layer is layer
    same(found.target_mask, IDS["target"] != 0)
    same(found.source_mask, IDS["source"] != 0)
    _, expected = layer(
        [embedding(one) for one in inputs],
        mask=[one != 0 for one in inputs],
        return_attention_scores=True,
    )
    same(found.alignments, expected)
    assert found.alignments[1, :, 3:].max() == 0 < found.alignments.max()
    same(model(inputs), before)


def test_a_decoder_in_a_functional_model():
    cell = keras_attention.AttentionCell(
        keras.layers.GRUCell(UNITS), keras_attention.AdditiveAttention(11)
    )
    target, source = keras.Input((None,)), keras.Input((None,))
    embedding = keras.layers.Embedding(9, QUERY, mask_zero=True)
    decoder = keras_attention.AttentionRNN(cell, name="decoder")
    outputs = decoder(embedding(target), memory=embedding(source))
    model = keras.Model([target, source], outputs)
    inputs = [IDS["target"], IDS["source"]]
    [(name, found)] = record_alignments(model, inputs).items()
    assert name == "decoder" and found.layer is cell.attention
    teller = keras_attention.AttentionRNN(cell, return_attention_scores=True)
    expected = teller(
        embedding(inputs[0]),
        memory=embedding(inputs[1]),
        memory_mask=inputs[1] != 0,
    )[1]
    same(found.alignments, expected)
    same(found.target_mask, inputs[0] != 0)
    same(found.source_mask, inputs[1] != 0)


def encoder_decoder(attention, **options):
    return keras_attention.EncoderDecoder(
        encoder=keras_attention.RecurrentEncoder(UNITS),
        decoder=keras_attention.AttentionRNN(
            keras_attention.AttentionCell(
                keras.layers.LSTMCell(UNITS), attention
            ),
            name="decoder",
        ),
        source_embedding=keras.layers.Embedding(9, QUERY, mask_zero=True),
        target_embedding=keras.layers.Embedding(9, QUERY, mask_zero=True),
        output_layer=keras.layers.Dense(9),
        **options,
    )


def test_an_encoder_decoder():
    model = encoder_decoder(keras_attention.AdditiveAttention(11))
    [(name, found)] = record_alignments(model, IDS).items()
    assert name == "decoder"
    same(found.alignments, model(IDS, return_attention_scores=True)[1])
    same(found.target_mask, IDS["target"] != 0)
    same(found.source_mask, IDS["source"] != 0)


def test_several_attentions_of_a_decoder():
    model = encoder_decoder(
        [keras_attention.AdditiveAttention(11) for _ in range(2)]
    )
    found = record_alignments(model, IDS)
    assert list(found) == ["decoder_1", "decoder_2"]
    expected = model(IDS, return_attention_scores=True)[1]
    for one, other in zip(found.values(), expected, strict=True):
        same(one.alignments, other)


def test_a_decoder_without_attention():
    assert record_alignments(encoder_decoder(None), IDS) == {}


def test_heads_are_averaged():
    layer = keras.layers.MultiHeadAttention(2, UNITS, name="heads")
    query, value = (keras.Input((None, QUERY)) for _ in range(2))
    model = keras.Model([query, value], layer(query, value))
    found = record_alignments(model, FLOATS)["heads"]
    _, expected = layer(*FLOATS, return_attention_scores=True)
    same(found.alignments, keras.ops.mean(expected, axis=1))


def test_heads_over_a_grid():
    """All places of the query, and all of the key."""
    grid = RANDOM.normal(size=(BATCH, 2, 3, QUERY)).astype("float32")
    inputs = keras.Input((2, 3, QUERY))
    layer = keras.layers.MultiHeadAttention(2, UNITS, name="heads")
    model = keras.Model(inputs, layer(inputs, inputs))
    found = record_alignments(model, grid)["heads"]
    assert found.alignments.shape == (BATCH, 6, 6)
    same(found.alignments.sum(-1), np.ones((BATCH, 6)))
    _, expected = layer(grid, grid, return_attention_scores=True)
    mean = keras.ops.mean(expected, axis=1)
    same(found.alignments, keras.ops.reshape(mean, (BATCH, 6, 6)))


def test_heads_that_look_along_one_axis_are_left_out():
    inputs = keras.Input((2, 3, QUERY))
    layer = keras.layers.MultiHeadAttention(2, UNITS, attention_axes=(2,))
    model = keras.Model(inputs, layer(inputs, inputs))
    grid = RANDOM.normal(size=(BATCH, 2, 3, QUERY)).astype("float32")
    assert record_alignments(model, grid) == {}


def test_numbers_do_not_meet_the_names_of_others():
    """Keras itself calls the second layer of a kind `look_1`."""
    query, value = (keras.Input((None, QUERY)) for _ in range(2))
    first, other = (
        keras_attention.AdditiveAttention(UNITS, name=name)
        for name in ("look", "look_1")
    )
    once = first([query, value])
    twice = first([once, value])
    model = keras.Model([query, value], other([twice, value]))
    found = record_alignments(model, FLOATS)
    assert list(found) == ["look_2", "look_3", "look_1"]
    assert [one.layer for one in found.values()] == [first, first, other]
    _, expected = first(list(FLOATS), return_attention_scores=True)
    same(found["look_2"].alignments, expected)


def test_a_model_of_its_own_and_a_grid():
    class Model(keras.Model):
        def __init__(self):
            super().__init__()
            self.inner = {"look": keras_attention.LuongAttention(name="look")}

        def call(self, inputs):
            query, image = inputs
            context, alignments = self.inner["look"](
                [query, image], return_attention_scores=True
            )
            return self.inner["look"]([context, image]), alignments

    image = RANDOM.normal(size=(BATCH, 2, 3, QUERY)).astype("float32")
    model = Model()
    found = record_alignments(model, [FLOATS[0], image])
    assert list(found) == ["look_1", "look_2"]
    same(
        found["look_1"].alignments.reshape(BATCH, TARGET, 2, 3),
        model([FLOATS[0], image])[1],
    )


def test_samples_leave_no_trace():
    model = encoder_decoder(
        keras_attention.HardAttention("reinforce", seed=1), dropout=0.5
    )
    model(IDS)
    before = [keras.ops.convert_to_numpy(one) for one in model.variables]
    first, again = (
        record_alignments(model, IDS, training=True)["decoder"].alignments
        for _ in range(2)
    )
    same(first, again)  # Nor were random numbers used up.
    for one, value in zip(model.variables, before, strict=True):
        same(value, one)
    assert len(before) > 10


def test_what_scheduled_sampling_looks_at_before_is_no_sample():
    model = encoder_decoder(
        keras_attention.HardAttention("reinforce", seed=1),
        scheduled_sampling=0.5,
    )
    assert list(record_alignments(model, IDS, training=True)) == ["decoder"]


def test_afterwards_all_is_as_before():
    methods = BaseAttention.call, keras_attention.AttentionRNN.run
    model, _ = embedded(keras_attention.AdditiveAttention(UNITS))
    with pytest.raises(ValueError):
        record_alignments(model, [FLOATS[0]])
    record_alignments(model, [IDS["target"], IDS["source"]])
    assert BaseAttention.call is methods[0]
    assert keras_attention.AttentionRNN.run is methods[1]
