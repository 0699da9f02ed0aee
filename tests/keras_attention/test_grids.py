"""Attention over grids: as over their cells, row after row."""

import keras
import numpy as np
import pytest

import keras_attention as ka
from keras_attention.functional import flatten_grid, unflatten_grid
from tests.cases import (
    ATTENTIONS,
    BATCH,
    HIDDEN,
    MEMORY,
    QUERY,
    TARGET,
    UNITS,
    name_of,
    numpy,
    randomize,
    reference_attention,
)

HEIGHT, WIDTH, KEY = 5, 29, 31
REPRESENTATIVE = [case for case in ATTENTIONS if case.representative]


def make_grid(dim=MEMORY, seed=0, height=HEIGHT, width=WIDTH):
    shape = (BATCH, height, width, dim)
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def make_mask(seed=1):
    return np.random.default_rng(seed).random((BATCH, HEIGHT, WIDTH)) > 0.4


def make_query(dim=QUERY, seed=2):
    shape = (BATCH, TARGET, dim)
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def flat(array):
    """Rows one after the other."""
    return np.concatenate([array[:, row] for row in range(HEIGHT)], axis=1)


def make_decoder(attend="before", **options):
    cell = ka.AttentionCell(
        keras.layers.GRUCell(HIDDEN), ka.AdditiveAttention(UNITS), attend=attend
    )
    return ka.AttentionRNN(cell, return_attention_scores=True, **options)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("case", REPRESENTATIVE, ids=name_of)
def test_equations(case, masked):
    layer = case.make()
    query, grid = make_query(case.target_dim), make_grid()
    mask = make_mask() if masked else None
    layer([query, grid])
    randomize(layer)
    context, alignments = case.call(layer, query, grid, mask=mask)
    expected_context, expected = reference_attention(
        layer, query, flat(grid), mask=flat(mask) if masked else None
    )
    assert alignments.shape == (BATCH, TARGET, HEIGHT, WIDTH)
    np.testing.assert_allclose(numpy(context), expected_context, atol=1e-5)
    for row in range(HEIGHT):
        np.testing.assert_allclose(
            numpy(alignments)[:, :, row],
            expected[:, :, row * WIDTH : (row + 1) * WIDTH],
            atol=1e-5,
        )


def test_a_grid_of_keys_beside_the_values():
    layer = ka.AdditiveAttention(UNITS)
    query, value, key = make_query(), make_grid(), make_grid(KEY, seed=3)
    layer([query, value, key])
    randomize(layer)
    expected, _ = reference_attention(
        layer, query, flat(value), flat(key), mask=flat(make_mask())
    )
    actual = layer([query, value, key], mask=[None, make_mask()])
    np.testing.assert_allclose(numpy(actual), expected, atol=1e-5)


@pytest.mark.parametrize(
    "arguments",
    [
        {"window": "causal"},
        {"window": "local_p"},
        {"normalizer": "monotonic"},
    ],
    ids=str,
)
def test_positions_count_row_after_row(arguments):
    layer = ka.Attention(score="general", **arguments)
    query, grid = make_query(), make_grid()
    layer([query, grid])
    randomize(layer)
    context, alignments = layer([query, grid], return_attention_scores=True)
    expected = layer([query, flat(grid)], return_attention_scores=True)
    np.testing.assert_allclose(numpy(context), numpy(expected[0]), atol=1e-6)
    np.testing.assert_allclose(
        flat(np.moveaxis(numpy(alignments), 1, -1)),
        np.moveaxis(numpy(expected[1]), 1, -1),
        atol=1e-6,
    )


def test_masked_cells_may_hold_anything():
    layer, query = ka.AdditiveAttention(UNITS), make_query()
    grid, mask = make_grid(), make_mask()
    mask[1] = False
    expected = numpy(layer([query, grid], mask=[None, mask]))
    grid[~mask] = np.nan
    context, alignments = layer(
        [query, grid], mask=[None, mask], return_attention_scores=True
    )
    np.testing.assert_array_equal(numpy(context), expected)
    np.testing.assert_array_equal(numpy(context)[1], 0.0)
    assert (np.moveaxis(numpy(alignments), 1, -1)[~mask] == 0.0).all()


