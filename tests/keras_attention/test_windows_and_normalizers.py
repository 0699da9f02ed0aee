"""What holds for every window and every normaliser, also put together."""

import keras
import numpy as np
import pytest

import keras_attention as ka
from keras_attention.time_loop import inference_loop
from tests.backends import needs_dtype
from tests.cases import (
    BATCH,
    MEMORY,
    QUERY,
    SOURCE,
    TARGET,
    reference_attention,
)
from tests.gradients import gradients
from tests.keras_attention.tried_pieces import (
    MASK,
    NOTHING,
    SMOOTH,
    TRIED,
    close,
    draw,
    swept,
)
from tests.tensors import numpy


@pytest.mark.parametrize("source_len", [2, SOURCE, 23])
@pytest.mark.parametrize(
    ("tried", "training"),
    # The hard ones learn in another mode than they infer in.
    [(one, False) for one in TRIED] + [(one, True) for one in SMOOTH],
    ids=lambda one: getattr(one, "name", f"training={one}"),
)
def test_equations(tried, training, source_len):
    """Also where the target is longer than the source."""
    layer = tried.built()
    query, value = draw(2, source_len, target_len=7)
    mask = np.ones((BATCH, source_len), bool)
    mask[0, -1] = mask[0, 0] = False
    actual = layer(
        [query, value],
        mask=[None, mask],
        training=training,
        return_attention_scores=True,
    )
    expected = reference_attention(layer, query, value, mask=mask)
    assert source_len == 2 or np.abs(expected[1]).max() > 0
    close(actual, expected)


@swept(TRIED)
def test_two_halves_are_the_whole(tried):
    layer = tried.built()
    query, value = map(keras.ops.convert_to_tensor, draw(3, target_len=7))
    mask = keras.ops.convert_to_tensor(MASK[:, None])
    keys = layer.project_keys(value)
    whole = layer.attend(query, value, keys, mask)
    first = layer.attend(query[:, :4], value, keys, mask)
    rest = layer.attend(query[:, 4:], value, keys, mask, past=first.past)
    for one in ("context", "alignments"):
        halves = [numpy(getattr(look, one)) for look in (first, rest)]
        close([np.concatenate(halves, axis=1)], [getattr(whole, one)], 1e-6)
    close(rest.past.tensors(), whole.past.tensors(), 1e-6)
    with inference_loop():
        again = layer.attend(query, value, keys, mask)
    close([again.context, again.alignments], [whole.context, whole.alignments])


@swept(TRIED)
def test_padding_and_order_change_nothing(tried):
    layer = tried.built()
    query, value = draw(4, SOURCE + 6)
    mask = np.pad(MASK, [(0, 0), (0, 6)])
    short = layer(
        [query, value[:, :SOURCE]],
        mask=[None, MASK],
        return_attention_scores=True,
    )
    value[:, SOURCE:] = np.nan
    context, alignments = layer(
        [query, value], mask=[None, mask], return_attention_scores=True
    )
    close([context, alignments[..., :SOURCE]], short, 2e-6)
    np.testing.assert_array_equal(numpy(alignments)[..., SOURCE:], 0.0)
    turned = layer(
        [query[::-1], value[::-1]],
        mask=[None, mask[::-1]],
        return_attention_scores=True,
    )
    turned = [numpy(one)[::-1] for one in turned]
    close(turned, [context, alignments], 2e-6)


@swept(SMOOTH)
def test_gradients_reach_every_weight_and_no_masked_position(tried):
    layer = tried.built()
    query, value = draw(5)
    value[0, 3:] = np.nan
    value[1] = np.inf
    context, (by_query, by_value), found = gradients(
        lambda *inputs: layer(inputs, mask=[None, NOTHING], training=True),
        [query, value],
        layer.trainable_weights,
        np.random.default_rng(6).normal(size=(BATCH, TARGET, MEMORY)),
    )
    np.testing.assert_array_equal(numpy(context)[1], 0.0)
    for weight, gradient in zip(layer.trainable_weights, found, strict=True):
        assert gradient is not None, weight.path
        assert np.isfinite(gradient).all(), weight.path
        assert np.abs(gradient).max() > 1e-6, weight.path
    assert np.isfinite(by_query).all()
    assert np.isfinite(by_value).all()
    np.testing.assert_array_equal(by_value[~NOTHING], 0.0)


@swept(SMOOTH)
def test_gradients_are_the_slopes(tried):
    """Of the whole attention, by differences, in float64."""
    needs_dtype("float64")
    layer = tried.built(dtype="float64")
    query, value = (one.astype("float64") for one in draw(7))
    weigh = np.random.default_rng(8).normal(size=(BATCH, TARGET, MEMORY))

    def call(query):
        return layer([query, value], mask=[None, MASK], training=True)

    _, (gradient,), _ = gradients(call, [query], upstream=weigh)
    direction = np.random.default_rng(9).normal(size=query.shape)
    step = 1e-6
    there, back = (
        (numpy(call(query + sign * step * direction)) * weigh).sum()
        for sign in (1, -1)
    )
    np.testing.assert_allclose(
        (gradient * direction).sum(), (there - back) / (2 * step), rtol=1e-5
    )


@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    [
        ("float64", 1e-6),
        ("float16", 2e-2),
        ("bfloat16", 1e-1),
        ("mixed_float16", 2e-2),
        ("mixed_bfloat16", 1e-1),
    ],
)
@swept(TRIED)
def test_dtypes(tried, dtype, tolerance):
    needs_dtype(dtype)
    layer, other = tried.built(), tried.built(dtype=dtype)
    query, value = draw(10)
    expected = layer([query, value], mask=[None, MASK])
    context, alignments = other(
        [query, value], mask=[None, MASK], return_attention_scores=True
    )
    for one in (context, alignments):
        assert keras.backend.standardize_dtype(one.dtype) == other.compute_dtype
    if tried.name in {"sparsemax", "parallel", "recursive", "local_m-1"}:
        # The others have edges: a rounded number may fall on the other side.
        close([context], [expected], tolerance)
    huge = other([1e4 * query, 1e4 * value], mask=[None, NOTHING])
    assert not np.isnan(numpy(huge)).any()
    np.testing.assert_array_equal(numpy(huge)[1], 0.0)


@swept(TRIED)
def test_config_and_saving(tried, tmp_path):
    layer = tried.built()
    config = layer.get_config()
    again = ka.Attention.from_config(config)
    assert again.get_config() == config
    for piece, other in zip(layer.pieces, again.pieces, strict=True):
        assert type(piece) is type(other)
        assert piece is not other
    inputs = [keras.Input((None, QUERY)), keras.Input((None, MEMORY))]
    model = keras.Model(inputs, layer(inputs))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    query, value = draw(11)
    close([loaded([query, value])], [layer([query, value])], 1e-6)
