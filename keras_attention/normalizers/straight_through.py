"""`StraightThrough`: a sample, with the gradient of the softmax."""

from __future__ import annotations

import keras
from keras import ops

from keras_attention import functional
from keras_attention.normalizers.gumbel_noise import GumbelNoise
from keras_attention.normalizers.normalizer import PACKAGE, Normalizer


@keras.saving.register_keras_serializable(package=PACKAGE)
class StraightThrough(GumbelNoise, Normalizer):
    """Draws one position in training; the gradient is that of the softmax.

    In training a position is drawn from the softmax of the scores, and the
    gradient passes as if the softmax itself had been used: the
    straight-through estimator (Bengio, Leonard and Courville 2013, section
    4). It is biased, has little variance, and needs nothing to be set. At
    inference the best position is taken. `Hardmax` takes the best in training
    too.

    Args:
        seed: integer seed of the draws.
        **kwargs: as in `keras.layers.Layer` (`name`, `dtype`, ...).

    Example:

    >>> StraightThrough()(keras.ops.array([[[0.1, 0.7, 0.2]]])).numpy()
    array([[[0., 1., 0.]]], dtype=float32)
    """

    is_hard = True

    def call(self, scores, allowed=None, past=None, noise=None, training=False):
        del past
        if not training:
            return functional.masked_hardmax(scores, allowed)
        if noise is None:
            noise = self.draw(ops.shape(scores), training)
        return functional.straight_through(
            functional.gumbel_max(scores, noise, allowed),
            functional.masked_softmax(scores, allowed),
        )
