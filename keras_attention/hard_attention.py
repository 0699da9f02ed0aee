"""`HardAttention`: one position at a time."""

from __future__ import annotations

import keras

from keras_attention.base_attention import BaseAttention
from keras_attention.piece import PACKAGE


@keras.saving.register_keras_serializable(package=PACKAGE)
class HardAttention(BaseAttention):
    """Hard attention: each query takes the value at one position.

    Alignments are exactly one-hot, at the highest score, in training as at
    inference (Xu et al. 2015, section 4.1, at the mode of the distribution).
    The gradient is that of the softmax over the same scores: the
    straight-through estimator (Bengio, Leonard and Courville 2013, section 4).

    Args:
        score: a name in `keras_attention.scores.SCORES` or a `Score`.
        dropout: share of alignments dropped in training, in `[0, 1)`.
        seed: integer seed of the dropout.
        **kwargs: as in `keras.layers.Layer` (`name`, `dtype`, ...).

    Call arguments, returns, masking: as in `keras_attention.Attention`.

    Example:

    >>> layer = HardAttention(score="dot")
    >>> query = keras.ops.ones((1, 1, 2))
    >>> value = keras.ops.array([[[0.0, 1.0], [2.0, 3.0]]])
    >>> layer([query, value]).numpy()
    array([[[2., 3.]]], dtype=float32)
    """

    def __init__(self, score="additive", dropout=0.0, seed=None, **kwargs):
        super().__init__(
            score=score,
            normalizer="hardmax",
            dropout=dropout,
            seed=seed,
            **kwargs,
        )

    def get_config(self):
        return {
            **super().get_config(),
            "score": keras.saving.serialize_keras_object(self.score),
        }
