"""`LocationSensitiveScore`: it knows where the step before looked."""

from __future__ import annotations

import keras

from keras_attention import functional
from keras_attention.registry import positive_integer
from keras_attention.scores.additive import AdditiveScore
from keras_attention.scores.score import PACKAGE


@keras.saving.register_keras_serializable(package=PACKAGE)
class LocationSensitiveScore(AdditiveScore):
    """`score_j = w . tanh(W query + V key_j + U f_j + b)`, `f = F * alpha`.

    The additive score, and a convolution of the alignments of the step before
    (Chorowski et al. 2015, eqs. 8-9): an attention that can move on through
    the source from where it was, among keys that sound alike.

    Queries are answered one after the other. Before the first step, the
    alignments are those that the normaliser starts from: zeros by default.

    Args:
        units: width of the hidden layer; `None` takes the key's width.
        filters: number of filters in `F`.
        kernel_size: width of each, in positions of the source.
        use_bias: adds the bias `b` inside the tanh.

    Weights: `query_kernel` `(query_dim, units)`, `key_kernel`
    `(key_dim, units)`, `location_filters` `(kernel_size, 1, filters)`,
    `location_kernel` `(filters, units)`, `scale` `(units,)`, and `bias`
    `(units,)`.

    Example:

    >>> layer = keras_attention.Attention(score=LocationSensitiveScore(13))
    >>> layer([keras.ops.ones((2, 3, 7)), keras.ops.ones((2, 5, 11))]).shape
    TensorShape([2, 3, 11])
    """

    remembers = ("alignments",)

    def __init__(
        self, units=None, filters=32, kernel_size=31, use_bias=True, **kwargs
    ):
        super().__init__(units, use_bias, **kwargs)
        self.filters = positive_integer("filters", filters)
        self.kernel_size = positive_integer("kernel_size", kernel_size)

    def build(self, query_shape, keys_shape):
        super().build(query_shape, keys_shape)
        self.location_filters = self.add_weight(
            name="location_filters", shape=(self.kernel_size, 1, self.filters)
        )
        self.location_kernel = self.add_weight(
            name="location_kernel", shape=(self.filters, *self.scale.shape)
        )

    def call(self, query, keys, past):
        # Chorowski et al. (2015), eq. 8
        features = functional.location_features(
            past.alignments, self.location_filters
        )
        # Eq. 9: what is added inside the tanh may as well be part of the keys.
        located = functional.project(features, self.location_kernel)
        return super().call(query, keys + located)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
        }
