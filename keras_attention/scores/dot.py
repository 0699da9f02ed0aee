"""Scores that are products of query and key."""

from __future__ import annotations

import math

import keras

from keras_attention import functional
from keras_attention.scores.score import PACKAGE, Score


def dot_scores(query, keys, padding_mask=None):
    """Returns `query . key`; with a mask the padding may hold anything."""
    if padding_mask is None:
        return functional.dot_scores(query, keys)
    return functional.padded_dot_scores(query, keys, padding_mask)


@keras.saving.register_keras_serializable(package=PACKAGE)
class DotScore(Score):
    """`score = query . key` (Luong et al. 2015, section 3.1, "dot").

    Query and key must have the same width.

    Example:

    >>> DotScore()(keras.ops.ones((1, 2, 4)), keras.ops.ones((1, 3, 4))).shape
    TensorShape([1, 2, 3])
    """

    guards_padding = True

    def build(self, query_shape, keys_shape):
        if query_shape[-1] != keys_shape[-1]:
            raise ValueError(
                f"{type(self).__name__} needs a query and a key of the same "
                f"width. Received: query {query_shape[-1]}, key "
                f"{keys_shape[-1]}. Use score='general' or an "
                "AdditiveAttention for unequal widths."
            )
        self.built = True

    def call(self, query, keys, padding_mask=None):
        return dot_scores(query, keys, padding_mask)


@keras.saving.register_keras_serializable(package=PACKAGE)
class ScaledDotScore(DotScore):
    """`score = query . key / sqrt(dim)` (Vaswani et al. 2017, eq. 1).

    Example:

    >>> ones = keras.ops.ones((1, 1, 4))
    >>> float(ScaledDotScore()(ones, ones)[0, 0, 0])
    2.0
    """

    def call(self, query, keys, padding_mask=None):
        # Scaled before the product: float16 overflows later that way.
        scale = 1.0 / math.sqrt(query.shape[-1])
        return dot_scores(query * scale, keys, padding_mask)


@keras.saving.register_keras_serializable(package=PACKAGE)
class GeneralScore(Score):
    """`score = query . (W_a key)` (Luong et al. 2015, section 3.1, "general").

    The projection acts on the keys, once per sequence: the same product as in
    the paper, `h_t^T W_a h_s`. Weight: `kernel`, `(key_dim, query_dim)`.

    Example:

    >>> score, key = GeneralScore(), keras.ops.ones((1, 3, 5))
    >>> score.build((1, 2, 4), key.shape)
    >>> score(keras.ops.ones((1, 2, 4)), score.project_keys(key)).shape
    TensorShape([1, 2, 3])
    """

    guards_padding = True

    def build(self, query_shape, keys_shape):
        self.kernel = self.add_weight(
            name="kernel", shape=(keys_shape[-1], query_shape[-1])
        )
        self.built = True

    def project_keys(self, key, padding_mask=None):
        kernel = self.cast(self.kernel)
        if padding_mask is None:
            return keras.ops.matmul(key, kernel)
        return functional.padded_project(key, kernel, padding_mask)

    def call(self, query, keys, padding_mask=None):
        return dot_scores(query, keys, padding_mask)


@keras.saving.register_keras_serializable(package=PACKAGE)
class ScaledGeneralScore(GeneralScore):
    """`score = g query . (W_a key)`, with a scale `g` that is learned.

    The "general" score with one more weight, a scalar: what `scale=True` adds
    in tensorflow-addons' `LuongAttention`. Weights: `kernel`, `(key_dim,
    query_dim)`, and `gain`, `()`, which starts at 1.

    Example:

    >>> layer = keras_attention.Attention(score="scaled_general")
    >>> layer([keras.ops.ones((2, 3, 7)), keras.ops.ones((2, 5, 11))]).shape
    TensorShape([2, 3, 11])
    """

    def build(self, query_shape, keys_shape):
        super().build(query_shape, keys_shape)
        self.gain = self.add_weight(name="gain", shape=(), initializer="ones")

    def call(self, query, keys, padding_mask=None):
        return dot_scores(query * self.gain, keys, padding_mask)
