"""`GradientNorm`: how long the gradients of a training are."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf
from keras import ops

from pipelines.training.optimizers import inner_optimizer


class GradientNorm:
    """The norm of the gradient of the last training step, before clipping.

    `sqrt(sum_i |g_i|^2)` over all weights, computed inside the training step,
    where the gradients are. `global_clipnorm` limits nearly the same: there,
    Keras takes a token that a batch has several times for several tokens, in
    the gradient of an embedding.

    Only on TensorFlow and on one device: elsewhere `read` returns `None`.

    Args:
        model: A compiled model that has not begun to train. One that has must
            be compiled again, or there is nothing to read.

    Example:

    ```python
    norm = GradientNorm(model)
    model.fit(...)
    norm.read()
    ```
    """

    def __init__(self, model: Any) -> None:
        self._variable: Any = None
        # With a scaled loss, the gradients that count are the inner one's.
        optimizer = inner_optimizer(model)
        if keras.backend.backend() != "tensorflow" or (
            tf.distribute.has_strategy()
            or model.distribute_strategy.num_replicas_in_sync > 1
        ):
            return
        earlier = getattr(optimizer.apply, "gradient_norm", None)
        if earlier is not None:
            self._variable = earlier  # Of a callback that was here before.
            return
        # Neither the model's nor the optimizer's: checkpoints stay as they
        # are. Not a number until the first step.
        self._variable = tf.Variable(float("nan"), trainable=False)
        optimizer.apply = _measuring(optimizer.apply, self._variable)

    def read(self) -> float | None:
        """Returns the norm, or `None` where there is none to read."""
        if self._variable is None:
            return None
        value = float(self._variable.numpy())
        return None if value != value else value


def _measuring(apply: Any, variable: Any) -> Any:
    """Wraps an optimizer's `apply`."""

    def measuring(grads: Any, trainable_variables: Any = None) -> Any:
        squares = [
            # The gradient of an embedding comes as slices: they are added.
            ops.sum(ops.square(tf.convert_to_tensor(one)))
            for one in grads
            if one is not None
        ]
        if squares:
            norm = ops.sqrt(ops.sum(ops.stack(squares)))
            variable.assign(ops.cast(norm, "float32"))
        return apply(grads, trainable_variables)

    measuring.gradient_norm = variable  # type: ignore[attr-defined]
    return measuring
