"""`Sparsemax`: a few positions, weighed."""

from __future__ import annotations

import keras

from keras_attention import functional
from keras_attention.normalizers.normalizer import PACKAGE, Normalizer


@keras.saving.register_keras_serializable(package=PACKAGE)
class Sparsemax(Normalizer):
    """Weighs the best positions and leaves out the rest.

    Martins and Astudillo (2016), eq. 1: the probabilities nearest to the
    scores, in the Euclidean sense. Where the softmax gives every position a
    little, most get exactly zero.

    Example:

    >>> Sparsemax()(keras.ops.array([[[1.0, 0.5, -1.0]]])).numpy()
    array([[[0.75, 0.25, 0.  ]]], dtype=float32)
    """

    def call(self, scores, allowed=None, past=None, noise=None, training=False):
        del past, noise, training
        return functional.masked_sparsemax(scores, allowed)
