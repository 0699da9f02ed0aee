"""`LocationScore`: a place for each position of the source."""

from __future__ import annotations

import keras
from keras import ops

from keras_attention import functional
from keras_attention.registry import positive_integer
from keras_attention.scores.score import PACKAGE, Score


@keras.saving.register_keras_serializable(package=PACKAGE)
class LocationScore(Score):
    """`score_s = (W_a query)_s` (Luong et al. 2015, eq. 8, "location").

    The query alone says which positions count; the keys' contents do not
    matter, only how many there are. A shorter source uses the first rows of
    `W_a`; positions beyond `max_source_len` are never looked at, as in the
    paper.

    Args:
        max_source_len: how many positions have a score. 50 is the length of
            the longest sentences that the paper trains on (section 4.1).

    Weight: `kernel`, `(query_dim, max_source_len)`.

    Example:

    >>> layer = keras_attention.Attention(score=LocationScore(3))
    >>> _, alignments = layer(
    ...     [keras.ops.zeros((1, 1, 7)), keras.ops.ones((1, 5, 11))],
    ...     return_attention_scores=True,
    ... )
    >>> keras.ops.convert_to_numpy(alignments).round(2)
    array([[[0.33, 0.33, 0.33, 0.  , 0.  ]]], dtype=float32)
    """

    def __init__(self, max_source_len=50, **kwargs):
        super().__init__(**kwargs)
        self.max_source_len = positive_integer("max_source_len", max_source_len)

    def build(self, query_shape, keys_shape):
        del keys_shape
        self.kernel = self.add_weight(
            name="kernel", shape=(query_shape[-1], self.max_source_len)
        )
        self.built = True

    def reach(self, source_len):
        positions = ops.arange(source_len, dtype="int32")
        return ops.reshape(
            ops.less(positions, self.max_source_len), (1, 1, source_len)
        )

    def call(self, query, keys):
        positions = ops.arange(ops.shape(keys)[1], dtype="int32")
        scores = functional.project(query, self.kernel)
        # Beyond `reach` stands the last score, which nobody sees.
        return ops.take(
            scores, ops.minimum(positions, self.max_source_len - 1), axis=2
        )

    def get_config(self):
        return {**super().get_config(), "max_source_len": self.max_source_len}
