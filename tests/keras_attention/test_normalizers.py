"""Normalisers by themselves; the sweeps are in another file.

See `test_windows_and_normalizers.py`.
"""

from pathlib import Path

import keras
import ml_dtypes
import numpy as np
import pytest

import keras_attention as ka
from keras_attention import functional, normalizers
from keras_attention.normalizers import Monotonic, Sparsemax
from keras_attention.past import Past
from tests import reference
from tests.addons import cases as addons
from tests.backends import needs_dtype, needs_tensorflow
from tests.cases import BATCH, MEMORY, QUERY, SOURCE, TARGET
from tests.gradients import gradients
from tests.tensors import numpy

RECORDED = Path(__file__).parents[1] / "addons" / "recorded.npz"
MASK = np.array([[True, False, True, True, False], [False] * SOURCE])


def draw(shape, seed=0, scale=1.0):
    values = np.random.default_rng(seed).normal(scale=scale, size=shape)
    return values.astype("float32")


def gradient_of(function, *inputs, upstream):
    """Returns the outputs and the gradients of `sum(outputs * upstream)`."""
    outputs, found, _ = gradients(function, inputs, upstream=upstream)
    return numpy(outputs), found


class TestSparsemax:
    @pytest.mark.parametrize("source_len", [1, 2, SOURCE, 97])
    @pytest.mark.parametrize("scale", [0.01, 0.3, 1.0, 30.0])
    def test_values_and_gradient(self, source_len, scale):
        scores = draw((BATCH, TARGET, source_len), 1, scale)
        upstream = draw(scores.shape, 2)
        mask = np.random.default_rng(3).random((BATCH, 1, source_len)) > 0.3
        actual, (gradient,) = gradient_of(
            lambda scores: Sparsemax()(scores, mask), scores, upstream=upstream
        )
        for index in np.ndindex(BATCH, TARGET):
            allowed = mask[index[0], 0]
            np.testing.assert_allclose(
                actual[index],
                reference.sparsemax(scores[index], allowed),
                atol=1e-6,
            )
            np.testing.assert_allclose(
                gradient[index],
                reference.sparsemax_gradient(
                    scores[index], upstream[index], allowed
                ),
                atol=1e-6,
            )

    def test_most_are_exactly_zero(self):
        alignments = numpy(Sparsemax()(draw((1, 1, 1009))))
        np.testing.assert_allclose(alignments.sum(), 1.0, atol=1e-6)
        assert 1 <= np.count_nonzero(alignments) < 50

    def test_equal_scores_share(self):
        scores = np.array([[[2.0, 2.0, 2.0, 1.0, -7.0]]], "float32")
        np.testing.assert_allclose(
            numpy(Sparsemax()(scores))[0, 0], [1 / 3] * 3 + [0.0] * 2, atol=1e-6
        )
        # On the edge: 1 + 2 * 0 is not more than 1 + 0.
        scores = np.array([[[1.0, 0.0]]], "float32")
        np.testing.assert_array_equal(
            numpy(Sparsemax()(scores))[0, 0], [1.0, 0.0]
        )

    def test_a_common_constant_changes_nothing(self):
        """Nor does it cost accuracy, beyond that of the scores."""
        scores = np.round(draw((BATCH, TARGET, 499), 4) * 64) / 64
        np.testing.assert_allclose(
            numpy(Sparsemax()(scores + np.float32(4096.0))),
            numpy(Sparsemax()(scores)),
            atol=1e-6,
        )

    @pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
    def test_extreme_scores(self, dtype):
        # At the very edge JAX halves the gradient of a clip.
        high = 0.99 * float(ml_dtypes.finfo(dtype).max)
        scores = np.array([[[high, -high, high, 0.0, 1e4]] * 2])
        mask = np.stack([[[True] * 5, [False] * 5]])
        scores = keras.ops.convert_to_tensor(scores, dtype)
        actual, (gradient,) = gradient_of(
            lambda scores: functional.masked_sparsemax(scores, mask),
            scores,
            upstream=np.arange(5.0),
        )
        np.testing.assert_array_equal(actual[0, 0], [0.5, 0, 0.5, 0, 0])
        np.testing.assert_array_equal(actual[0, 1], 0.0)
        np.testing.assert_array_equal(gradient[0, 0], [-1, 0, 1, 0, 0])
        np.testing.assert_array_equal(gradient[0, 1], 0.0)


def in_turn(normalizer, scores, mask=None, **options):
    """Alignments of one step after the other, from the first on."""
    batch, target_len, source_len = scores.shape
    past = Past(normalizer.first_alignments(batch, source_len, "float32"))
    steps = []
    for step in range(target_len):
        steps.append(
            normalizer(
                keras.ops.convert_to_tensor(scores[:, step : step + 1]),
                None if mask is None else mask[:, None],
                past=past,
                **options,
            )
        )
        past = past.following(steps[-1])
    return np.concatenate([numpy(one) for one in steps], axis=1)


