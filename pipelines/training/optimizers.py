"""What stands between a model and its optimizer."""

from __future__ import annotations

from typing import Any


def inner_optimizer(model: Any) -> Any:
    """The optimizer that changes a model's weights.

    With `mixed_float16` Keras puts a `LossScaleOptimizer` around it, which
    says nothing of the moving average and the accumulated batches within.

    Args:
        model: a compiled model.

    Example:

    >>> import keras
    >>> model = keras.Sequential([keras.layers.Dense(1)])
    >>> inner = keras.optimizers.SGD()
    >>> model.compile(keras.optimizers.LossScaleOptimizer(inner))
    >>> inner_optimizer(model) is inner
    True
    """
    optimizer = model.optimizer
    return getattr(optimizer, "inner_optimizer", optimizer)
