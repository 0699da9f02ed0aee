"""Attention layers against the papers' equations, and how they are called."""

import keras
import numpy as np
import pytest

import keras_attention as ka
from keras_attention import normalizers
from tests import reference
from tests.cases import (
    ATTENTIONS,
    MEMORY,
    QUERY,
    SOURCE,
    TARGET,
    UNITS,
    name_of,
    numpy,
    randomize,
    reference_attention,
)
from tests.gradients import gradients

MASK = np.array([[True, False, True, True, False], [True] * SOURCE])
KEY = 17


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("case", ATTENTIONS, ids=name_of)
def test_equations(case, masked, causal):
    layer = case.built(seed=3)
    query, value = case.data(seed=4)
    mask = MASK if masked else None
    actual = case.call(layer, query, value, mask=mask, use_causal_mask=causal)
    expected = reference_attention(
        layer, query, value, mask=mask, causal=causal
    )
    for ours, right in zip(actual, expected, strict=True):
        np.testing.assert_allclose(numpy(ours), right, atol=1e-5)


@pytest.mark.parametrize("score", ["additive", "general", "dot"])
def test_query_value_key_of_unequal_widths(score):
    """Positions are found by the keys, the context is made of the values."""
    rng = np.random.default_rng(0)
    width = KEY if score == "dot" else QUERY
    query = rng.normal(size=(2, TARGET, width)).astype("float32")
    value = rng.normal(size=(2, SOURCE, MEMORY)).astype("float32")
    key = rng.normal(size=(2, SOURCE, KEY)).astype("float32")
    layer = ka.Attention(score=score)
    layer([query, value, key])
    randomize(layer)
    expected, _ = reference_attention(layer, query, value, key, mask=MASK)
    masks = [None, MASK, None]
    for inputs in ([query, value, key], (query, value, key)):
        for mask in (masks, masks[:2], tuple(masks)):
            np.testing.assert_allclose(
                numpy(layer(inputs, mask=mask)), expected, atol=1e-5
            )


def test_weights():
    """Their number, names and shapes: what a saved file holds."""
    shapes = {}
    for case in ATTENTIONS[:8]:
        layer = case.built()
        shapes[case.name] = {
            weight.name: tuple(weight.shape) for weight in layer.weights
        }
    assert shapes["AdditiveAttention-units=13"] == {
        "query_kernel": (QUERY, UNITS),
        "key_kernel": (MEMORY, UNITS),
        "scale": (UNITS,),
    }
    assert shapes["AdditiveAttention-use_bias=True"] == {
        "query_kernel": (QUERY, MEMORY),
        "key_kernel": (MEMORY, MEMORY),
        "scale": (MEMORY,),
        "bias": (MEMORY,),
    }
    assert shapes["LuongAttention-score=general"] == {"kernel": (MEMORY, QUERY)}
    assert shapes["LuongAttention-score=dot"] == {}


def test_the_query_mask_zeroes_the_context():
    case = ATTENTIONS[0]
    layer = case.built()
    query, value = case.data()
    query_mask = np.array([[True, True, False], [False, True, True]])
    expected = numpy(layer([query, value]))
    query[~query_mask] = np.nan
    actual = numpy(layer([query, value], mask=[query_mask, None]))
    np.testing.assert_array_equal(actual[~query_mask], 0.0)
    np.testing.assert_allclose(
        actual[query_mask], expected[query_mask], atol=1e-6
    )


@pytest.mark.parametrize("score", ["dot", "scaled_dot"])
@pytest.mark.parametrize("causal", [False, True])
def test_in_place_of_keras_attention(score, causal):
    """Where the two are the same layer, they give the same numbers."""
    rng = np.random.default_rng(0)
    query = rng.normal(size=(2, TARGET, MEMORY)).astype("float32")
    value = rng.normal(size=(2, SOURCE, MEMORY)).astype("float32")
    key = rng.normal(size=(2, SOURCE, MEMORY)).astype("float32")
    query_mask = np.array([[True, True, False], [True] * 3])
    scale = 1.0 if score == "dot" else MEMORY**-0.5
    expected = keras.layers.Attention()(
        [query * scale, value, key],
        mask=[query_mask, MASK],
        use_causal_mask=causal,
        return_attention_scores=True,
    )
    actual = ka.LuongAttention(score)(
        [query, value, key],
        mask=[query_mask, MASK],
        use_causal_mask=causal,
        return_attention_scores=True,
    )
    np.testing.assert_allclose(numpy(actual[0]), numpy(expected[0]), atol=1e-5)
    np.testing.assert_allclose(
        numpy(actual[1])[query_mask], numpy(expected[1])[query_mask], atol=1e-5
    )


def test_masks_of_embeddings_are_found():
    embedding = keras.layers.Embedding(29, QUERY, mask_zero=True)
    layer = ka.AdditiveAttention(UNITS)
    queries = np.array([[4, 5, 0], [6, 0, 0]])
    values = np.array([[4, 5, 6, 0, 0], [7, 8, 9, 10, 11]])
    context, alignments = layer(
        [embedding(queries), embedding(values)], return_attention_scores=True
    )
    explicit = layer(
        [numpy(embedding(queries)), numpy(embedding(values))],
        mask=[queries != 0, values != 0],
    )
    np.testing.assert_allclose(numpy(context), numpy(explicit), atol=1e-6)
    np.testing.assert_array_equal(numpy(alignments)[0, :, 3:], 0.0)
    mask = keras.ops.convert_to_numpy(context._keras_mask)
    np.testing.assert_array_equal(mask, queries != 0)

    # The same in a functional model.
    inputs = [keras.Input((None,)), keras.Input((None,))]
    outputs = layer([embedding(one) for one in inputs])
    model = keras.Model(inputs, outputs)
    np.testing.assert_allclose(
        numpy(model([queries, values])), numpy(explicit), atol=1e-6
    )


