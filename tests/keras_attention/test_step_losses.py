"""A compiled loss, taken apart into the losses of single steps."""

import keras
import numpy as np
import pytest

from keras_attention.step_losses import InseparableLoss, split_loss
from pipelines.training.losses import SmoothedCrossentropy
from tests.tensors import numpy

BATCH, TARGET, SOURCE, CLASSES = 2, 3, 5, 7
WEIGHTS = np.array([[1.0, 0.5, 0.25], [2.0, 0.0, 0.0]], "float32")
MASK = np.array([[True, True, False], [True, False, False]])
SPARSE = keras.losses.SparseCategoricalCrossentropy


def own_loss(y_true, y_pred):
    return keras.ops.mean((y_true - y_pred) ** 2, axis=-1)


def data(kind, seed=0):
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(BATCH, TARGET, CLASSES)).astype("float32")
    if kind == "ids":
        return np.array([[1, 4, 0], [6, 0, 0]]), logits
    return rng.normal(size=logits.shape).astype("float32"), logits


@pytest.mark.parametrize("masked", [False, True], ids=["", "masked"])
@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
@pytest.mark.parametrize(
    ("kind", "loss"),
    [
        ("ids", SPARSE(from_logits=True)),
        ("ids", SPARSE(from_logits=True, reduction="sum")),
        ("ids", SPARSE(from_logits=True, ignore_class=0)),
        (
            "ids",
            SPARSE(from_logits=True, reduction="mean_with_sample_weight"),
        ),
        ("ids", SmoothedCrossentropy(0.1)),
        ("floats", "mse"),
        ("floats", "mean_absolute_error"),
        ("floats", own_loss),
        ("floats", keras.losses.Huber(reduction="mean")),
    ],
)
def test_the_parts_make_the_whole(kind, loss, weighted, masked):
    y, y_pred = data(kind)
    y_pred = keras.ops.convert_to_tensor(y_pred)
    if masked:
        y_pred._keras_mask = keras.ops.convert_to_tensor(MASK)
    model = keras.Sequential([keras.Input((TARGET, CLASSES))])
    model.compile("sgd", loss)
    sample_weight = WEIGHTS if weighted else None
    whole = model.compute_loss(None, y, y_pred, sample_weight)
    losses, weights = split_loss(model, y, y_pred, sample_weight)
    assert losses.shape == weights.shape == (BATCH, TARGET)
    losses, weights = numpy(losses), numpy(weights)
    np.testing.assert_allclose(
        np.sum(losses * weights), float(whole), rtol=1e-5
    )
    # A step's weight is the share of the loss that goes with it.
    counts = np.ones((BATCH, TARGET))
    if weighted:
        counts = counts * WEIGHTS
    if masked:
        counts = counts * MASK
    if getattr(loss, "ignore_class", None) is not None:
        counts = counts * (y != 0)
    np.testing.assert_allclose(
        weights / weights.sum(), counts / counts.sum(), atol=1e-6
    )
    assert losses.std() > 0


class PaddingWeighed(keras.Model):
    """Its loss is large where padding counts in the parts of the loss."""

    def compute_loss(self, x, y, y_pred, sample_weight=None, training=True):
        whole = super().compute_loss(
            x, y, y_pred, sample_weight, training=training
        )
        _, weights = split_loss(self, y, y_pred, sample_weight)
        is_padding = keras.ops.cast(keras.ops.equal(y, 0), "float32")
        return whole + 100.0 * keras.ops.sum(weights * is_padding)


def test_a_loss_that_masks_is_taken_apart_where_it_is_traced():
    """As in `fit`, where tensors may take no attributes."""
    y, y_pred = data("ids")
    loss = SPARSE(from_logits=True, ignore_class=0)
    logits = keras.Input((TARGET, CLASSES))
    model = PaddingWeighed(logits, keras.layers.Identity()(logits))
    model.compile("sgd", loss)  # On JAX this is traced, and compiled.
    found = model.evaluate(y_pred, y, batch_size=BATCH, verbose=0)
    assert found == pytest.approx(float(loss(y, y_pred)), rel=1e-5)


def test_one_loss_an_example():
    model = keras.Sequential([keras.Input((1,))])
    model.compile("sgd", "mse")
    y, y_pred = np.array([[1.0], [2.0]]), np.array([[3.0], [7.0]])
    whole = model.compute_loss(None, y, y_pred, np.array([1.0, 3.0]))
    losses, weights = split_loss(model, y, y_pred, np.array([1.0, 3.0]))
    np.testing.assert_allclose(numpy(losses), [[4.0], [25.0]])
    np.testing.assert_allclose(numpy(weights), [[0.5], [1.5]])
    np.testing.assert_allclose(float(whole), 39.5)


def test_further_axes_are_summed_up():
    rng = np.random.default_rng(0)
    y, y_pred = rng.normal(size=(2, BATCH, TARGET, SOURCE, 2))
    model = keras.Sequential([keras.Input((TARGET, SOURCE, 2))])
    model.compile("sgd", "mse")
    whole = model.compute_loss(None, y, y_pred)
    losses, weights = split_loss(model, y, y_pred)
    assert losses.shape == (BATCH, TARGET)
    expected = ((y - y_pred) ** 2).mean((2, 3))
    np.testing.assert_allclose(numpy(losses), expected, rtol=1e-5)
    np.testing.assert_allclose(
        float(whole), np.sum(numpy(losses) * numpy(weights)), rtol=1e-5
    )


def test_a_loss_weight_and_outputs_without_a_loss():
    inputs = keras.Input((TARGET, CLASSES))
    model = keras.Model(inputs, [inputs, keras.layers.Dense(2)(inputs)])
    model.compile("sgd", ["mse", None], loss_weights=[0.3, 1.0])
    y, y_pred = data("floats")
    y_pred = [y_pred, np.zeros((BATCH, TARGET, 2))]
    whole = model.compute_loss(None, [y], y_pred)
    losses, weights = split_loss(model, [y], y_pred)
    np.testing.assert_allclose(
        float(whole), np.sum(numpy(losses) * numpy(weights)), rtol=1e-5
    )
    np.testing.assert_allclose(numpy(weights), 0.3 / 6, rtol=1e-5)


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (["mse", "mae"], "Received: 2"),
        (lambda y, y_pred: keras.ops.sum(y_pred), "one number for a whole"),
        (SPARSE(reduction=None), "not reduced"),
    ],
)
def test_what_cannot_be_taken_apart(loss, message):
    inputs = keras.Input((TARGET, CLASSES))
    model = keras.Model(inputs, inputs)
    y, y_pred = data("ids")
    if isinstance(loss, list):
        model = keras.Model(inputs, [inputs, inputs])
        y, y_pred = [y_pred, y_pred], [y_pred, y_pred]
    model.compile("sgd", loss)
    model.compute_loss(None, y, y_pred)
    with pytest.raises(InseparableLoss, match=message):
        split_loss(model, y, y_pred)
