"""The loss and the metrics, beside Keras's own and NumPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from pipelines.training.losses import (
    Perplexity,
    SmoothedCrossentropy,
    TokenAccuracy,
)

CLASSES = 11


@pytest.fixture(scope="module")
def batch():
    """Labels (2, 3), logits (2, 3, 11) and weights with padding."""
    random = np.random.default_rng(5)
    logits = random.normal(scale=4, size=(2, 3, CLASSES)).astype("float32")
    labels = random.integers(0, CLASSES, (2, 3)).astype("int32")
    labels[0, 0] = logits[0, 0].argmax()  # one of them is right
    weights = np.array([[1, 1, 1], [1, 0, 0]], "float32")
    return labels, logits, weights


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_loss_and_its_gradient_are_those_of_the_whole_distribution(
    batch, smoothing
):
    labels, logits, weights = batch
    wanted = np.eye(CLASSES, dtype="float32")[labels]
    plain = keras.losses.CategoricalCrossentropy(
        from_logits=True,
        label_smoothing=smoothing,
        reduction="mean_with_sample_weight",
    )
    found = []
    for loss, truth in (
        (SmoothedCrossentropy(smoothing), tf.constant(labels)),
        (plain, tf.constant(wanted)),
    ):
        given = tf.constant(logits)
        with tf.GradientTape() as tape:
            tape.watch(given)
            value = loss(truth, given, weights)
        found.append((value.numpy(), tape.gradient(value, given).numpy()))
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-6)
    np.testing.assert_allclose(found[0][1], found[1][1], atol=1e-7)
    assert not found[0][1][1, 1:].any()


def test_r_drop_is_the_divergence_of_the_two_halves(batch):
    labels, logits, weights = batch
    labels = np.repeat(labels[:1], 2, axis=0)
    weights = np.repeat(weights[1:], 2, axis=0)  # the first token only
    first, second = (
        np.exp(row) / np.exp(row).sum() for row in logits[:, 0].astype(float)
    )
    divergence = keras.losses.KLDivergence(reduction="sum")
    both = float(divergence(first[None], second[None])) + float(
        divergence(second[None], first[None])
    )
    alpha = 3.0
    plain = float(SmoothedCrossentropy(0.1)(labels, logits, weights))
    found = float(SmoothedCrossentropy(0.1, alpha)(labels, logits, weights))
    # The paper's loss is of both sentences, twice the mean over the rows.
    assert 2 * found == pytest.approx(2 * plain + alpha / 2 * both, rel=1e-5)


def test_r_drop_of_equal_halves_adds_nothing_and_needs_two(batch):
    labels, logits, weights = (
        np.tile(one[:1], [2, 1, 1][: one.ndim]) for one in batch
    )
    plain, found = (
        float(SmoothedCrossentropy(0.1, alpha)(labels, logits, weights))
        for alpha in (0.0, 9.0)
    )
    assert found == plain
    with pytest.raises(ValueError, match="odd number of rows, 1"):
        SmoothedCrossentropy(0.1, 9.0)(labels[:1], logits[:1], weights[:1])


def test_r_drop_of_very_large_logits_is_finite(batch):
    labels, logits, weights = batch
    given = tf.constant(1e4 * logits)
    with tf.GradientTape() as tape:
        tape.watch(given)
        value = SmoothedCrossentropy(0.1, 5.0)(labels, given, weights)
    assert np.isfinite(value.numpy())
    assert np.isfinite(tape.gradient(value, given).numpy()).all()


@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_large_logits_overflow_nothing(batch, scale):
    labels, logits, weights = batch
    value = SmoothedCrossentropy(0.1)(labels, scale * logits, weights)
    assert np.isfinite(float(value))


def test_metrics_are_those_of_keras(batch):
    labels, logits, weights = batch
    perplexity, accuracy = Perplexity(), TokenAccuracy()
    entropy = keras.metrics.SparseCategoricalCrossentropy(from_logits=True)
    plain = keras.metrics.SparseCategoricalAccuracy()
    for rows in (slice(0, 1), slice(1, 2)):
        for metric in (perplexity, accuracy, entropy, plain):
            metric.update_state(labels[rows], logits[rows], weights[rows])
    np.testing.assert_allclose(
        float(perplexity.result()), np.exp(float(entropy.result())), rtol=1e-6
    )
    assert 0 < float(accuracy.result()) == float(plain.result()) < 1


def test_a_token_counts_the_same_in_long_batches_and_short_ones(batch):
    labels, logits, _ = batch
    perplexity, accuracy = Perplexity(), TokenAccuracy()
    for row, padding in ((0, 0), (1, 5)):
        padded = np.pad(logits[row], [(0, padding), (0, 0)])
        for metric in (perplexity, accuracy):
            metric.update_state(
                np.pad(labels[row], (0, padding))[None],
                padded[None],
                np.pad(np.ones(3, "float32"), (0, padding))[None],
            )
    normalizers = np.log(np.exp(logits.astype("float64")).sum(-1))
    chosen = np.take_along_axis(logits, labels[..., None], -1)[..., 0]
    wanted = np.exp((normalizers - chosen).mean())
    assert float(perplexity.result()) == pytest.approx(wanted, rel=1e-5)
    share = (logits.argmax(-1) == labels).mean()
    assert float(accuracy.result()) == pytest.approx(share)


def test_without_weights_all_labels_count(batch):
    labels, logits, _ = batch
    accuracy = TokenAccuracy()
    accuracy.update_state(labels, logits)
    share = (logits.argmax(-1) == labels).mean()
    assert float(accuracy.result()) == pytest.approx(share)


@pytest.mark.parametrize("shape", [(2,), (2, 1)])
def test_a_weight_may_be_of_a_whole_row(batch, shape):
    labels, logits, _ = batch
    perplexity, expected = Perplexity(), Perplexity()
    perplexity.update_state(labels, logits, np.reshape([1.0, 0.0], shape))
    expected.update_state(labels[:1], logits[:1])
    assert float(perplexity.result()) == pytest.approx(float(expected.result()))


def test_half_precision_is_computed_in_single(batch):
    labels, logits, weights = batch
    half = logits.astype("float16")
    found, plain = (
        float(SmoothedCrossentropy()(labels, given, weights))
        for given in (half, half.astype("float32"))
    )
    assert found == pytest.approx(plain, rel=1e-6)


def test_a_perplexity_of_an_earlier_version_loads():
    config = {**Perplexity().get_config(), "from_logits": True, "axis": -1}
    assert isinstance(Perplexity.from_config(config), Perplexity)
