"""Wrong and unusual inputs: what they say, and what padding must not do."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_attention as ka
from keras_attention import normalizers, scores
from tests.tensors import numpy

BATCH, TARGET, SOURCE, QUERY, MEMORY = 2, 3, 5, 7, 11


def numbers(*shape):
    return np.random.default_rng(1).normal(size=shape).astype("float32")


def decoder(cell=None, attention=None):
    return ka.AttentionRNN(
        ka.AttentionCell(
            keras.layers.GRUCell(QUERY) if cell is None else cell,
            ka.AdditiveAttention(13) if attention is None else attention,
        )
    )


def coverage():
    return ka.Attention(score=scores.CoverageScore(13, loss_weight=1.0))


def padded(query, length):
    """The queries with something else behind, and where they are."""
    behind = 3.0 * np.ones((BATCH, length, query.shape[-1]), "float32")
    mask = np.arange(TARGET + length) < TARGET
    return (
        np.concatenate([query, behind], axis=1),
        np.broadcast_to(mask, (BATCH, TARGET + length)),
    )


def test_coverage_loss_leaves_masked_queries_out():
    layer, query = coverage(), numbers(BATCH, TARGET, QUERY)
    value = numbers(BATCH, SOURCE, MEMORY)
    layer([query, value], training=True)
    expected = float(numpy(layer.losses[0]))
    longer, mask = padded(query, 2)
    layer([longer, value], mask=[mask, None], training=True)
    np.testing.assert_allclose(
        float(numpy(layer.losses[0])), expected, rtol=1e-5
    )
    layer([longer, value], training=True)
    assert abs(float(numpy(layer.losses[0])) - expected) > 1e-3


def test_coverage_loss_of_a_decoder_leaves_masked_inputs_out():
    """The mask is the one that Keras carries along."""
    layer, inputs = decoder(attention=coverage()), numbers(BATCH, TARGET, 13)
    memory = ops.convert_to_tensor(numbers(BATCH, SOURCE, MEMORY))
    layer(inputs, memory=memory, training=True)
    expected = float(numpy(layer.losses[0]))
    longer, _ = padded(inputs, 2)
    masked = keras.layers.Masking(mask_value=3.0)(longer)
    layer(masked, memory=memory, training=True)
    np.testing.assert_allclose(
        float(numpy(layer.losses[0])), expected, rtol=1e-5
    )
    layer(longer, memory=memory, training=True)
    assert abs(float(numpy(layer.losses[0])) - expected) > 1e-3


def test_coverage_loss_of_masked_queries_alone_is_zero():
    layer, query = coverage(), numbers(BATCH, TARGET, QUERY)
    mask = np.zeros((BATCH, TARGET), "bool")
    layer(
        [query, numbers(BATCH, SOURCE, MEMORY)],
        mask=[mask, None],
        training=True,
    )
    assert float(numpy(layer.losses[0])) == 0.0


def test_integers_are_taken_as_floats():
    query = np.arange(BATCH * TARGET * QUERY).reshape(BATCH, TARGET, QUERY) % 3
    value = np.arange(BATCH * SOURCE * QUERY).reshape(BATCH, SOURCE, QUERY) % 2
    layer = ka.Attention()
    outputs = layer([query, value], return_attention_scores=True)
    expected = layer(
        [query.astype("float32"), value.astype("float32")],
        return_attention_scores=True,
    )
    for one, other in zip(outputs, expected, strict=True):
        np.testing.assert_array_equal(
            ops.convert_to_numpy(one), ops.convert_to_numpy(other)
        )


def test_one_initial_state_needs_no_list():
    layer, state = decoder(), numbers(BATCH, QUERY)
    inputs, memory = numbers(BATCH, TARGET, 13), numbers(BATCH, SOURCE, MEMORY)
    np.testing.assert_array_equal(
        ops.convert_to_numpy(
            layer(inputs, memory=memory, initial_state=ops.array(state))
        ),
        ops.convert_to_numpy(
            layer(inputs, memory=memory, initial_state=[ops.array(state)])
        ),
    )


def test_bridge_keeps_an_activation_that_is_a_function():
    bridge = ka.Bridge([QUERY, 13], activation=keras.activations.relu)
    again = ka.Bridge.from_config(bridge.get_config())
    assert again.activation is keras.activations.relu
    assert bridge.get_config()["activation"] == "relu"


def call(layer, *inputs, **arguments):
    return lambda: layer(*inputs, **arguments)


MEMORIES = numbers(BATCH, SOURCE, MEMORY)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ka.Attention(dropout="0.1"), "must be a number in"),
        (lambda: ka.Attention(dropout=None), "must be a number in"),
        (lambda: normalizers.Gumbel("a"), "must be a positive number"),
        (lambda: normalizers.Gumbel(float("inf")), "must be a positive number"),
        (lambda: normalizers.Reinforce("a"), r"must be in \[0, 1\]"),
        (lambda: normalizers.Reinforce(True), r"must be in \[0, 1\]"),
        (
            lambda: normalizers.Reinforce(baseline_decay="a"),
            r"must be in \[0, 1\)",
        ),
        (
            lambda: normalizers.Reinforce(reward_weight="a"),
            "`reward_weight` must be a number",
        ),
        (
            lambda: normalizers.Reinforce(entropy_weight=-1),
            "`entropy_weight` must be a number",
        ),
        (lambda: scores.CoverageScore(loss_weight=True), "must be a number"),
        (lambda: ka.HardAttention(None), "Expected an estimator"),
        (lambda: decoder(keras.layers.GRU(QUERY)), "must be a Keras RNN cell"),
        (
            call(decoder(), numbers(BATCH, 13), memory=MEMORIES),
            r"rank 3, \(batch, target_len",
        ),
        (
            call(
                decoder(),
                numbers(BATCH, TARGET, 13),
                memory=MEMORIES,
                initial_state=[numbers(BATCH, 13)],
            ),
            r"widths \[7\]",
        ),
        (call(ka.RecurrentEncoder(QUERY), numbers(BATCH, 13)), "Embedding"),
        (lambda: ka.Bridge(QUERY), "must be a list of the widths"),
        (lambda: ka.Bridge([]), "must be a list of the widths"),
        (lambda: ka.Bridge([2.5]), "must be a positive integer"),
        (call(ka.Bridge([QUERY]), numbers(BATCH, 13)), "list of states"),
        (lambda: ka.LuongAttention("dott"), "one of .* Did you mean 'dot'"),
        (lambda: ka.Attention(dropout=0.1, seed=True), "must be an integer"),
        (
            lambda: ka.RecurrentEncoder(QUERY, cell="lstn"),
            "Did you mean 'lstm'",
        ),
        (
            lambda: ka.RecurrentEncoder(QUERY, bidirectional="no"),
            "must be True or False",
        ),
        (
            lambda: ka.RecurrentEncoder(QUERY, dropout="a"),
            "must be a number in",
        ),
    ],
)
def test_errors_say_what_was_expected(make, message):
    with pytest.raises(ValueError, match=message):
        make()
