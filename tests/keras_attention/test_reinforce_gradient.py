"""REINFORCE is unbiased: its mean gradient is that of the expected loss.

Thousands of equal rows are drawn at once, each with a gradient of its own;
their mean must lie within three standard errors of the gradient that trying
every path gives.
"""

import itertools

import keras
import numpy as np
import pytest

import keras_attention as ka
from keras_attention import auxiliary_losses, normalizers
from tests import reference
from tests.backends import needs_tensorflow
from tests.tensors import numpy, randomize

tf = needs_tensorflow()

TARGET, SOURCE, ROWS = 3, 5, 20000
VALUES = np.array([0.3, -0.9, 1.4, 0.1, -0.4])
TRUTH = np.array([0.5, -0.2, 1.1])
WEIGHTS = np.array([0.9, 0.4, 0.7])


class RunningSum(keras.losses.Loss):
    """The loss of a step depends on all positions up to it."""

    def call(self, y_true, y_pred):
        return (keras.ops.cumsum(y_pred[..., 0], axis=1) - y_true) ** 2


class Reader(ka.RewardMixin, keras.Model):
    pass


class Causal(Reader):
    reward_to_go = True


def loss_of(path):
    """The loss of an example whose steps look at the positions of a path."""
    sums = np.cumsum([VALUES[position] for position in path])
    return float(np.sum(WEIGHTS * (sums - TRUTH) ** 2))


def sample_gradients(estimator, scores, model_class=Causal, baseline=None):
    """Returns `(ROWS, steps, source_len)`, each row's gradient."""
    query = keras.Input((TARGET, SOURCE))
    value, key = keras.Input((SOURCE, 1)), keras.Input((SOURCE, SOURCE))
    attention = ka.HardAttention(estimator, score="dot")
    model = model_class([query, value, key], attention([query, value, key]))
    model.compile("sgd", RunningSum(reduction="sum"))
    if baseline is not None:
        estimator.baseline.assign(baseline)

    def rows(array):
        array = np.asarray(array, "float32")
        return tf.constant(np.broadcast_to(array, (ROWS, *array.shape)))

    # The keys are unit vectors, so that a query is its scores.
    inputs = [rows(scores), rows(VALUES[:, None]), rows(np.eye(SOURCE))]
    with tf.GradientTape() as tape:
        tape.watch(inputs[0])
        outputs = model(inputs, training=True)
        loss = model.compute_loss(inputs, rows(TRUTH), outputs, rows(WEIGHTS))
    return numpy(tape.gradient(loss, inputs[0]))


def farthest(gradients, expected):
    """How many standard errors the mean is off, at its worst entry."""
    error = gradients.std(0) / len(gradients) ** 0.5
    return np.max(np.abs(gradients.mean(0) - expected) / error)


@pytest.fixture(scope="module")
def scores():
    return np.random.default_rng(0).normal(size=(TARGET, SOURCE))


@pytest.fixture(scope="module")
def exact(scores):
    return reference.expectation_gradient(loss_of, scores)


@pytest.mark.parametrize(
    ("model_class", "decay", "baseline"),
    [(Causal, None, None), (Reader, None, None), (Causal, 0.9, 1.5)],
    ids=["to_go", "whole", "baseline"],
)
def test_the_mean_is_the_exact_gradient(
    model_class, decay, baseline, scores, exact
):
    estimator = normalizers.Reinforce(
        expectation_rate=0, baseline_decay=decay, entropy_weight=0, seed=1
    )
    gradients = sample_gradients(estimator, scores, model_class, baseline)
    assert farthest(gradients, exact) < 3
    # What is off by a tenth, or has a step wrong, does not pass.
    assert farthest(1.1 * gradients, exact) > 3
    assert farthest(gradients[:, ::-1], exact) > 3
    assert farthest(gradients, 0 * exact) > 3


