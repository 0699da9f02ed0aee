"""The estimators of hard attention, each against its paper."""

import keras
import numpy as np
import pytest

import keras_attention as ka
from keras_attention import normalizers
from keras_attention.hard_attention import ESTIMATORS
from tests import reference
from tests.backends import needs_dtype
from tests.gradients import gradients
from tests.tensors import numpy, randomize

BATCH, TARGET, SOURCE = 2, 3, 5
MASK = np.array([[[True] * 3 + [False] * 2], [[True] * SOURCE]])
SAMPLING = ["straight_through", "gumbel", "reinforce"]


def draw_scores(seed=0, scale=2.0):
    rng = np.random.default_rng(seed)
    shape = (BATCH, TARGET, SOURCE)
    return rng.normal(scale=scale, size=shape).astype("float32")


def draw_noise(seed=1):
    rng = np.random.default_rng(seed)
    return rng.gumbel(size=(BATCH, TARGET, SOURCE)).astype("float32")


def by_row(function, *arrays):
    """Applies a reference to each row, with the row's mask."""
    return np.array(
        [
            [
                function(*(array[b, t] for array in arrays), MASK[b, 0])
                for t in range(TARGET)
            ]
            for b in range(BATCH)
        ]
    )


def run(normalizer, scores, noise, upstream=None, mask=MASK):
    """Returns the alignments in training and the gradient of the scores."""
    if not normalizer.built:
        normalizer.build()
    noise = keras.ops.convert_to_tensor(noise)
    alignments, (gradient,), _ = gradients(
        lambda scores: normalizer(
            scores, allowed=mask, noise=noise, training=True
        ),
        [scores],
        upstream=upstream,
    )
    return numpy(alignments), gradient


class TestInference:
    @pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
    @pytest.mark.parametrize("name", sorted(ESTIMATORS))
    def test_alignments_are_one_hot(self, name, dtype):
        layer = ka.HardAttention(name, score="dot", seed=3, dtype=dtype)
        rng = np.random.default_rng(0)
        query = rng.normal(size=(BATCH, TARGET, 7)).astype(dtype)
        value = rng.normal(size=(BATCH, SOURCE, 7)).astype(dtype)
        mask = np.array([[True] * 3 + [False] * 2, [False] * SOURCE])
        _, alignments = layer(
            [query, value], mask=[None, mask], return_attention_scores=True
        )
        alignments = numpy(alignments)
        assert set(np.unique(alignments)) == {0.0, 1.0}
        np.testing.assert_array_equal(alignments[0].sum(-1), 1.0)
        np.testing.assert_array_equal(alignments[0][:, 3:], 0.0)
        np.testing.assert_array_equal(alignments[1], 0.0)

    @pytest.mark.parametrize("name", sorted(ESTIMATORS))
    def test_it_is_the_best_position(self, name):
        scores = draw_scores()
        actual = normalizers.get(name)(scores, allowed=MASK)
        expected = by_row(reference.hardmax, scores)
        np.testing.assert_array_equal(numpy(actual), expected)

    @pytest.mark.parametrize("name", sorted(ESTIMATORS))
    def test_config_and_weights_survive_saving(self, name, tmp_path):
        query, value = keras.Input((None, 7)), keras.Input((None, 11))
        layer = ka.HardAttention(name, dropout=0.3, seed=5)
        model = keras.Model([query, value], layer([query, value]))
        randomize(model)
        model.save(tmp_path / "m.keras")
        again = keras.saving.load_model(tmp_path / "m.keras")
        loaded = again.layers[-1]
        assert type(loaded.estimator) is ESTIMATORS[name]
        assert loaded.estimator.get_config() == layer.estimator.get_config()
        assert (loaded.dropout, loaded.seed) == (0.3, 5)
        if name in SAMPLING:
            assert loaded.estimator.seed == 5
        inputs = [np.ones((2, 3, 7)), np.ones((2, 5, 11))]
        np.testing.assert_array_equal(
            numpy(again(inputs)), numpy(model(inputs))
        )


