"""Scores that remember, that know positions, and that are normalised."""

from pathlib import Path

import keras
import numpy as np
import pytest

import keras_attention as ka
from keras_attention import scores
from keras_attention.time_loop import inference_loop
from tests import reference
from tests.backends import needs_dtype
from tests.cases import BATCH, MEMORY, QUERY, SOURCE, TARGET
from tests.gradients import gradients
from tests.keras_attention.score_cases import MASK, draw, every, once
from tests.tensors import numpy

RECORDED = Path(__file__).parents[1] / "addons" / "recorded.npz"
NOTHING = np.array([[True] * 3 + [False] * 2, [False] * SOURCE])
CAUSAL = np.tri(TARGET, SOURCE, dtype=bool)


def expected_of(tried, layer, query, value, mask, causal=False):
    rows = [
        reference.attend_in_turn(
            query[row],
            value[row],
            value[row],
            tried.reference(layer.score),
            allowed=mask[row] & (CAUSAL | (not causal)),
        )
        for row in range(BATCH)
    ]
    return [np.array(one) for one in zip(*rows, strict=True)]


@pytest.mark.parametrize("causal", [False, True])
@every
def test_equations(tried, causal):
    layer = tried.built()
    query, value = draw()
    actual = layer(
        [query, value],
        mask=[None, MASK],
        return_attention_scores=True,
        use_causal_mask=causal,
    )
    expected = expected_of(tried, layer, query, value, MASK, causal)
    for one, other in zip(actual, expected, strict=True):
        np.testing.assert_allclose(numpy(one), other, atol=1e-5)


@every
def test_weights(tried):
    layer = tried.built()
    shapes = {one.name: tuple(one.shape) for one in layer.weights}
    assert shapes == tried.shapes


def test_first_gains():
    """The gain of the additive score is that of Raffel et al. (2017)."""
    inputs = [np.ones((1, 1, QUERY)), np.ones((1, 2, MEMORY))]
    for name, gain in (
        ("scaled_general", 1.0),
        ("normalized_additive", MEMORY**-0.5),
    ):
        layer = ka.Attention(score=name)
        layer(inputs)
        np.testing.assert_allclose(numpy(layer.score.gain), gain, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "make", "weights"),
    [
        (
            "bahdanau_normalized",
            lambda units: scores.NormalizedAdditiveScore(units),
            {
                "query_kernel": "query_layer/kernel",
                "key_kernel": "memory_layer/kernel",
                "scale": "attention_v",
                "bias": "attention_b",
                "gain": "attention_g",
            },
        ),
        (
            "luong_scaled",
            lambda units: scores.ScaledGeneralScore(),
            {"kernel": "memory_layer/kernel", "gain": "attention_g"},
        ),
    ],
)
def test_as_recorded_of_tensorflow_addons(name, make, weights):
    with np.load(RECORDED, allow_pickle=False) as recorded:
        of = {
            one.removeprefix(f"mechanism/{name}/"): recorded[one]
            for one in recorded
            if one.startswith(f"mechanism/{name}/")
        }
        query, memory, lengths = (
            recorded[f"inputs/{one}"]
            for one in ("queries", "memory", "memory_sequence_length")
        )
    layer = ka.Attention(score=make(of["keys"].shape[-1]))
    layer([query, memory])
    assert {one.name for one in layer.weights} == set(weights)
    for own, theirs in weights.items():
        weight = getattr(layer.score, own)
        if own in ("gain", "bias"):
            np.testing.assert_allclose(
                numpy(weight), of[f"untrained/{theirs}"], rtol=1e-6
            )
        weight.assign(of[f"weights/{theirs}"])
    mask = np.arange(memory.shape[1]) < lengths[:, None]
    _, alignments = layer(
        [query, memory], mask=[None, mask], return_attention_scores=True
    )
    np.testing.assert_allclose(numpy(alignments), of["alignments"], atol=1e-5)


@every
def test_step_by_step_is_the_whole_sequence(tried):
    layer = tried.built()
    query, value = map(keras.ops.convert_to_tensor, draw(2))
    mask = keras.ops.convert_to_tensor(MASK[:, None])
    keys = layer.project_keys(value)
    whole = layer.attend(query, value, keys, mask)
    past = None
    for time in range(TARGET):
        look = layer.attend(
            query[:, time : time + 1], value, keys, mask, past=past
        )
        past = look.past
        np.testing.assert_allclose(
            numpy(look.context)[:, 0], numpy(whole.context)[:, time], atol=1e-6
        )
        np.testing.assert_allclose(
            numpy(look.alignments)[:, 0],
            numpy(whole.alignments)[:, time],
            atol=1e-6,
        )
    for one, other in zip(past.tensors(), whole.past.tensors(), strict=True):
        np.testing.assert_allclose(numpy(one), numpy(other), atol=1e-6)
    with inference_loop():
        again = layer.attend(query, value, keys, mask)
    np.testing.assert_allclose(
        numpy(again.context), numpy(whole.context), atol=1e-6
    )


