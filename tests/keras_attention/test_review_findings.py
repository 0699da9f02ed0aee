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


class Reader(keras.layers.Layer):
    """An encoder that embeds: Keras carries its mask to its outputs."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.table = keras.layers.Embedding(9, QUERY, mask_zero=True)
        self.recurrent = keras.layers.GRU(
            QUERY, return_sequences=True, return_state=True
        )

    def call(self, ids):
        memory, state = self.recurrent(self.table(ids))
        return memory, [state]


def test_an_encoder_that_embeds_masks_its_padding():
    model = ka.EncoderDecoder(
        Reader(),
        decoder(),
        target_embedding=keras.layers.Embedding(9, 13),
    )
    source = np.array([[1, 2, 3, 0, 0], [4, 5, 6, 7, 8]])
    target = np.array([[1, 2, 3], [4, 5, 6]])
    outputs, alignments = model(
        {"source": source, "target": target}, return_attention_scores=True
    )
    alignments = numpy(alignments)
    assert (alignments[0, :, 3:] == 0).all() and (alignments[1] > 0).all()
    alone = model({"source": source[:1, :3], "target": target[:1]})
    np.testing.assert_allclose(numpy(outputs)[:1], numpy(alone), atol=1e-5)
    memory, _ = model.encode(source)
    np.testing.assert_array_equal(numpy(memory.mask), source != 0)


def test_one_embedding_for_both_sides_stays_one():
    table = keras.layers.Embedding(9, QUERY)
    model = ka.EncoderDecoder(
        ka.RecurrentEncoder(QUERY),
        decoder(),
        source_embedding=table,
        target_embedding=table,
    )
    again = ka.EncoderDecoder.from_config(model.get_config())
    assert again.source_embedding is again.target_embedding
    again = keras.models.clone_model(model)
    assert again.source_embedding is again.target_embedding
    apart = ka.EncoderDecoder(
        ka.RecurrentEncoder(QUERY),
        decoder(),
        source_embedding=table,
        target_embedding=keras.layers.Embedding(9, QUERY),
    )
    again = ka.EncoderDecoder.from_config(apart.get_config())
    assert again.source_embedding is not again.target_embedding


@pytest.mark.parametrize("estimator", ["straight_through", "gumbel"])
def test_dropout_and_noise_of_one_seed_are_independent(estimator):
    layer = ka.HardAttention(estimator, score="dot", dropout=0.5, seed=5)
    drawn = layer.draw((20, 20, 10), training=True)
    chosen = numpy(drawn["normalizer"]).argmax(-1)[..., None]
    kept = np.take_along_axis(numpy(drawn["dropout"]), chosen, -1) > 0
    # Half of 400, give or take four standard deviations.
    assert 160 < kept.sum() < 240


def test_whole_numbers_are_read_as_floats():
    encoder, inputs = ka.RecurrentEncoder(QUERY), np.arange(30) % 3
    inputs = inputs.reshape(2, 5, 3)
    memory, states = encoder(inputs)
    expected, _ = encoder(inputs.astype("float32"))
    np.testing.assert_allclose(numpy(memory), numpy(expected), atol=1e-6)
    assert np.abs(numpy(memory)[0, 0] - numpy(memory)[0, 1]).max() > 1e-3
    layer = decoder()
    found = layer(inputs, memory=memory)
    expected = layer(inputs.astype("float32"), memory=memory)
    np.testing.assert_allclose(numpy(found), numpy(expected), atol=1e-6)


class Residual(keras.layers.StackedRNNCells):
    """Adds its inputs to its outputs."""

    def call(self, inputs, states, training=False, **kwargs):
        outputs, states = super().call(inputs, states, training, **kwargs)
        return outputs + inputs, states


def test_a_stack_with_a_call_of_its_own_is_called():
    cells = [keras.layers.GRUCell(13), keras.layers.LSTMCell(13)]
    stack = Residual(cells)
    cell = ka.AttentionCell(stack, ka.AdditiveAttention(11), attend="after")
    layer = ka.AttentionRNN(cell, return_state=True)
    inputs, memory = numbers(BATCH, TARGET, 13), numbers(BATCH, SOURCE, MEMORY)
    outputs, states = layer(inputs, memory=memory)
    expected = keras.layers.RNN(stack, return_sequences=True)(inputs)
    np.testing.assert_allclose(
        numpy(outputs)[..., :13], numpy(expected), atol=1e-5
    )
    assert [tuple(one.shape) for one in states] == [(BATCH, 13)] * 3


def test_dropout_in_a_stack_with_a_call_of_its_own():
    """New masks for every batch, of its size."""
    cells = [keras.layers.LSTMCell(13, dropout=0.5) for _ in range(2)]
    layer = ka.AttentionRNN(
        ka.AttentionCell(
            Residual(cells), ka.AdditiveAttention(11), attend="after"
        )
    )

    def run(batch):
        return numpy(
            layer(
                np.ones((batch, TARGET, 13), "float32"),
                memory=np.ones((batch, SOURCE, MEMORY), "float32"),
                training=True,
            )
        )

    first, second = run(BATCH), run(BATCH)
    assert np.abs(first - second).max() > 1e-3
    assert run(BATCH + 1).shape == (BATCH + 1, *first.shape[1:])


@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
def test_batches_are_counted_beyond_what_half_precision_counts(precision):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        layer = ka.HardAttention(
            normalizers.Gumbel(2.0, 0.5, decay_steps=9000), score="dot"
        )
        sampling = ka.ScheduledSampling(0.5, growing_steps=9000)
        query = numbers(BATCH, TARGET, QUERY)
        value = numbers(BATCH, SOURCE, QUERY)
        ids = ops.ones((BATCH, TARGET), "int32")
        layer([query, value], training=True)
        sampling(ids, value[:, :TARGET], training=True)
        counters = layer.normalizer.num_batches, sampling.num_batches
        for counter in counters:
            counter.assign(3000.0)
        for _ in range(5):
            layer([query, value], training=True)
            sampling(ids, value[:, :TARGET], training=True)
        assert [float(numpy(one)) for one in counters] == [3005.0] * 2
    finally:
        keras.config.set_dtype_policy(before)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_the_best_of_scores_that_overflowed_is_one_of_the_unmasked(dtype):
    scores = ops.convert_to_tensor([[-np.inf, -np.inf, 0.0]], dtype)
    mask = ops.convert_to_tensor([[True, True, False]])
    found = ka.functional.masked_hardmax(scores, mask)
    assert numpy(found).tolist() == [[1.0, 0.0, 0.0]]
    assert keras.backend.standardize_dtype(found.dtype) == dtype


def test_a_single_step_has_no_reward():
    attention = ka.HardAttention("reinforce", score="dot")
    cell = ka.AttentionCell(
        keras.layers.GRUCell(MEMORY), attention, attend="after"
    )
    memory = ops.convert_to_tensor(numbers(BATCH, SOURCE, MEMORY))
    states = cell.get_initial_state(BATCH, memory=memory)
    inputs = numbers(BATCH, 3)
    cell(inputs, states, memory=memory)
    with pytest.raises(ValueError, match="train it in an AttentionRNN"):
        cell(inputs, states, memory=memory, training=True)


def test_what_is_never_said_ends_nothing():
    with pytest.raises(ValueError, match="`end_token` must be a positive"):
        ka.search.GreedySearch(end_token=0)