def test_dropout_drops_alignments_in_training_only():
    query = np.ones((2, TARGET, MEMORY), "float32")
    value = np.ones((2, 499, MEMORY), "float32")
    layer = ka.LuongAttention("dot", dropout=0.5, seed=1)
    np.testing.assert_allclose(numpy(layer([query, value])), 1.0, atol=1e-5)
    first = numpy(layer([query, value], training=True))
    again = numpy(layer([query, value], training=True))
    assert np.abs(first - again).max() > 0
    # Kept ones are scaled up, so that the mean stays.
    np.testing.assert_allclose(first.mean(), 1.0, atol=0.1)


def test_hard_attention_takes_one_position_in_training_too():
    case = next(case for case in ATTENTIONS if case.name == "HardAttention")
    layer = case.built()
    query, value = case.data()
    for training in (False, True):
        context, alignments = case.call(layer, query, value, training=training)
        alignments = numpy(alignments)
        assert set(alignments.flatten()) == {0.0, 1.0}
        chosen = alignments.argmax(-1)
        for row in range(2):
            np.testing.assert_array_equal(
                numpy(context)[row], value[row][chosen[row]].astype("float64")
            )


def test_equal_scores_go_to_the_first():
    layer = ka.HardAttention(score="dot")
    value = np.arange(2 * SOURCE * 2, dtype="float32").reshape(2, SOURCE, 2)
    query = np.zeros((2, 1, 2), "float32")
    np.testing.assert_array_equal(
        numpy(layer([query, value]))[:, 0], value[:, 0]
    )
    mask = np.array([[False, False, True, True, True]] * 2)
    np.testing.assert_array_equal(
        numpy(layer([query, value], mask=[None, mask]))[:, 0], value[:, 2]
    )


def test_straight_through_gradient():
    """Forward the one-hot, backward the softmax's Jacobian."""
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(2, TARGET, SOURCE)).astype("float32")
    upstream = rng.normal(size=(2, TARGET, SOURCE)).astype("float32")
    alignments, (gradient,), _ = gradients(
        lambda scores: normalizers.get("hardmax")(
            scores, allowed=MASK[:, None], training=True
        ),
        [scores],
        upstream=upstream,
    )
    for row in range(2):
        for position in range(TARGET):
            own = scores[row, position].astype("float64")
            np.testing.assert_array_equal(
                numpy(alignments)[row, position],
                reference.hardmax(own, MASK[row]),
            )
            np.testing.assert_allclose(
                gradient[row, position],
                reference.softmax_gradient(
                    own, upstream[row, position], MASK[row]
                ),
                atol=1e-6,
            )


QUERY_VALUE = [np.ones((2, TARGET, 7)), np.ones((2, SOURCE, 11))]
VIDEO = np.ones((2, 3, 4, 4, 3))


def test_numpy_integers_are_integers():
    layer = ka.AdditiveAttention(np.int64(3))
    assert type(layer.get_config()["units"]) is int


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ka.AdditiveAttention(0), "`units` must be a positive"),
        (lambda: ka.AdditiveAttention(-3), "Received: units=-3"),
        (lambda: ka.AdditiveAttention(2.5), "Received: units=2.5"),
        (lambda: ka.AdditiveAttention(True), "use_scale"),
        (lambda: ka.AdditiveAttention(3, dropout=1.0), r"\[0, 1\)"),
        (lambda: ka.LuongAttention("generall"), "Did you mean 'general'"),
        (lambda: ka.LuongAttention("dot", units=3), "belongs to"),
        (lambda: ka.LuongAttention("concat", units=0), "positive integer"),
        (lambda: ka.Attention("generl"), "Did you mean 'general'?"),
        (lambda: ka.Attention(score=3), "Expected a score"),
        (lambda: ka.Attention(normalizer="softmx"), "'softmax'"),
        (lambda: ka.HardAttention(score=None), "Expected a score"),
        (
            lambda: ka.LuongAttention("dot")(QUERY_VALUE),
            "Received: query 7, key 11. Use score='general'",
        ),
        (lambda: ka.LuongAttention()(QUERY_VALUE[0]), "`\\[query, value\\]`"),
        (lambda: ka.LuongAttention()(QUERY_VALUE[:1]), "`\\[query, value\\]`"),
        (lambda: ka.LuongAttention()(QUERY_VALUE * 2), "`\\[query, value\\]`"),
        (
            lambda: ka.LuongAttention()([np.ones((2, 7)), QUERY_VALUE[1]]),
            "query of shape \\(2, 7\\)",
        ),
        (
            lambda: ka.LuongAttention()([QUERY_VALUE[0], VIDEO]),
            "\\(batch, height, width, channels\\)",
        ),
        (
            lambda: ka.LuongAttention()(
                [*QUERY_VALUE, np.ones((2, SOURCE + 1, 11))]
            ),
            "as many positions",
        ),
        (
            lambda: ka.LuongAttention()(QUERY_VALUE, mask=np.ones((2, 5))),
            "\\[query_mask, value_mask\\]",
        ),
    ],
)
def test_errors_help(make, message):
    with pytest.raises(ValueError, match=message):
        make()
