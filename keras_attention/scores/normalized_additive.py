"""`NormalizedAdditiveScore`: the additive score, its vector normalised."""

from __future__ import annotations

import math

import keras

from keras_attention import functional
from keras_attention.scores.additive import AdditiveScore
from keras_attention.scores.score import PACKAGE


@keras.saving.register_keras_serializable(package=PACKAGE)
class NormalizedAdditiveScore(AdditiveScore):
    """`score = (g v / ||v||) . tanh(W_a query + U_a key + b)`.

    The additive score with weight normalisation of its vector (Salimans and
    Kingma 2016, eq. 2): how far scores reach is one number that is learned,
    `g`, whatever the width. Raffel et al. (2017, eq. 16) use it, with a
    scalar bias that is up to the normaliser here.

    Args:
        units: width of the hidden layer; `None` takes the key's width.
        use_bias: adds the bias `b` inside the tanh.

    Weights: `query_kernel` `(query_dim, units)`, `key_kernel`
    `(key_dim, units)`, `scale` `(units,)`, which is `v`, `bias` `(units,)`,
    and `gain` `()`, which is `g` and starts at `1 / sqrt(units)`.

    Example:

    >>> layer = keras_attention.Attention(score=NormalizedAdditiveScore(13))
    >>> layer([keras.ops.ones((2, 3, 7)), keras.ops.ones((2, 5, 11))]).shape
    TensorShape([2, 3, 11])
    """

    def __init__(self, units=None, use_bias=True, **kwargs):
        super().__init__(units, use_bias, **kwargs)

    def build(self, query_shape, keys_shape):
        super().build(query_shape, keys_shape)
        (units,) = self.scale.shape
        self.gain = self.add_weight(
            name="gain",
            shape=(),
            initializer=keras.initializers.Constant(1.0 / math.sqrt(units)),
        )

    def vector(self):
        return functional.weight_normalized(
            super().vector(), keras.ops.convert_to_tensor(self.gain)
        )