@every
def test_gradients_reach_every_weight_and_no_masked_position(tried):
    layer = tried.built()
    query, value = draw(3)
    value[0, 3:] = np.nan
    value[1] = np.inf
    context, (by_query, by_value), found = gradients(
        lambda *inputs: layer(inputs, mask=[None, NOTHING], training=True),
        [query, value],
        layer.trainable_weights,
        np.random.default_rng(4).normal(size=(BATCH, TARGET, MEMORY)),
    )
    np.testing.assert_array_equal(numpy(context)[1], 0.0)
    for weight, gradient in zip(layer.trainable_weights, found, strict=True):
        assert gradient is not None, weight.path
        assert np.isfinite(gradient).all(), weight.path
        assert np.abs(gradient).max() > 1e-6, weight.path
    assert np.isfinite(by_query).all()
    assert np.isfinite(by_value).all()
    np.testing.assert_array_equal(by_value[~NOTHING], 0.0)


@every
def test_longer_padding_changes_nothing(tried):
    layer = tried.built()
    query, value = draw(5, source_len=SOURCE + 6)
    mask = np.pad(MASK, [(0, 0), (0, 6)])
    short = layer(
        [query, value[:, :SOURCE]],
        mask=[None, MASK],
        return_attention_scores=True,
    )
    long = layer(
        [query, value], mask=[None, mask], return_attention_scores=True
    )
    np.testing.assert_allclose(numpy(long[0]), numpy(short[0]), atol=1e-6)
    np.testing.assert_allclose(
        numpy(long[1])[..., :SOURCE], numpy(short[1]), atol=1e-6
    )
    np.testing.assert_array_equal(numpy(long[1])[..., SOURCE:], 0.0)


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
@once
def test_dtypes(tried, dtype, tolerance):
    needs_dtype(dtype)
    layer, other = tried.built(), tried.built(dtype=dtype)
    query, value = draw(6)
    expected = layer([query, value], mask=[None, MASK])
    context, alignments = other(
        [query, value], mask=[None, MASK], return_attention_scores=True
    )
    for one in (context, alignments):
        assert keras.backend.standardize_dtype(one.dtype) == other.compute_dtype
    np.testing.assert_allclose(numpy(context), numpy(expected), atol=tolerance)
    huge = other([1e4 * query, 1e4 * value], mask=[None, NOTHING])
    assert not np.isnan(numpy(huge)).any()
    np.testing.assert_array_equal(numpy(huge)[1], 0.0)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "mixed_float16"])
@once
def test_gradients_in_half_precision(tried, dtype):
    layer = tried.built(dtype=dtype)
    query, value = draw(3)
    _, _, found = gradients(
        lambda: layer([query, value], mask=[None, NOTHING], training=True)[
            ..., 0
        ],
        weights=layer.trainable_weights,
    )
    for gradient in found:
        assert np.isfinite(gradient).all()
        assert np.abs(gradient).max() > 0


@every
def test_config_and_saving(tried, tmp_path):
    layer = tried.built()
    config = layer.get_config()
    again = ka.Attention.from_config(config)
    assert again.get_config() == config
    arguments = again.score.get_config()
    for name, value in tried.arguments.items():
        assert arguments[name] == value
    inputs = [keras.Input((None, QUERY)), keras.Input((None, MEMORY))]
    model = keras.Model(inputs, layer(inputs))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    query, value = draw(7)
    np.testing.assert_allclose(
        numpy(loaded([query, value])), numpy(layer([query, value])), atol=1e-6
    )


def test_names_and_what_they_remember():
    for name, score_class, remembers in (
        ("scaled_general", scores.ScaledGeneralScore, ()),
        ("normalized_additive", scores.NormalizedAdditiveScore, ()),
        ("location", scores.LocationScore, ()),
        (
            "location_sensitive",
            scores.LocationSensitiveScore,
            ("alignments",),
        ),
        ("coverage", scores.CoverageScore, ("accumulated",)),
    ):
        layer = ka.Attention(score=name)
        assert type(layer.score) is score_class
        assert layer.remembers == remembers
        assert layer.is_recurrent == bool(remembers)
        assert layer.num_notes == 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: scores.LocationScore(0), "`max_source_len` must be a pos"),
        (lambda: scores.NormalizedAdditiveScore(-1), "`units` must be a pos"),
        (lambda: scores.LocationSensitiveScore(3, 0), "`filters` must be"),
        (lambda: scores.LocationSensitiveScore(3, 2, 1.5), "`kernel_size`"),
        (lambda: scores.CoverageScore(0), "`units` must be a positive"),
        (
            lambda: scores.CoverageScore(loss_weight=-1.0),
            "Received: loss_weight=-1.0. See et al",
        ),
        (lambda: scores.CoverageScore(loss_weight=True), "loss_weight=True"),
        (lambda: scores.CoverageScore(loss_weight=float("nan")), "=nan"),
    ],
)
def test_errors_help(make, message):
    with pytest.raises(ValueError, match=message):
        make()