def test_less_noise(scores):
    """What the rewards to come and the baseline are for."""

    def noise(model_class, decay):
        estimator = normalizers.Reinforce(
            expectation_rate=0, baseline_decay=decay, entropy_weight=0, seed=1
        )
        baseline = decay and 1.5
        gradients = sample_gradients(estimator, scores, model_class, baseline)
        return gradients.std(0).mean()

    whole, to_go = noise(Reader, None), noise(Causal, None)
    assert noise(Causal, 0.9) < to_go < whole


def test_other_estimators_are_biased(scores, exact):
    """By so much that the test above would find out."""
    estimator = normalizers.StraightThrough(seed=1)
    assert farthest(sample_gradients(estimator, scores), exact) > 3


class Forced(normalizers.Reinforce):
    """Takes the positions that it is told."""

    def __init__(self, paths, **kwargs):
        super().__init__(expectation_rate=0, **kwargs)
        self.paths = np.eye(SOURCE, dtype="float32")[np.array(paths)]

    def draw(self, shape, training=False):
        return tf.constant(1e6 * self.paths)


def make_decoder(estimator, attend):
    model = ka.EncoderDecoder(
        encoder=ka.RecurrentEncoder(7, cell="gru", bidirectional=False),
        decoder=ka.AttentionRNN(
            ka.AttentionCell(
                keras.layers.GRUCell(7),
                ka.HardAttention(estimator, score="general"),
                attend=attend,
            )
        ),
        output_layer=keras.layers.Dense(3),
    )
    model(
        {"source": np.ones((1, SOURCE, 2)), "target": np.ones((1, TARGET, 2))}
    )
    return randomize(model)


@pytest.mark.parametrize("attend", ["before", "after"])
def test_a_decoder_whose_state_depends_on_where_it_looked(attend):
    """All paths, each forced in a row of its own, against drawn ones."""
    rng = np.random.default_rng(0)
    source = rng.normal(size=(1, SOURCE, 2)).astype("float32")
    target = rng.normal(size=(1, TARGET, 2)).astype("float32")
    labels = np.array([[0, 2, 1]])
    loss = keras.losses.SparseCategoricalCrossentropy(
        from_logits=True, reduction="none"
    )

    def rows(array, number):
        return tf.repeat(tf.constant(array), number, axis=0)

    paths = list(itertools.product(range(SOURCE), repeat=TARGET))
    model = make_decoder(Forced(paths), attend)
    tensor = tf.constant(source)
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        with auxiliary_losses.collecting() as reports:
            outputs = model(
                {
                    "source": tf.repeat(tensor, len(paths), axis=0),
                    "target": rows(target, len(paths)),
                },
                training=True,
            )
        chances = tf.exp(tf.reduce_sum(reports[0][1][..., 0], axis=1))
        by_path = tf.reduce_sum(loss(rows(labels, len(paths)), outputs), 1)
        expected_loss = tf.reduce_sum(chances * by_path)
    np.testing.assert_allclose(float(tf.reduce_sum(chances)), 1.0, 1e-5)
    exact = numpy(tape.gradient(expected_loss, tensor))[0]

    estimator = normalizers.Reinforce(
        expectation_rate=0, baseline_decay=None, entropy_weight=0, seed=1
    )
    model = make_decoder(estimator, attend)
    model.compile(
        "sgd",
        keras.losses.SparseCategoricalCrossentropy(
            from_logits=True, reduction="sum"
        ),
    )
    inputs = {"source": rows(source, ROWS), "target": rows(target, ROWS)}
    with tf.GradientTape() as tape:
        tape.watch(inputs["source"])
        outputs = model(inputs, training=True)
        total = model.compute_loss(inputs, rows(labels, ROWS), outputs)
    gradients = numpy(tape.gradient(total, inputs["source"]))
    assert farthest(gradients, exact) < 3
    assert farthest(1.1 * gradients, exact) > 3
    np.testing.assert_allclose(
        float(total) / ROWS, float(expected_loss), rtol=0.02
    )