class TestStraightThrough:
    def test_a_sample_with_the_gradient_of_the_softmax(self):
        scores, noise, upstream = draw_scores(), draw_noise(), draw_scores(7)
        alignments, gradient = run(
            normalizers.StraightThrough(), scores, noise, upstream
        )
        np.testing.assert_array_equal(
            alignments, by_row(reference.gumbel_max, scores, noise)
        )
        assert (alignments != by_row(reference.hardmax, scores)).any()
        expected = by_row(reference.softmax_gradient, scores, upstream)
        np.testing.assert_allclose(gradient, expected, atol=1e-6)

    def test_draws_follow_the_softmax(self):
        """A chi-squared statistic, of 4 degrees of freedom."""
        number = 20000
        scores = np.array([0.3, -1.0, 1.2, 0.0, 0.5], "float32")
        layer = normalizers.StraightThrough(seed=0)
        rows = np.broadcast_to(scores, (number, 1, SOURCE))
        counts = numpy(layer(rows, training=True)).sum((0, 1))
        expected = number * reference.softmax(scores)
        # Exceeded once in a thousand.
        assert ((counts - expected) ** 2 / expected).sum() < 18.5
        assert ((counts - number / SOURCE) ** 2 / expected).sum() > 18.5

    def test_the_seed_decides(self):
        def draws(seed):
            keras.utils.set_random_seed(0 if seed is None else seed + 100)
            layer = ka.HardAttention("straight_through", "dot", seed=seed)
            inputs = [np.zeros((2, 13, 7)), np.zeros((2, 11, 7))]
            return [
                numpy(
                    layer(inputs, training=True, return_attention_scores=True)[
                        1
                    ]
                )
                for _ in range(2)
            ]

        first, second = draws(1)
        assert (first != second).any()
        np.testing.assert_array_equal(draws(1), [first, second])
        assert (draws(2)[0] != first).any()


class TestGumbel:
    @pytest.mark.parametrize("temperature", [0.3, 1.0, 4.0])
    def test_a_relaxed_sample(self, temperature):
        scores, noise = draw_scores(), draw_noise()
        alignments, _ = run(normalizers.Gumbel(temperature), scores, noise)
        expected = by_row(
            lambda scores, noise, allowed: reference.gumbel_softmax(
                scores, noise, temperature, allowed
            ),
            scores,
            noise,
        )
        np.testing.assert_allclose(alignments, expected, atol=1e-6)

    def test_its_gradient(self):
        """That of a softmax at `(scores + noise) / temperature`."""
        scores, noise, upstream = draw_scores(), draw_noise(), draw_scores(7)
        temperature = 0.7
        expected = (
            by_row(
                reference.softmax_gradient,
                (scores + noise) / temperature,
                upstream,
            )
            / temperature
        )
        for straight_through in (False, True):
            alignments, gradient = run(
                normalizers.Gumbel(
                    temperature, straight_through=straight_through
                ),
                scores,
                noise,
                upstream,
            )
            np.testing.assert_allclose(gradient, expected, atol=1e-5)
        np.testing.assert_array_equal(
            alignments, by_row(reference.gumbel_max, scores, noise)
        )

    def test_the_temperature_falls_with_the_batches(self):
        layer = normalizers.Gumbel(2.0, final_temperature=0.5, decay_steps=4)
        layer.build()
        temperatures = []
        for batch in range(6):
            noise = layer.draw((1, 1, SOURCE), training=True)
            layer.draw((1, 1, SOURCE), training=False)
            temperatures.append(float(layer.current_temperature()))
            scores = draw_scores(batch)[:1, :1]
            actual = layer(scores, noise=noise, training=True)
            expected = reference.gumbel_softmax(
                scores[0, 0], numpy(noise)[0, 0], temperatures[-1]
            )
            np.testing.assert_allclose(numpy(actual)[0, 0], expected, atol=1e-5)
        expected = [2.0, 2**0.5, 1.0, 2**-0.5, 0.5, 0.5]
        np.testing.assert_allclose(temperatures, expected, rtol=1e-6)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"temperature": 0}, "`temperature` must be a positive"),
            (
                {"final_temperature": -1.0, "decay_steps": 3},
                "`final_temperature` must be a positive",
            ),
            ({"final_temperature": 0.1}, "must be given together"),
            (
                {"final_temperature": 0.1, "decay_steps": 0},
                "`decay_steps` must be a positive",
            ),
        ],
    )
    def test_bad_arguments(self, options, message):
        with pytest.raises(ValueError, match=message):
            normalizers.Gumbel(**options)


