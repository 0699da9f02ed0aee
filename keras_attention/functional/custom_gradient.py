"""Functions that bring their own gradient, the same on every backend."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import keras
from keras import ops


def custom_gradient(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorates a function that returns its value and its gradient.

    As `keras.ops.custom_gradient`, which hands over what comes from above by
    position on one backend and by name on another; here it is always by
    position.

    Args:
        function: from tensors to `(value, gradient)`, where `gradient` goes
            from the gradient by the value to those by each tensor.

    Returns:
        The function from tensors to the value.

    Example:

    >>> @custom_gradient
    ... def double(x):
    ...     return 2 * x, lambda upstream: 2 * upstream
    >>> double(ops.ones(())).numpy()
    np.float32(2.0)
    """

    @functools.wraps(function)
    def call(*tensors: Any) -> Any:
        tensors = tuple(_read(one) for one in tensors)

        def with_gradient(*copies: Any) -> Any:
            # TensorFlow hands over copies. In a loop it would keep those of
            # every step for the gradient, even of what is always the same.
            same = keras.backend.backend() == "tensorflow"
            value, gradient = function(*(tensors if same else copies))

            def handed(*args: Any, upstream: Any = None) -> Any:
                return gradient(args[0] if upstream is None else upstream)

            return value, handed

        return ops.custom_gradient(with_gradient)(*tensors)

    return call


def _read(tensor: Any) -> Any:
    """Returns a variable's value, which a gradient could not read itself."""
    if not isinstance(tensor, keras.Variable):
        return tensor
    value = tensor.value
    return ops.copy(value) if hasattr(value, "assign") else value
