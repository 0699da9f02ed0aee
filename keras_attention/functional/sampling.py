"""One position of many: how likely it is, and how to draw it."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_attention.functional.masks import lowest
from keras_attention.functional.normalizing import (
    masked_hardmax,
    masked_softmax,
)
from keras_attention.functional.precision import widened

Tensor = Any  # a tensor of whichever backend Keras runs on


def masked_log_softmax(scores: Tensor, mask: Tensor | None = None) -> Tensor:
    """Returns the logarithm of the softmax over unmasked positions.

    Masked positions get a very large negative number instead of minus
    infinity, which has no gradient; all positions of a row without any
    unmasked one get the same.

    Args:
        scores: `(..., source_len)`, any float dtype.
        mask: boolean, broadcastable to `scores`; `True` = attend.

    Returns:
        A tensor of the shape of `scores`, in at least float32.

    Example:

    >>> masked_log_softmax(ops.zeros((1, 2))).numpy()
    array([[-0.6931472, -0.6931472]], dtype=float32)
    """
    wide = widened(scores)
    if mask is not None:
        wide = ops.where(mask, wide, lowest(wide))
    return ops.log_softmax(wide, axis=-1)


def entropy_of_scores(scores: Tensor, mask: Tensor | None = None) -> Tensor:
    """Returns the entropy of the softmax, `- sum_s p_s log p_s`, in nats.

    Zero for a row without any unmasked position.

    Args:
        scores: `(..., source_len)`, any float dtype.
        mask: boolean, broadcastable to `scores`; `True` = attend.

    Returns:
        A tensor `(...)`, in at least float32.

    Example:

    >>> entropy_of_scores(ops.zeros((1, 2))).numpy()
    array([0.6931472], dtype=float32)
    """
    chances = masked_softmax(widened(scores), mask)
    return -ops.sum(chances * masked_log_softmax(scores, mask), axis=-1)


def log_probability(
    scores: Tensor, chosen: Tensor, mask: Tensor | None = None
) -> Tensor:
    """Returns the log-probability of one position under the softmax.

    Args:
        scores: `(..., source_len)`, any float dtype.
        chosen: boolean, of the shape of `scores`, `True` at one position; a
            row without one gets zero.
        mask: boolean, broadcastable to `scores`; `True` = attend.

    Returns:
        A tensor `(...)`, in at least float32.

    Example:

    >>> chosen = ops.array([[True, False]])
    >>> log_probability(ops.zeros((1, 2)), chosen).numpy()
    array([-0.6931472], dtype=float32)
    """
    logarithms = masked_log_softmax(scores, mask)
    return ops.sum(ops.where(chosen, logarithms, 0.0), axis=-1)


def gumbel_noise(uniform: Tensor) -> Tensor:
    """Returns Gumbel(0, 1) noise made of uniform noise.

    `- log(- log u)` (Jang et al. 2017, section 2.1).

    Args:
        uniform: numbers in `(0, 1)`.

    Example:

    >>> round(float(gumbel_noise(ops.array([0.5]))[0]), 4)
    0.3665
    """
    return -ops.log(-ops.log(uniform))


def gumbel_max(
    scores: Tensor, noise: Tensor, mask: Tensor | None = None
) -> Tensor:
    """Returns a one-hot sample of the softmax over unmasked positions.

    `one_hot(argmax_s (log alpha_s + g_s))` (Jang et al. 2017, eq. 1);
    `log alpha` and the scores differ by a constant only.

    Args:
        scores: `(..., source_len)`.
        noise: `g`, Gumbel noise of the shape of `scores`.
        mask: boolean, broadcastable to `scores`; `True` = attend.

    Returns:
        Zeros and ones, of the shape and dtype of `scores`; not
        differentiable.

    Example:

    >>> gumbel_max(ops.array([[0.1, 0.7]]), ops.array([[1.0, 0.0]])).numpy()
    array([[1., 0.]], dtype=float32)
    """
    dtype = keras.backend.standardize_dtype(scores.dtype)
    return ops.cast(masked_hardmax(_noisy(scores, noise), mask), dtype)


def gumbel_softmax(
    scores: Tensor,
    noise: Tensor,
    temperature: Any = 1.0,
    mask: Tensor | None = None,
) -> Tensor:
    """Returns a relaxed sample of the softmax over unmasked positions.

    `softmax((log alpha + g) / temperature)` (Jang et al. 2017, eq. 2;
    Maddison et al. 2017, eq. 10).

    Args:
        scores: `(..., source_len)`.
        noise: `g`, Gumbel noise of the shape of `scores`.
        temperature: positive number or scalar tensor.
        mask: boolean, broadcastable to `scores`; `True` = attend.

    Returns:
        Alignments of the shape and dtype of `scores`.

    Example:

    >>> gumbel_softmax(ops.zeros((1, 2)), ops.ones((1, 2)), 0.5).numpy()
    array([[0.5, 0.5]], dtype=float32)
    """
    dtype = keras.backend.standardize_dtype(scores.dtype)
    noisy = _noisy(scores, noise)
    relaxed = masked_softmax(noisy / ops.cast(temperature, noisy.dtype), mask)
    return ops.cast(relaxed, dtype)


def _noisy(scores: Tensor, noise: Tensor) -> Tensor:
    wide = widened(scores)
    return wide + ops.cast(noise, wide.dtype)