class TestReinforce:
    def test_samples_and_expectations(self):
        scores, noise = draw_scores(), draw_noise()
        noise[1] = np.inf
        upstream = draw_scores(7)
        alignments, gradient = run(
            normalizers.Reinforce(), scores, noise, upstream
        )
        drawn = by_row(reference.gumbel_max, scores, draw_noise())
        np.testing.assert_array_equal(alignments[0], drawn[0])
        soft = by_row(reference.softmax, scores)
        np.testing.assert_allclose(alignments[1], soft[1], atol=1e-6)
        expected = by_row(reference.softmax_gradient, scores, upstream)
        np.testing.assert_array_equal(gradient[0], 0.0)
        np.testing.assert_allclose(gradient[1], expected[1], atol=1e-6)

    @pytest.mark.parametrize("rate", [0.0, 0.3, 1.0])
    def test_whole_examples_take_the_expectation(self, rate):
        number = 2000
        layer = normalizers.Reinforce(expectation_rate=rate, seed=0)
        noise = numpy(layer.draw((number, TARGET, SOURCE), training=True))
        infinite = np.isinf(noise)
        assert (infinite == infinite[:, :1, :1]).all()
        deviation = (rate * (1 - rate) / number) ** 0.5
        assert abs(infinite.mean() - rate) <= 3 * deviation
        if rate < 1:
            # The mean of Gumbel noise is Euler's constant.
            rest = noise[~infinite]
            assert abs(rest.mean() - 0.5772) < 4 * rest.std() / len(rest) ** 0.5

    def test_notes(self):
        scores, noise = draw_scores(), draw_noise()
        noise[1, :, :] = np.inf
        layer = normalizers.Reinforce()
        alignments, _ = run(layer, scores, noise)
        scores = keras.ops.convert_to_tensor(scores)
        notes = numpy(layer.notes(scores, MASK, None, alignments))
        scores = numpy(scores)
        soft = by_row(reference.softmax, scores)
        for t in range(TARGET):
            expected = reference.log_probability(
                soft[0, t], int(alignments[0, t].argmax())
            )
            np.testing.assert_allclose(notes[0, t, 0], expected, atol=1e-5)
            assert notes[1, t, 0] == 0.0
            for b in range(BATCH):
                np.testing.assert_allclose(
                    notes[b, t, 1], reference.entropy(soft[b, t]), atol=1e-5
                )

    def test_rewards_are_what_comes_after(self):
        """The gradient of the auxiliary loss, step by step."""
        rng = np.random.default_rng(0)
        notes = rng.normal(size=(BATCH, TARGET, 2)).astype("float32")
        losses = rng.uniform(1, 3, (BATCH, TARGET)).astype("float32")
        weights = np.array([[0.5, 0.3, 0.2], [0.4, 0.6, 0.0]], "float32")
        layer = normalizers.Reinforce(reward_weight=0.7, entropy_weight=0.11)
        layer.build()
        layer.baseline.assign(1.3)
        value, (gradient,), _ = gradients(
            lambda notes: layer.auxiliary_loss(
                notes,
                keras.ops.convert_to_tensor(losses),
                keras.ops.convert_to_tensor(weights),
            ),
            [notes],
        )
        steps = [3, 2]  # that count
        for b in range(BATCH):
            for t in range(TARGET):
                to_come = sum(
                    weights[b, later] * (losses[b, later] - 1.3)
                    for later in range(t, TARGET)
                )
                np.testing.assert_allclose(
                    gradient[b, t, 0], 0.7 * to_come, atol=1e-6
                )
                even = weights[b].sum() / steps[b] if t < steps[b] else 0.0
                np.testing.assert_allclose(
                    gradient[b, t, 1], -0.11 * even, atol=1e-6
                )
        # Only the entropy shows in the loss.
        expected = np.sum(gradient[..., 1] * notes[..., 1])
        np.testing.assert_allclose(numpy(value), expected, atol=1e-6)

    def test_the_baseline_is_a_moving_average(self):
        layer = normalizers.Reinforce()
        layer.build()
        notes = np.zeros((1, 2, 2), "float32")
        expected = 0.0
        for mean in (2.0, 1.0, 4.0):
            losses = np.array([[mean - 1, mean + 2]], "float32")
            weights = np.array([[0.5, 0.25]], "float32")
            inputs = [
                keras.ops.convert_to_tensor(one)
                for one in (notes, losses, weights)
            ]
            layer.auxiliary_loss(*inputs)
            expected = 0.9 * expected + 0.1 * mean
            np.testing.assert_allclose(numpy(layer.baseline), expected, 1e-6)
        layer.auxiliary_loss(*inputs[:2], 0 * inputs[2])
        np.testing.assert_allclose(numpy(layer.baseline), expected, 1e-6)
        assert normalizers.Reinforce(baseline_decay=None).baseline is None

    @pytest.mark.parametrize(
        "options",
        [
            {"expectation_rate": 1.1},
            {"expectation_rate": -0.1},
            {"baseline_decay": 1.0},
        ],
    )
    def test_bad_arguments(self, options):
        with pytest.raises(ValueError, match=f"`{next(iter(options))}` must"):
            normalizers.Reinforce(**options)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("name", SAMPLING)
