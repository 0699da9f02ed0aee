"""The norm of the gradient, however the optimizer is set up."""

import keras
import numpy as np
import pytest

from pipelines.tensorboard.curves import TrainingCurves
from tests.pipelines.events import read, scalars

X = np.random.default_rng(0).normal(size=(8, 3)).astype("float32")
Y = X.sum(1, keepdims=True)


def make(optimizer, dtype=None):
    model = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(1, dtype=dtype)]
    )
    model.compile(optimizer, "mse", jit_compile=False)
    return model


def fit(model, *callbacks, epochs=1):
    model.fit(
        X,
        Y,
        batch_size=2,
        epochs=epochs,
        callbacks=list(callbacks),
        shuffle=False,
        verbose=0,
    )


def norms(model):
    """Of each batch, with the weights as they are: of 2 X' (X w + b - Y)."""
    kernel, bias = model.get_weights()
    found = []
    for start in range(0, len(X), 2):
        x, y = X[start : start + 2], Y[start : start + 2]
        slope = 2 * (x @ kernel + bias - y) / len(x)
        found.append(np.sqrt(np.sum((x.T @ slope) ** 2) + slope.sum() ** 2))
    return found


def curves(folder):
    return TrainingCurves(folder, every_steps=1)


def test_every_step(tmp_path):
    model = make(keras.optimizers.SGD(0.0))
    fit(model, curves(tmp_path))
    actual = scalars(tmp_path / "train")["gradient_norm"]
    np.testing.assert_allclose(actual, norms(model), rtol=1e-5)


def test_of_a_scaled_loss(tmp_path):
    model = make(
        keras.optimizers.LossScaleOptimizer(
            keras.optimizers.SGD(0.0), initial_scale=1024.0
        )
    )
    fit(model, curves(tmp_path))
    actual = scalars(tmp_path / "train")["gradient_norm"]
    np.testing.assert_allclose(actual, norms(model), rtol=1e-5)


def test_of_accumulated_gradients(tmp_path):
    """Batches are counted, not updates; a resumed training goes on."""
    model = make(keras.optimizers.SGD(0.0, gradient_accumulation_steps=2))
    fit(model, curves(tmp_path))
    fit(model, curves(tmp_path))
    found = sorted(read(tmp_path / "train")["gradient_norm"])
    assert [step for step, _ in found] == list(range(1, 9))
    np.testing.assert_allclose(
        [value for _, value in found], norms(model) * 2, rtol=1e-5
    )


def test_a_model_that_was_trained_before(tmp_path):
    model = make(keras.optimizers.SGD(0.0))
    fit(model)
    fit(model, curves(tmp_path))
    found = scalars(tmp_path / "train")
    assert "gradient_norm" not in found and len(found["loss_by_step"]) == 4


def test_what_is_saved_is_as_without_it(tmp_path):
    plain, watched = (make(keras.optimizers.Adam(0.1)) for _ in range(2))
    watched.set_weights(plain.get_weights())
    fit(plain)
    fit(watched, curves(tmp_path))
    watched.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert len(again.optimizer.variables) == len(plain.optimizer.variables)
    for one, other in zip(
        again.optimizer.variables, plain.optimizer.variables, strict=True
    ):
        np.testing.assert_allclose(one, other, atol=1e-6)
    fit(again, curves(tmp_path / "again"))
    assert scalars(tmp_path / "again" / "train")["gradient_norm"]


@pytest.mark.parametrize("every", ["every_steps", "every_epochs"])
def test_an_interval_of_zero(tmp_path, every):
    with pytest.raises(ValueError, match=f"Received: {every}=0"):
        TrainingCurves(tmp_path, **{every: 0})
