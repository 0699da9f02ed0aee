"""Scores inside decoders; where they reach, and what they add to the loss."""

import keras
import numpy as np
import pytest

import keras_attention as ka
from keras_attention import functional, scores
from keras_attention.time_loop import inference_loop
from tests import reference
from tests.backends import needs_compiler
from tests.cases import BATCH, HIDDEN, MEMORY, QUERY, SOURCE, TARGET, UNITS
from tests.gradients import gradients
from tests.keras_attention.score_cases import (
    FILTERS,
    LOCATION_SENSITIVE,
    MASK,
    NO_COPIES,
    draw,
    every,
    once,
)
from tests.tensors import numpy, randomize


def decoder_of(attention, attend, **options):
    cell = ka.AttentionCell(
        keras.layers.LSTMCell(HIDDEN), attention, attend=attend
    )
    return ka.AttentionRNN(cell, **options)


@pytest.mark.parametrize("attend", ["before", "after"])
@every
def test_decoder_equations(tried, attend):
    """The paper's, step by step; the cell's steps and both loops agree."""
    inputs, memory = draw(8)
    layer = decoder_of(tried.attention(), attend, return_attention_scores=True)
    layer(inputs, memory=memory)
    randomize(layer, seed=9)
    call = {"memory": memory, "memory_mask": MASK}
    whole, alignments = layer(inputs, **call)
    cell = layer.cell
    lstm = reference.lstm_cell(*[numpy(one) for one in cell.cell.weights])
    for row in range(BATCH):
        outputs, looked, _ = reference.decode(
            inputs[row],
            memory[row],
            [lstm],
            [[np.zeros(HIDDEN)] * 2],
            reference.remembering(
                tried.reference(cell.attention.score), allowed=MASK[row]
            ),
            attend == "before",
        )
        np.testing.assert_allclose(numpy(whole)[row], outputs, atol=1e-5)
        np.testing.assert_allclose(numpy(alignments)[row], looked, atol=1e-5)
    with inference_loop():
        again, _ = layer(inputs, **call)
    np.testing.assert_allclose(numpy(again), numpy(whole), atol=1e-6)
    memory = keras.ops.convert_to_tensor(memory * MASK[..., None])
    states = cell.get_initial_state(BATCH, memory=memory)
    for time in range(TARGET):
        output, states = cell(
            inputs[:, time],
            states,
            memory=memory,
            memory_mask=keras.ops.convert_to_tensor(MASK),
        )
        np.testing.assert_allclose(
            numpy(output), numpy(whole)[:, time], atol=1e-5
        )


def fit(attention, attend, jit_compile):
    needs_compiler(jit_compile)
    target = keras.Input((None, QUERY))
    memory = keras.Input((None, MEMORY))
    mask = keras.Input((None,), dtype="bool")
    outputs = decoder_of(attention, attend)(
        target, memory=memory, memory_mask=mask
    )
    outputs = keras.layers.Dense(2)(outputs)
    model = keras.Model([target, memory, mask], outputs)
    model.compile(keras.optimizers.Adam(0.01), "mse", jit_compile=jit_compile)
    data = [*draw(10), MASK]
    expected = np.tanh(numpy(model(data))[::-1]).astype("float32")
    history = model.fit(data, expected, epochs=3, verbose=0, shuffle=False)
    losses = history.history["loss"]
    assert np.isfinite(losses).all()
    assert losses[-1] < losses[0]


def test_fit_with_xla():
    fit(LOCATION_SENSITIVE.attention(), "before", True)


@pytest.mark.slow
@once
def test_every_score_fits_with_xla(tried):
    # XLA takes long: one place each. The equations are tested in both.
    place = ("before", "after")[NO_COPIES.index(tried) % 2]
    fit(tried.attention(), place, True)


class TestLocation:
    def test_beyond_its_reach_there_is_nothing(self):
        """Even where all that the mask lets through lies there."""
        layer = ka.Attention(score=scores.LocationScore(3))
        query, value = draw(11)
        mask = np.array([[False] * 3 + [True] * 2, [True] * SOURCE])
        context, alignments = layer(
            [query, value], mask=[None, mask], return_attention_scores=True
        )
        np.testing.assert_array_equal(numpy(context)[0], 0.0)
        np.testing.assert_array_equal(numpy(alignments)[0], 0.0)
        np.testing.assert_array_equal(numpy(alignments)[1, :, 3:], 0.0)
        np.testing.assert_allclose(numpy(alignments)[1].sum(-1), 1.0, atol=1e-6)

    def test_the_reach_narrows_every_normaliser(self):
        layer = ka.Attention(
            score=scores.LocationScore(2), normalizer="hardmax"
        )
        query, value = draw(12)
        _, alignments = layer([query, value], return_attention_scores=True)
        np.testing.assert_array_equal(numpy(alignments)[..., 2:], 0.0)
        np.testing.assert_array_equal(numpy(alignments).sum(-1), 1.0)