def expected_in_turn(run, scores, mask=None):
    rows = []
    for row in range(len(scores)):
        past = reference.Past(
            reference.first_position(scores.shape[-1]),
            np.zeros(scores.shape[-1]),
        )
        for own in scores[row]:
            alignments = run(own, None if mask is None else mask[row], past)
            past = past.after(alignments)
            rows.append(alignments)
    return np.reshape(rows, scores.shape)


EXPECTED = {
    "parallel": reference.monotonic,
    "recursive": reference.monotonic,
    "hard": reference.hard_monotonic,
}
modes = pytest.mark.parametrize("mode", EXPECTED)
soft_modes = pytest.mark.parametrize("mode", ["parallel", "recursive"])


class TestMonotonic:
    @pytest.mark.parametrize("source_len", [1, 2, 3, SOURCE, 17])
    @modes
    def test_equations(self, mode, source_len):
        scores = draw((BATCH, 7, source_len), 1, 2.0)
        mask = np.random.default_rng(2).random((BATCH, source_len)) > 0.3
        trained = Monotonic(mode, "hard" if mode != "hard" else "parallel")
        inferred = Monotonic(inference_mode=mode)
        for allowed in (None, mask):
            expected = expected_in_turn(EXPECTED[mode], scores, allowed)
            for actual in (
                in_turn(trained, scores, allowed, training=True),
                in_turn(inferred, scores, allowed),
            ):
                np.testing.assert_allclose(actual, expected, atol=1e-6)

    def test_by_hand(self):
        """Half the chance at each position, from where it stands on."""
        normalizer = Monotonic(inference_mode="parallel")
        actual = in_turn(normalizer, np.zeros((1, 2, 3), "float32"))
        np.testing.assert_allclose(
            actual[0],
            [[1 / 2, 1 / 4, 1 / 8], [1 / 4, 1 / 4, 3 / 16]],
            atol=1e-7,
        )

    def test_once_past_the_end_there_is_nothing(self):
        scores = np.array([[[-1, 1, -1], [-1, -1, -1], [1, 1, 1]]], "float32")
        actual = in_turn(Monotonic(), scores)
        np.testing.assert_array_equal(actual[0], [[0, 1, 0], [0] * 3, [0] * 3])

    def test_the_first_position_may_be_masked(self):
        """It is where the first step starts, not what it must choose."""
        mask = np.array([[False, False, True]])
        scores = np.full((1, 1, 3), 9.0, "float32")
        for mode in EXPECTED:
            actual = in_turn(Monotonic(inference_mode=mode), scores, mask)
            np.testing.assert_allclose(actual[0, 0], [0, 0, 1], atol=1e-3)

    def test_the_bias(self):
        """Is a weight, starts where it is told, and joins the scores."""
        normalizer = Monotonic(inference_mode="parallel", score_bias_init=-4.0)
        scores = draw((BATCH, TARGET, SOURCE), 3)
        actual = in_turn(normalizer, scores)
        (bias,) = normalizer.trainable_weights
        assert (bias.name, bias.shape) == ("score_bias", ())
        np.testing.assert_allclose(
            actual,
            expected_in_turn(reference.monotonic, scores - 4.0),
            atol=1e-6,
        )

    @pytest.mark.parametrize("length", ["known", "unknown"])
    @soft_modes
    def test_long_sources_lose_nothing(self, mode, length):
        """Where cumulative products in float32 would end in zero."""
        scores = draw((1, 1, 2003), 4) + 3.0
        previous = np.full((1, 2003), 1 / 2003, "float32")
        normalizer = Monotonic(inference_mode=mode)

        def call(scores, previous):
            return normalizer(scores, past=Past(previous))

        if length == "unknown":
            tf = needs_tensorflow()
            call = tf.function(
                call,
                input_signature=[
                    tf.TensorSpec((None, 1, None)),
                    tf.TensorSpec((None, None)),
                ],
            )
        actual = numpy(call(scores, previous))[0, 0]
        # The recursion itself, in float64.
        stop = reference.stop_probabilities(scores[0, 0].astype("float64"))
        arrives, expected = 0.0, []
        for position in range(2003):
            arrives += 1 / 2003
            expected.append(stop[position] * arrives)
            arrives *= 1 - stop[position]
        np.testing.assert_allclose(actual, expected, rtol=1e-5)

    @pytest.mark.parametrize("length", ["known", "unknown"])
    @soft_modes
    def test_gradients_are_the_slopes(self, mode, length):
        needs_dtype("float64")
        normalizer = Monotonic(mode, dtype="float64")
        normalizer.build()
        scores = draw((BATCH, 1, 11), 5).astype("float64")
        previous = np.random.default_rng(6).random((BATCH, 11))
        upstream = np.random.default_rng(7).normal(size=scores.shape)
        mask = np.random.default_rng(8).random((BATCH, 1, 11)) > 0.3

        def call(scores, previous):
            return normalizer(scores, mask, past=Past(previous), training=True)

        function = call
        if length == "unknown":
            tf = needs_tensorflow()
            function = tf.function(
                call,
                input_signature=[
                    tf.TensorSpec((None, 1, None), "float64"),
                    tf.TensorSpec((None, None), "float64"),
                ],
            )
        _, found = gradient_of(function, scores, previous, upstream=upstream)
        np.testing.assert_array_equal(found[0][~mask], 0.0)
        inputs, step = [scores, previous], 1e-6
        for which, gradient in enumerate(found):
            for index in np.ndindex(gradient.shape):
                totals = []
                for sign in (1, -1):
                    moved = [one.copy() for one in inputs]
                    moved[which][index] += sign * step
                    totals.append((numpy(call(*moved)) * upstream).sum())
                slope = (totals[0] - totals[1]) / (2 * step)
                np.testing.assert_allclose(gradient[index], slope, atol=1e-7)

    @pytest.mark.parametrize("size", [30.0, 1e4, 1e30])
    @soft_modes
    def test_saturated_scores(self, mode, size):
        """Decide as the hard ones do, and have finite gradients."""
        scores = draw((BATCH, 1, 23), 9)
        scores = (np.sign(scores) * size).astype("float32")
        normalizer = Monotonic(mode)
        normalizer.build()
        previous = normalizer.first_alignments(BATCH, 23, "float32")
        actual, found = gradient_of(
            lambda scores, previous: normalizer(
                scores, past=Past(previous), training=True
            ),
            scores,
            previous,
            upstream=draw(scores.shape, 10),
        )
        hard = numpy(normalizer(scores, past=Past(previous)))
        assert hard.sum() == BATCH
        np.testing.assert_allclose(actual, hard, atol=1e-6)
        for gradient in found:
            assert np.isfinite(gradient).all()

    def test_noise_is_drawn_in_training_only(self):
        shape = (BATCH, TARGET, 499)
        assert Monotonic().draw(shape, training=True) is None
        normalizer = Monotonic(sigmoid_noise=2.0, seed=3)
        assert normalizer.draw(shape) is None
        noise = numpy(normalizer.draw(shape, training=True))
        assert noise.shape == shape
        np.testing.assert_allclose(
            [noise.mean(), noise.std()], [0, 2], atol=0.2
        )
        again = numpy(normalizer.draw(shape, training=True))
        assert np.abs(noise - again).max() > 1.0
        twin = Monotonic.from_config(normalizer.get_config())
        np.testing.assert_array_equal(
            numpy(twin.draw(shape, training=True)), noise
        )
        scores, noise = draw((BATCH, 1, SOURCE), 11), noise[:, :1, :SOURCE]
        np.testing.assert_allclose(
            numpy(normalizer(scores, noise=noise, training=True)),
            expected_in_turn(reference.monotonic, scores + noise),
            atol=1e-6,
        )

    @pytest.mark.parametrize(
        "name", sorted(one for one in addons.MECHANISMS if "monotonic" in one)
    )
    def test_is_that_of_tensorflow_addons(self, name):
        """On recorded scores, which have their bias in them."""
        mode = name.rpartition("_")[2]
        with np.load(RECORDED, allow_pickle=False) as recorded:
            scores, expected = (
                recorded[f"mechanism/{name}/{field}"]
                for field in ("scores", "alignments")
            )
            lengths = recorded["inputs/memory_sequence_length"]
        mask = np.arange(scores.shape[-1]) < lengths[:, None]
        normalizer = Monotonic(mode, inference_mode=mode)
        for training in (False, True):
            actual = in_turn(normalizer, scores, mask, training=training)
            np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_names_and_what_they_remember():
    for name, normalizer_class, remembers in (
        ("monotonic", Monotonic, ("alignments",)),
        ("sparsemax", Sparsemax, ()),
    ):
        assert type(normalizers.get(name)) is normalizer_class
        layer = ka.Attention(normalizer=name)
        assert layer.remembers == remembers
        assert layer.is_recurrent == bool(remembers)


def test_monotonic_infers_hard_and_trains_softly():
    layer = ka.Attention("general", normalizer="monotonic")
    inputs = [draw((BATCH, TARGET, QUERY)), draw((BATCH, SOURCE, MEMORY))]
    _, hard = layer(inputs, return_attention_scores=True)
    _, soft = layer(inputs, return_attention_scores=True, training=True)
    assert set(np.unique(numpy(hard))) == {0.0, 1.0}
    assert ((numpy(soft) > 0) & (numpy(soft) < 1)).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Monotonic("soft"), "`mode` must be one of"),
        (lambda: Monotonic(inference_mode=None), "inference_mode=None"),
        (lambda: Monotonic(sigmoid_noise=-1.0), "Received: sigmoid_noise=-1.0"),
        (lambda: Monotonic(sigmoid_noise="1"), "`sigmoid_noise` must be a"),
        (lambda: Monotonic(score_bias_init=np.nan), "`score_bias_init` must"),
        (
            lambda: Monotonic()(np.ones((BATCH, TARGET, SOURCE))),
            "scores of shape \\(2, 3, 5\\)",
        ),
    ],
)
def test_errors_help(make, message):
    with pytest.raises(ValueError, match=message):
        make()