def test_a_functional_model_takes_images_of_any_size(tmp_path):
    image = keras.Input((None, None, 3))
    query = keras.Input((None, QUERY))
    mask = keras.Input((None, None), dtype="bool")
    features = keras.layers.Conv2D(MEMORY, 3, padding="same")(image)
    outputs = ka.AdditiveAttention(UNITS)(
        [query, features], mask=[None, mask], return_attention_scores=True
    )
    assert outputs[1].shape == (None, None, None, None)
    model = keras.Model([image, query, mask], outputs)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    for height, width in ((HEIGHT, WIDTH), (17, 3)):
        images = make_grid(3, height=height, width=width)
        inputs = [images, make_query(), np.ones(images.shape[:-1], bool)]
        context, alignments = model.predict(inputs, verbose=0)
        assert context.shape == (BATCH, TARGET, MEMORY)
        assert alignments.shape == (BATCH, TARGET, height, width)
        np.testing.assert_allclose(alignments.sum((2, 3)), 1.0, atol=1e-5)
        np.testing.assert_allclose(
            numpy(again(inputs)[1]), alignments, atol=1e-6
        )


@pytest.mark.parametrize("attend", ["before", "after"])
def test_a_decoder_looks_at_a_grid(attend):
    layer = make_decoder(attend)
    inputs, grid, mask = make_query(), make_grid(), make_mask()
    layer(inputs, memory=grid)
    randomize(layer)
    outputs, alignments = layer(inputs, memory=grid, memory_mask=mask)
    assert alignments.shape == (BATCH, TARGET, HEIGHT, WIDTH)
    expected = layer(inputs, memory=flat(grid), memory_mask=flat(mask))
    np.testing.assert_allclose(numpy(outputs), numpy(expected[0]), atol=1e-6)
    np.testing.assert_allclose(
        flat(np.moveaxis(numpy(alignments), 1, -1)),
        np.moveaxis(numpy(expected[1]), 1, -1),
        atol=1e-6,
    )

    # Step by step, its cell says the same.
    keys = layer.cell.project_keys(grid)
    states = layer.cell.get_initial_state(BATCH, grid)
    for time in range(TARGET):
        (output, looked), states = layer.cell(
            inputs[:, time],
            states,
            memory=grid,
            keys=keys,
            memory_mask=mask,
            return_attention_scores=True,
        )
        np.testing.assert_allclose(
            numpy(output), numpy(outputs)[:, time], atol=1e-5
        )
        np.testing.assert_allclose(
            numpy(looked), numpy(alignments)[:, time], atol=1e-5
        )


def test_a_decoder_of_grids_of_any_size():
    grid = keras.Input((None, None, MEMORY))
    inputs = keras.Input((None, QUERY))
    mask = keras.Input((None, None), dtype="bool")
    layer = make_decoder()
    model = keras.Model(
        [inputs, grid, mask], layer(inputs, memory=grid, memory_mask=mask)
    )
    _, alignments = model.predict(
        [make_query(), make_grid(), make_mask()], verbose=0
    )
    assert alignments.shape == (BATCH, TARGET, HEIGHT, WIDTH)
    looked = np.moveaxis(alignments, 1, -1)
    assert (looked[~make_mask()] == 0.0).all()


def test_there_and_back():
    grid = make_grid()
    np.testing.assert_array_equal(numpy(flatten_grid(grid, 1)), flat(grid))
    cells = np.moveaxis(flat(grid), 1, -1)  # (batch, channels, positions)
    np.testing.assert_array_equal(
        numpy(unflatten_grid(cells, (HEIGHT, WIDTH))),
        np.moveaxis(grid, -1, 1),
    )


def test_errors_help():
    query, grid = make_query(), make_grid()
    layer = ka.AdditiveAttention(UNITS)
    with pytest.raises(ValueError, match="value mask of AdditiveAttention"):
        layer([query, grid], mask=[None, make_mask()[:, 1:]])
    with pytest.raises(ValueError, match="as many positions"):
        layer([query, grid, flat(grid)])
    with pytest.raises(ValueError, match="`memory_mask` must have the shape"):
        make_decoder()(query, memory=grid, memory_mask=make_mask()[:, ::2])