class TestCoverageLoss:
    WEIGHT = 1.5

    def attention(self, weight=WEIGHT):
        return ka.Attention(score=scores.CoverageScore(UNITS, True, weight))

    def expected(self, alignments):
        losses = [reference.coverage_loss(one) for one in numpy(alignments)]
        return self.WEIGHT * np.mean(losses)

    def test_of_a_layer(self):
        layer = self.attention()
        query, value = draw(13)
        layer([query, value])
        assert layer.losses == []
        randomize(layer)
        _, alignments = layer(
            [query, value],
            mask=[None, MASK],
            training=True,
            return_attention_scores=True,
        )
        (loss,) = layer.losses
        expected = self.expected(alignments)
        assert expected > 0.1
        np.testing.assert_allclose(numpy(loss), expected, rtol=1e-5)

    @pytest.mark.parametrize("attend", ["before", "after"])
    def test_of_a_decoder(self, attend):
        layer = decoder_of(
            self.attention(), attend, return_attention_scores=True
        )
        inputs, memory = draw(14)
        layer(inputs, memory=memory)
        randomize(layer)
        _, alignments = layer(
            inputs, memory=memory, memory_mask=MASK, training=True
        )
        (loss,) = layer.losses
        np.testing.assert_allclose(
            numpy(loss), self.expected(alignments), rtol=1e-5
        )

    def test_weights_of_steps(self):
        """A step that does not count in the model's loss has no coverage."""
        score = scores.CoverageScore(loss_weight=2.0)
        notes = np.array([[[0.0], [0.5], [0.25]]], "float32")
        weights = np.array([[0.5, 0.25, 0.0]], "float32")
        loss = score.auxiliary_loss(notes, None, weights)
        np.testing.assert_allclose(numpy(loss), 2.0 * 0.5 * 0.25)

    def test_it_trains(self):
        """Alone, the loss makes the steps look at different positions."""
        query, value = draw(15)
        inputs = [keras.Input((None, QUERY)), keras.Input((None, MEMORY))]
        layer = self.attention(1.0)
        model = keras.Model(inputs, 0.0 * layer(inputs))
        model.compile(keras.optimizers.Adam(0.05), "mse", jit_compile=False)
        history = model.fit(
            [query, value],
            np.zeros_like(value[:, :TARGET]),
            epochs=30,
            verbose=0,
        )
        losses = history.history["loss"]
        assert losses[-1] < 0.7 * losses[0]


@pytest.mark.parametrize("width", [1, 2, 3, 6, 7, 11])
def test_location_features(width):
    rng = np.random.default_rng(16)
    alignments = rng.uniform(size=(BATCH, SOURCE))
    filters = rng.normal(size=(width, 1, FILTERS))
    actual = functional.location_features(
        *map(keras.ops.convert_to_tensor, (alignments, filters))
    )
    for row in range(BATCH):
        np.testing.assert_allclose(
            numpy(actual)[row],
            reference.location_features(alignments[row], filters[:, 0].T),
            atol=1e-5,
        )


def test_coverage():
    rng = np.random.default_rng(17)
    alignments = rng.dirichlet(np.ones(SOURCE), (BATCH, TARGET))
    tensor = keras.ops.convert_to_tensor(alignments)
    covered = functional.coverage(tensor)
    losses = functional.coverage_loss(tensor)
    for row in range(BATCH):
        np.testing.assert_allclose(
            numpy(covered)[row], reference.coverage(alignments[row]), atol=1e-6
        )
        np.testing.assert_allclose(
            numpy(losses)[row],
            reference.coverage_loss(alignments[row]),
            atol=1e-6,
        )
    half = functional.coverage_loss(keras.ops.cast(tensor, "float16"))
    assert keras.backend.standardize_dtype(half.dtype) == "float32"
    np.testing.assert_allclose(numpy(half), numpy(losses), atol=1e-3)


def test_a_vector_without_a_direction_stays():
    normalized, found, _ = gradients(
        functional.weight_normalized,
        [np.zeros(3, "float32"), np.float32(2.0)],
    )
    np.testing.assert_array_equal(numpy(normalized), 0.0)
    for gradient in found:
        assert np.isfinite(gradient).all()
