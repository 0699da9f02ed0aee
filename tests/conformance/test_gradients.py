"""Gradients reach every weight, and nothing that is masked or to come."""

import keras
import numpy as np
import pytest

from tests.cases import (
    ATTENTIONS,
    CASES,
    DECODER_CASES,
    MEMORY,
    SOURCE,
    TARGET,
    Decoder,
    numpy,
    sweep,
)

tf = pytest.importorskip("tensorflow")

MASK = np.array([[True] * 3 + [False] * 2, [False] * SOURCE])
FLOATS = [case for case in CASES if case.source_dim is not None]


def gradients(case, layer, target, source, weigh=None, **options):
    """Returns the gradients of the outputs' sum for weights and inputs."""
    target, source = tf.constant(target), tf.constant(source)
    with tf.GradientTape() as tape:
        tape.watch([target, source])
        outputs, _ = case.call(layer, target, source, training=True, **options)
        loss = tf.reduce_sum(outputs * (1.0 if weigh is None else weigh))
    weights = [weight.value for weight in layer.trainable_weights]
    found = tape.gradient(loss, [*weights, target, source])
    named = zip(layer.trainable_weights, found, strict=False)
    return {weight.path: one for weight, one in named}, found[-2], found[-1]


@pytest.mark.parametrize("case", sweep(FLOATS))
def test_gradients_are_finite_and_stop_at_the_mask(case):
    layer = case.built()
    target, source = case.data()
    source[0, 3:] = np.nan
    source[1] = np.inf
    rng = np.random.default_rng(1)
    shape = case.call(layer, target, source, mask=MASK)[0].shape
    by_weight, by_target, by_source = gradients(
        case,
        layer,
        target,
        source,
        weigh=rng.normal(size=shape).astype("float32"),
        mask=MASK,
    )
    assert len(by_weight) == len(layer.trainable_weights)
    for path, gradient in by_weight.items():
        assert gradient is not None, path
        assert np.isfinite(numpy(gradient)).all(), path
    if by_target is not None:
        assert np.isfinite(numpy(by_target)).all()
    if by_source is None:
        assert not case.has_alignments
        return
    assert np.isfinite(numpy(by_source)).all()
    np.testing.assert_array_equal(numpy(by_source)[~MASK], 0.0)
    assert np.abs(numpy(by_source)[MASK]).max() > 0


@pytest.mark.parametrize(
    "case", sweep(case for case in CASES if case.source_dim is None)
)
def test_every_weight_of_a_token_model_learns(case):
    layer = case.built()
    target, source = case.data()
    labels = tf.constant(target)
    with tf.GradientTape() as tape:
        outputs, _ = case.call(layer, target, source, training=True)
        loss = tf.reduce_mean(
            keras.losses.sparse_categorical_crossentropy(
                labels, outputs, from_logits=True
            )
        )
    weights = [weight.value for weight in layer.trainable_weights]
    for weight, gradient in zip(
        layer.trainable_weights, tape.gradient(loss, weights), strict=True
    ):
        assert gradient is not None, weight.path
        gradient = numpy(tf.convert_to_tensor(gradient))
        assert np.isfinite(gradient).all(), weight.path
        assert np.abs(gradient).max() > 0, weight.path


@pytest.mark.parametrize("case", sweep(ATTENTIONS))
def test_a_causal_mask_hides_the_future(case):
    layer = case.built()
    target, source = case.data(source_len=TARGET)
    first_row = np.zeros((1, TARGET, 1), "float32")
    first_row[:, 1] = 1.0
    _, _, by_source = gradients(
        case, layer, target, source, weigh=first_row, use_causal_mask=True
    )
    np.testing.assert_array_equal(numpy(by_source)[:, 2:], 0.0)
    assert np.abs(numpy(by_source)[:, :2]).max() > 0
    _, alignments = case.call(layer, target, source, use_causal_mask=True)
    np.testing.assert_array_equal(np.triu(numpy(alignments), 1), 0.0)


@pytest.mark.parametrize("case", sweep(DECODER_CASES))
def test_a_decoder_does_not_see_later_targets(case):
    layer = case.built()
    target, source = case.data()
    expected, _ = case.call(layer, target, source)
    changed = np.concatenate([target[:, :2], 9 + target[:, 2:]], axis=1)
    actual, _ = case.call(layer, changed, source)
    np.testing.assert_array_equal(numpy(actual)[:, :2], numpy(expected)[:, :2])
    assert np.abs(numpy(actual) - numpy(expected))[:, 2].max() > 0


def test_dropout_of_a_cell_is_drawn_anew_for_each_sequence():
    """And is the same for all its steps."""
    decoder = Decoder("lstm", "additive", "before", False, None).make()
    decoder.cell.cell.dropout = 0.5
    decoder.cell.cell.recurrent_dropout = 0.5
    inputs = np.ones((2, TARGET, 7), "float32")
    memory = np.ones((2, SOURCE, MEMORY), "float32")
    results = [
        numpy(decoder(inputs, memory=memory, training=True)[0])
        for _ in range(3)
    ]
    assert np.abs(results[1] - results[2]).max() > 1e-4
    quiet = [numpy(decoder(inputs, memory=memory)[0]) for _ in range(2)]
    np.testing.assert_array_equal(*quiet)
