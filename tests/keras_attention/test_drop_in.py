"""In place of `keras.layers.Attention` and `AdditiveAttention`.

What Keras documents of its layers is asked of ours: the same call, the same
numbers. Where they differ on purpose: `test_drop_in_differences.py`.
"""

import keras
import numpy as np
import pytest

from tests.keras_pairs import (
    BATCH,
    KEY,
    PAIRS,
    QUERY,
    QUERY_MASK,
    SOURCE,
    TARGET,
    VALUE,
    VALUE_MASK,
    WIDE_VALUE,
    WIDTH,
    assert_same,
    draw,
    pair_of,
)
from tests.tensors import numpy, randomize

CALLS = {
    "value": lambda layer: layer([QUERY, KEY]),
    "key": lambda layer: layer([QUERY, WIDE_VALUE, KEY]),
    "value mask": lambda layer: layer([QUERY, KEY], mask=[None, VALUE_MASK]),
    "query mask": lambda layer: layer([QUERY, KEY], mask=[QUERY_MASK, None]),
    "both masks": lambda layer: layer(
        [QUERY, KEY], mask=[QUERY_MASK, VALUE_MASK]
    ),
    "three masks": lambda layer: layer(
        [QUERY, WIDE_VALUE, KEY], mask=[QUERY_MASK, VALUE_MASK, VALUE_MASK]
    ),
    "no mask in the list": lambda layer: layer([QUERY, KEY], mask=[None, None]),
    "scores": lambda layer: layer(
        [QUERY, WIDE_VALUE, KEY],
        mask=[None, VALUE_MASK],
        return_attention_scores=True,
    ),
    "causal": lambda layer: layer(
        [QUERY, KEY], use_causal_mask=True, return_attention_scores=True
    ),
    "causal and masked": lambda layer: layer(
        [QUERY, KEY],
        mask=[QUERY_MASK, VALUE_MASK],
        use_causal_mask=True,
    ),
    "more queries than values": lambda layer: layer(
        [KEY, QUERY], use_causal_mask=True, return_attention_scores=True
    ),
    "training without dropout": lambda layer: layer(
        [QUERY, KEY], training=True
    ),
    "mask by position": lambda layer: layer([QUERY, KEY], [None, VALUE_MASK]),
    "float64 arrays": lambda layer: layer(
        [QUERY.astype("float64"), KEY.astype("float64")]
    ),
    "one query": lambda layer: layer([QUERY[:, :1], KEY]),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("name", PAIRS)
def test_the_same_call_gives_the_same(name, call):
    theirs, ours = pair_of(name)
    assert_same(CALLS[call](ours), CALLS[call](theirs))


@pytest.mark.parametrize("name", PAIRS)
def test_shapes_and_masks_are_told_alike(name):
    theirs, ours = pair_of(name)
    shapes = [(BATCH, TARGET, WIDTH), (BATCH, SOURCE, VALUE)]
    wide = [*shapes, (BATCH, SOURCE, WIDTH)]
    for asked in (wide, [(None, None, WIDTH), (None, None, VALUE), wide[2]]):
        assert ours.compute_output_shape(asked) == (
            theirs.compute_output_shape(asked)
        )
    for masks in (
        None,
        [None, None],
        [None, VALUE_MASK],
        [QUERY_MASK, VALUE_MASK],
        [QUERY_MASK, None, None],
    ):
        told = [
            layer.compute_mask([QUERY, KEY], masks) for layer in (theirs, ours)
        ]
        if told[0] is None:
            assert told[1] is None
        else:
            np.testing.assert_array_equal(*(numpy(one) for one in told))
    assert ours.supports_masking


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("name", PAIRS)
def test_symbolic_tensors(name, known):
    sizes = (BATCH, TARGET, SOURCE) if known else (None,) * 3
    inputs = [
        keras.KerasTensor((sizes[0], sizes[1], WIDTH)),
        keras.KerasTensor((sizes[0], sizes[2], WIDTH)),
    ]
    theirs, ours = (
        layer(inputs, return_attention_scores=True) for layer in pair_of(name)
    )
    for one, other in zip(ours, theirs, strict=True):
        assert isinstance(one, keras.KerasTensor)
        assert one.shape == other.shape
        assert one.dtype == other.dtype
    assert pair_of(name)[1](inputs).shape == theirs[0].shape


@pytest.mark.parametrize("name", PAIRS)
def test_masks_of_embeddings(name, tmp_path):
    """A functional model on padded ids, whole, saved and read again."""
    rng = np.random.default_rng(0)
    queries = rng.integers(1, 29, (BATCH, TARGET)) * QUERY_MASK
    values = rng.integers(1, 29, (BATCH, SOURCE)) * VALUE_MASK
    embedding = keras.layers.Embedding(29, WIDTH, mask_zero=True)

    def model_of(layer):
        inputs = [keras.Input((None,)), keras.Input((None,))]
        embedded = [embedding(one) for one in inputs]
        # The query's mask goes on, to here.
        outputs = keras.layers.LSTM(7, seed=1)(layer(embedded))
        model = keras.Model(inputs, [layer(embedded), outputs])
        model.layers[-1].set_weights(
            [draw(*one.shape, seed=4) for one in model.layers[-1].get_weights()]
        )
        return model

    theirs, ours = (model_of(layer) for layer in pair_of(name))
    expected, actual = theirs([queries, values]), ours([queries, values])
    for one, other in zip(actual, expected, strict=True):
        np.testing.assert_allclose(numpy(one), numpy(other), atol=1e-5)
    ours.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    for one, other in zip(again([queries, values]), actual, strict=True):
        np.testing.assert_allclose(numpy(one), numpy(other), atol=1e-6)


@pytest.mark.parametrize("name", ["dot", "additive"])
def test_dropout_and_seed(name):
    """In training only; a seed makes it the same again, in both alike."""
    wide = draw(BATCH, 97, WIDTH, seed=5)
    for kind in (0, 1):
        first, second, other = (
            pair_of(name, dropout=0.5, seed=seed)[kind] for seed in (3, 3, 4)
        )
        quiet = numpy(first([QUERY, wide]))
        np.testing.assert_allclose(
            quiet, numpy(pair_of(name)[kind]([QUERY, wide])), atol=1e-5
        )
        loud = numpy(first([QUERY, wide], training=True))
        assert np.abs(loud - quiet).max() > 1e-3
        np.testing.assert_allclose(
            numpy(second([QUERY, wide], training=True)), loud, atol=1e-5
        )
        drawn = numpy(other([QUERY, wide], training=True))
        assert np.abs(drawn - loud).max() > 1e-3
        # And anew at every call.
        anew = numpy(first([QUERY, wide], training=True))
        assert np.abs(anew - loud).max() > 1e-3
        assert first.get_config()["dropout"] == 0.5
        assert first.get_config()["seed"] == 3


def test_training_gives_the_same():
    """Two steps of gradient descent through both, on the same numbers."""
    results = []
    for layer in pair_of("dot"):
        inputs = [keras.Input((None, WIDTH)), keras.Input((None, WIDTH))]
        query, value = (
            keras.layers.Dense(7, name=name)(one)
            for name, one in zip(("query", "value"), inputs, strict=True)
        )
        model = keras.Model(inputs, layer([query, value], mask=[None, None]))
        randomize(model, seed=6)
        model.compile(keras.optimizers.SGD(0.1), "mse")
        labels = draw(BATCH, TARGET, 7, seed=7)
        before = numpy(model([QUERY, KEY]))
        model.fit([QUERY, KEY], labels, epochs=2, verbose=0)
        results.append(numpy(model([QUERY, KEY])))
        assert np.abs(results[-1] - before).max() > 1e-3
    np.testing.assert_allclose(*results, atol=1e-4)
