"""The moving average of the weights over a training."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import keras

from pipelines.training.optimizers import inner_optimizer


@contextlib.contextmanager
def averaged(model: Any) -> Iterator[None]:
    """Inside, a model has its averaged weights, if its optimizer keeps them.

    The exponential moving average over the steps, `a = m a + (1 - m) w`
    (Polyak and Juditsky 1992 for the plain average): `use_ema` and
    `ema_momentum` of Keras's optimizers.

    Args:
        model: a compiled model.

    Example:

    >>> model = keras.Sequential([keras.layers.Dense(1, use_bias=False)])
    >>> model.compile(keras.optimizers.SGD(1.0, use_ema=True), "mse")
    >>> model.build((1, 1))
    >>> with averaged(model):
    ...     pass
    """
    trained = _put_average(model)
    try:
        yield
    finally:
        if trained is not None:
            model.set_weights(trained)


def _put_average(model: Any) -> list[Any] | None:
    """Returns the trained weights; `None` if there is no average."""
    optimizer = inner_optimizer(model)
    if not optimizer.use_ema or not int(optimizer.iterations):
        return None
    trained: list[Any] = model.get_weights()
    optimizer.finalize_variable_values(model.trainable_variables)
    return trained


class ValidateAverages(keras.callbacks.Callback):
    """Validates the averaged weights, which are those that are kept."""

    def __init__(self) -> None:
        super().__init__()
        # Not a context that is held open: if the training fails, it would be
        # closed whenever Python collects it, in the middle of anything.
        self._trained: list[Any] | None = None
        self._at_end: list[Any] | None = None

    def on_test_begin(self, logs: Any = None) -> None:
        self._trained = _put_average(self.model)

    def on_test_end(self, logs: Any = None) -> None:
        self.restore()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if inner_optimizer(self.model).use_ema:
            self._at_end = self.model.get_weights()

    def on_train_end(self, logs: Any = None) -> None:
        # `fit` leaves the average in the model, but a training that is
        # resumed goes on with the weights themselves.
        if self._at_end is not None:
            self.model.set_weights(self._at_end)
            self._at_end = None

    def restore(self) -> None:
        """Puts the trained weights back; for a validation cut short."""
        if self._trained is not None:
            self.model.set_weights(self._trained)
            self._trained = None
