"""`Attention`: a score, a window and a normaliser, called as Keras's own is."""

from __future__ import annotations

import keras

from keras_attention.base_attention import BaseAttention
from keras_attention.piece import PACKAGE
from keras_attention.serialization import serialized


@keras.saving.register_keras_serializable(package=PACKAGE)
class Attention(BaseAttention):
    """Attention put together from a score, a window and a normaliser.

    `alignments = normalizer(window(score(query, key)))`,
    `context = sum_s alignments_s value_s` (Bahdanau et al. 2014, eqs. 5-6).

    The named layers (`AdditiveAttention`, `LuongAttention`, `HardAttention`)
    are this class with one paper's choices. It is called like
    `keras.layers.Attention`, and it serves a recurrent decoder step by step
    through `project_keys` and `attend`.

    Args:
        score: a name in `keras_attention.scores.SCORES` or a `Score`.
        window: a name in `keras_attention.windows.WINDOWS` or a `Window`.
        normalizer: a name in `keras_attention.normalizers.NORMALIZERS` or a
            `Normalizer`.
        dropout: share of alignments dropped in training, in `[0, 1)`.
        seed: integer seed of the dropout.
        **kwargs: as in `keras.layers.Layer` (`name`, `dtype`, ...).

    Call arguments:
        inputs: `[query, value]` or `[query, value, key]`, list or tuple:
            query `(batch, target_len, query_dim)`, value
            `(batch, source_len, value_dim)`, key
            `(batch, source_len, key_dim)`; without a key, value is the key.
            Value and key may be grids, `(batch, height, width, channels)`.
            They are read row after row: what knows of positions (windows,
            the causal mask, scores of locations) counts them in this order.
        mask: `[query_mask, value_mask]`, booleans `(batch, target_len)` and
            `(batch, source_len)` (of a grid `(batch, height, width)`), either
            may be `None`. Masks that Keras carries along with its tensors are
            found by themselves.
        training: whether dropout is on.
        return_attention_scores: also return the alignments.
        use_causal_mask: target position `i` sees source positions `<= i`.

    Returns:
        The context `(batch, target_len, value_dim)`; with
        `return_attention_scores`, a pair of it and the alignments
        `(batch, target_len, source_len)`, as they were before dropout; over
        a grid, `(batch, target_len, height, width)`.

    Masking:
        Masked source positions get an alignment of exactly zero. A target
        position that may see nothing, or whose own mask is off, gets a zero
        context. The query's mask is passed on. Attentions that remember their
        earlier steps (monotonic, coverage, location-sensitive) count masked
        target positions as steps: mask on the right only.

    Raises:
        ValueError: if `inputs` or `mask` are not lists of the right length,
            or hold tensors of shapes that do not fit.

    Example:

    >>> layer = Attention(score="general")
    >>> query = keras.ops.ones((2, 3, 7))
    >>> value = keras.ops.ones((2, 5, 11))
    >>> context, alignments = layer(
    ...     [query, value], return_attention_scores=True
    ... )
    >>> context.shape, alignments.shape
    (TensorShape([2, 3, 11]), TensorShape([2, 3, 5]))
    """

    def __init__(
        self,
        score="dot",
        window="global",
        normalizer="softmax",
        dropout=0.0,
        seed=None,
        **kwargs,
    ):
        super().__init__(
            score=score,
            window=window,
            normalizer=normalizer,
            dropout=dropout,
            seed=seed,
            **kwargs,
        )

    def get_config(self):
        return {
            **super().get_config(),
            "score": serialized(self.score),
            "window": serialized(self.window),
            "normalizer": serialized(self.normalizer),
        }
