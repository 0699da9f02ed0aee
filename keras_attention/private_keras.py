"""What is taken from private modules of Keras: all of it, in this file."""

from __future__ import annotations

from typing import Any

# Keras carries masks with tensors, and hands them only to the arguments of a
# layer's `call`: there is no public way to ask for the mask of a tensor that
# is made inside.
from keras.src.backend import get_keras_mask, set_keras_mask

# `keras.layers.RNN` passes nothing but inputs and states to its cell, and
# `keras.ops.scan` fails under XLA in training.
from keras.src.backend import rnn as keras_rnn

__all__ = ["carried_mask", "get_keras_mask", "keras_rnn", "set_keras_mask"]


def carried_mask(tensor: Any) -> Any:
    """Returns the mask that Keras carries with a tensor, or `None`.

    Args:
        tensor: `(batch, ..., dim)`, whose mask is `(batch, ...)`; any other
            mask is not its own.

    Example:

    >>> import keras
    >>> table = keras.layers.Embedding(3, 2, mask_zero=True)
    >>> carried_mask(table(keras.ops.array([[1, 0]]))).numpy()
    array([[ True, False]])
    """
    mask = get_keras_mask(tensor)
    if mask is None or len(mask.shape) != len(tensor.shape) - 1:
        return None
    return mask
