"""What stands in the padding of a memory that is not copied."""

import keras
import numpy as np
import pytest

import keras_attention
from keras_attention import normalizers, windows
from tests.backends import needs_compiler, needs_dtype, needs_tensorflow
from tests.gradients import gradients
from tests.tensors import numpy

SCORES = ("dot", "scaled_dot", "general", "scaled_general")
# The exact marginal likelihood is the decoder's.
NORMALIZERS = sorted(set(normalizers.NORMALIZERS) - {"marginal"})
WIDTH, TARGET, SOURCE = 6, 3, 5
MASK = np.array([[True] * 3 + [False] * 2, [False] * SOURCE, [True] * SOURCE])


def inputs(padding, dtype="float32"):
    """Returns query, value and key; `padding` stands where it is masked."""
    rng = np.random.default_rng(3)
    query = rng.normal(size=(3, TARGET, WIDTH))
    value, key = rng.normal(size=(2, 3, SOURCE, WIDTH))
    value[~MASK], key[~MASK] = padding, padding
    return [one.astype(dtype) for one in (query, value, key)]


def results(layer, padding, **options):
    """Returns contexts, alignments and all gradients, in a list."""
    keras.utils.set_random_seed(5)
    given = inputs(padding)
    if not layer.built:
        layer.build([one.shape for one in given])
        keras.utils.set_random_seed(5)
    outputs, by_input, by_weight = gradients(
        lambda *tensors: layer(
            list(tensors),
            mask=[None, MASK],
            return_attention_scores=True,
            **options,
        ),
        given,
        layer.trainable_weights,
        upstream=np.random.default_rng(4).normal(size=(3, TARGET, WIDTH)),
    )
    return [numpy(outputs[0]), numpy(outputs[1]), *by_input, *by_weight]


def check(layer, padding, **options):
    expected = results(layer, 0.0, **options)
    actual = results(layer, padding, **options)
    for one, other in zip(expected, actual, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            assert np.isfinite(one).all()
            np.testing.assert_allclose(other, one, atol=1e-6)
    by_value, by_key = actual[3], actual[4]
    for gradient in (by_value, by_key):
        if gradient is not None:  # the hardmax has none for the key
            np.testing.assert_array_equal(gradient[~MASK], 0.0)


@pytest.mark.parametrize("padding", [np.nan, np.inf, -np.inf, 1e38])
@pytest.mark.parametrize("score", SCORES)
def test_nothing_in_the_padding_reaches_results_or_gradients(score, padding):
    check(
        keras_attention.LuongAttention(score)
        if score in ("dot", "scaled_dot", "general")
        else keras_attention.Attention(score),
        padding,
    )


@pytest.mark.parametrize("normalizer", NORMALIZERS)
def test_whatever_the_normalizer(normalizer):
    check(keras_attention.Attention("dot", normalizer=normalizer), np.nan)


@pytest.mark.parametrize("window", sorted(windows.WINDOWS))
def test_whatever_the_window(window):
    check(keras_attention.Attention("general", window), np.inf)


def test_with_a_causal_mask():
    check(keras_attention.LuongAttention("dot"), np.nan, use_causal_mask=True)


@pytest.mark.parametrize("normalizer", ["softmax", "gumbel", "monotonic"])
def test_in_training_too(normalizer):
    layer = keras_attention.Attention(
        "dot", normalizer=normalizer, dropout=0.3, seed=2
    )
    for padding in (0.0, np.nan):
        for one in results(layer, padding, training=True):
            assert one is None or np.isfinite(one).all()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_in_other_dtypes(dtype):
    needs_dtype(dtype)
    layer = keras_attention.LuongAttention("general", dtype=dtype)
    query, value, key = inputs(np.nan)
    context = layer([query, value, key], mask=[None, MASK])
    _, value, key = inputs(0.0)
    expected = layer([query, value, key], mask=[None, MASK])
    np.testing.assert_array_equal(numpy(context), numpy(expected))


@pytest.mark.parametrize("jit_compile", [False, True])
def test_as_a_compiled_function(jit_compile):
    needs_compiler(jit_compile)
    tf = needs_tensorflow()
    layer = keras_attention.LuongAttention("general")
    layer.build([(3, TARGET, WIDTH), (3, SOURCE, WIDTH)])

    @tf.function(jit_compile=jit_compile)
    def run(query, value, key):
        with tf.GradientTape() as tape:
            tape.watch([query, value, key])
            context = layer([query, value, key], mask=[None, MASK])
            loss = tf.reduce_sum(context**2)
        return context, *tape.gradient(loss, [query, value, key])

    for one, other in zip(run(*inputs(0.0)), run(*inputs(np.nan)), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_a_value_that_is_not_finite_where_it_is_looked_at_shows():
    """The guard hides the padding's numbers, not the user's."""
    layer = keras_attention.LuongAttention("dot")
    query, value, key = inputs(0.0)
    value[2, 1, 0] = np.nan
    context = numpy(layer([query, value, key], mask=[None, MASK]))
    assert np.isnan(context[2, :, 0]).all()
    assert np.isfinite(context[:2]).all()
