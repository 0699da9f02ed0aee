"""Cells with layer normalisation by themselves; their equations and sweeps
are those of all cells (`test_recurrent.py`, `conformance`)."""

import keras
import numpy as np
import pytest

import keras_attention as ka
from keras_attention import recurrent_cells
from tests.tensors import numpy, randomize

BOTH = pytest.mark.parametrize(
    "cell_class", [ka.LayerNormLSTMCell, ka.LayerNormGRUCell]
)
UNITS, DIM, FED = 7, 3, 2


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def built(cell_class, dim=DIM, **options):
    cell = cell_class(UNITS, **options)
    cell.build((None, dim))
    return randomize(cell, seed=1)


def states_of(cell, seed=2):
    sizes = recurrent_cells.state_sizes(cell)
    return [draw(2, size, seed=seed + i) for i, size in enumerate(sizes)]


@BOTH
def test_a_product_from_before_the_loop_is_the_same(cell_class):
    cell = built(cell_class, DIM + FED)
    inputs, fed, *states = (
        keras.ops.convert_to_tensor(one)
        for one in (draw(2, DIM), draw(2, FED, seed=9), *states_of(cell))
    )
    expected, _ = cell(keras.ops.concatenate([inputs, fed], axis=1), states)
    projected = recurrent_cells.project_inputs(cell, inputs)
    actual, _ = recurrent_cells.step(cell, projected, states, fed)
    np.testing.assert_allclose(numpy(actual), numpy(expected), atol=1e-6)


@BOTH
def test_in_a_layer_of_keras(cell_class):
    cell = built(cell_class)
    layer = keras.layers.RNN(cell, return_sequences=True)
    inputs = draw(2, 5, DIM)
    whole = numpy(layer(inputs))
    states = [np.zeros((2, size)) for size in recurrent_cells.state_sizes(cell)]
    for time in range(5):
        output, states = cell(inputs[:, time], states)
        np.testing.assert_allclose(
            whole[:, time], numpy(output), rtol=1e-5, atol=1e-6
        )


@BOTH
def test_the_size_of_inputs_and_kernels_does_not_matter(cell_class):
    """What layer normalisation is for; nothing but epsilon feels it."""
    cell = built(cell_class, epsilon=1e-12)
    inputs, states = draw(2, DIM), states_of(cell)
    before = numpy(cell(inputs, states)[0])
    for scaled in (cell.kernel, cell.recurrent_kernel):
        scaled.assign(1000.0 * numpy(scaled))
    np.testing.assert_allclose(
        numpy(cell(10.0 * inputs, states)[0]), before, atol=1e-4
    )


@BOTH
def test_nothing_to_normalise_is_no_nan(cell_class):
    cell = built(cell_class)
    states = [np.zeros((2, n)) for n in recurrent_cells.state_sizes(cell)]
    output, _ = cell(np.zeros((2, DIM)), states)
    assert np.isfinite(numpy(output)).all()


@BOTH
def test_large_half_floats_stay_finite(cell_class):
    """Squares of more than 256 would not."""
    cell = built(cell_class, dtype="mixed_float16")
    inputs = np.full((2, DIM), 1000.0, "float16") * draw(2, DIM).astype(
        "float16"
    )
    output, _ = cell(inputs, [one.astype("float16") for one in states_of(cell)])
    assert keras.backend.standardize_dtype(output.dtype) == "float16"
    assert np.isfinite(numpy(output)).all()


@BOTH
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epsilon": 0}, "`epsilon` must be a positive number"),
        ({"epsilon": True}, "`epsilon` must be a positive number"),
        ({"dropout": 0.1}, "has no dropout inside"),
        ({"recurrent_dropout": 0.1}, "has no dropout inside"),
    ],
)
def test_errors(cell_class, options, message):
    with pytest.raises(ValueError, match=message):
        cell_class(UNITS, **options)


def test_a_gru_resets_after_the_product():
    with pytest.raises(ValueError, match="reset_after=False"):
        ka.LayerNormGRUCell(UNITS, reset_after=False)


@BOTH
def test_config_and_saving(cell_class, tmp_path):
    cell = cell_class(UNITS, epsilon=0.01, name="mine")
    again = cell_class.from_config(cell.get_config())
    assert (again.epsilon, again.units, again.name) == (0.01, UNITS, "mine")
    inputs = keras.Input((None, DIM))
    model = keras.Model(inputs, keras.layers.RNN(cell)(inputs))
    randomize(model, seed=3)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    data = draw(2, 5, DIM)
    np.testing.assert_allclose(
        numpy(loaded(data)), numpy(model(data)), atol=1e-6
    )