def test_gradients_are_finite(name, dtype):
    """With rows that see nothing, and scores as large as a dtype holds."""
    needs_dtype(dtype)
    normalizer = normalizers.get(name)
    normalizer.dtype_policy = keras.DTypePolicy(dtype)
    mask = np.array([[[True] * 3 + [False] * 2], [[False] * SOURCE]])
    for scale in (1.0, 3e4):
        with np.errstate(over="ignore"):  # NumPy says so, others are silent
            scores = keras.ops.cast(draw_scores(scale=scale), dtype)
        noise = normalizer.draw((BATCH, TARGET, SOURCE), training=True)
        alignments, gradient = run(
            normalizer, scores, noise, draw_scores(7), mask
        )
        np.testing.assert_array_equal(alignments[1], 0.0)
        assert np.isfinite(gradient).all()
        if normalizer.num_notes:
            notes, (gradient,), _ = gradients(
                lambda scores, alignments=alignments: normalizer.notes(
                    scores, mask, None, alignments
                ),
                [scores],
            )
            assert np.isfinite(numpy(notes)).all()
            assert np.isfinite(gradient).all()


@pytest.mark.parametrize("name", SAMPLING)
def test_training_draws_and_evaluation_does_not(name):
    layer = ka.HardAttention(name, "dot", seed=0)
    if name == "reinforce":
        layer = ka.HardAttention(
            normalizers.Reinforce(expectation_rate=0, seed=0), "dot"
        )
    inputs = [np.zeros((2, 13, 7), "float32"), np.zeros((2, 11, 7), "float32")]
    with ka.auxiliary_losses.collecting():
        drawn = layer(inputs, training=True, return_attention_scores=True)[1]
    first = layer(inputs, return_attention_scores=True)[1]
    assert (numpy(first)[..., 0] == 1.0).all()
    assert len(np.unique(numpy(drawn).argmax(-1))) > 3


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ka.HardAttention("softmax"), "Unknown estimator"),
        (lambda: ka.HardAttention("dot"), r"Write HardAttention\(score='dot'"),
        (
            lambda: ka.HardAttention(normalizers.Softmax()),
            "one position at inference",
        ),
        (lambda: ka.HardAttention(score=None), "Expected a score"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()
