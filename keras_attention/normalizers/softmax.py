"""`Softmax`: all positions, weighed."""

from __future__ import annotations

import keras

from keras_attention import functional
from keras_attention.normalizers.normalizer import PACKAGE, Normalizer


@keras.saving.register_keras_serializable(package=PACKAGE)
class Softmax(Normalizer):
    """Weighs all positions (Bahdanau et al. 2014, eq. 6).

    Example:

    >>> Softmax()(keras.ops.zeros((1, 1, 2))).numpy()
    array([[[0.5, 0.5]]], dtype=float32)
    """

    def call(self, scores, allowed=None, past=None, noise=None, training=False):
        del past, noise, training
        return functional.masked_softmax(scores, allowed)
