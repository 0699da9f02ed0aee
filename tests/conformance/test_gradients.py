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
from tests.cases.case import DecoderCase
from tests.gradients import assert_finite, gradients

MASK = np.array([[True] * 3 + [False] * 2, [False] * SOURCE])
TRAINED = [case for case in CASES if case.trains_alone]
FLOATS = [case for case in TRAINED if case.source_dim is not None]


def differentiate(case, layer, target, source, weigh=None, **options):
    """Returns gradients by the names of the weights, by target, by source."""
    _, (by_target, by_source), by_weight = gradients(
        lambda *inputs: case.call(layer, *inputs, training=True, **options)[0],
        [target, source],
        layer.trainable_weights,
        weigh,
    )
    names = [weight.path for weight in layer.trainable_weights]
    return dict(zip(names, by_weight, strict=True)), by_target, by_source


@pytest.mark.parametrize("case", sweep(FLOATS))
def test_gradients_are_finite_and_stop_at_the_mask(case):
    layer = case.built()
    target, source = case.data()
    source[0, 3:] = np.nan
    source[1] = np.inf
    rng = np.random.default_rng(1)
    shape = case.call(layer, target, source, mask=MASK)[0].shape
    by_weight, by_target, by_source = differentiate(
        case,
        layer,
        target,
        source,
        weigh=rng.normal(size=shape).astype("float32"),
        mask=MASK,
    )
    assert len(by_weight) == len(layer.trainable_weights)
    assert_finite(by_weight)
    if by_target is not None:
        assert np.isfinite(by_target).all()
    if isinstance(case, DecoderCase) and not case.has_alignments:
        assert not np.any(by_source), "it does not look at the memory"
        return
    assert np.isfinite(by_source).all()
    np.testing.assert_array_equal(by_source[~MASK], 0.0)
    assert np.abs(by_source[MASK]).max() > 0


@pytest.mark.parametrize(
    "case", sweep(case for case in CASES if case.source_dim is None)
)
def test_every_weight_of_a_token_model_learns(case):
    layer = case.built()
    target, source = case.data()
    _, _, by_weight = gradients(
        lambda: keras.losses.sparse_categorical_crossentropy(
            keras.ops.convert_to_tensor(target),
            case.call(layer, target, source, training=True)[0],
            from_logits=True,
        ),
        weights=layer.trainable_weights,
    )
    for weight, gradient in zip(
        layer.trainable_weights, by_weight, strict=True
    ):
        assert gradient is not None, weight.path
        assert np.isfinite(gradient).all(), weight.path
        assert np.abs(gradient).max() > 0, weight.path


@pytest.mark.parametrize(
    "case", sweep(case for case in ATTENTIONS if case.trains_alone)
)
def test_a_causal_mask_hides_the_future(case):
    layer = case.built()
    target, source = case.data(source_len=TARGET)
    first_row = np.zeros((1, TARGET, 1), "float32")
    first_row[:, 1] = 1.0
    _, _, by_source = differentiate(
        case, layer, target, source, weigh=first_row, use_causal_mask=True
    )
    np.testing.assert_array_equal(by_source[:, 2:], 0.0)
    assert np.abs(by_source[:, :2]).max() > 0
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
