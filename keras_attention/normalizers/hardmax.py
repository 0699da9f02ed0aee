"""`Hardmax`: one position, the best."""

from __future__ import annotations

import keras

from keras_attention import functional
from keras_attention.normalizers.normalizer import PACKAGE, Normalizer


@keras.saving.register_keras_serializable(package=PACKAGE)
class Hardmax(Normalizer):
    """Picks the one position with the highest score.

    In training the gradient is that of the softmax, by the straight-through
    estimator (Bengio, Leonard and Courville 2013, section 4).

    Example:

    >>> Hardmax()(keras.ops.array([[[0.1, 0.7, 0.2]]])).numpy()
    array([[[0., 1., 0.]]], dtype=float32)
    """

    is_hard = True

    def call(self, scores, allowed=None, past=None, noise=None, training=False):
        del past, noise
        hard = functional.masked_hardmax(scores, allowed)
        if not training:
            return hard
        soft = functional.masked_softmax(scores, allowed)
        return functional.straight_through(hard, soft)
