"""`LuongAttention`: Luong, Pham and Manning (2015)."""

from __future__ import annotations

import keras

from keras_attention import scores
from keras_attention.attention_inputs import refuse_keras_arguments
from keras_attention.base_attention import BaseAttention
from keras_attention.piece import PACKAGE
from keras_attention.registry import check_name, positive_integer
from keras_attention.serialization import serialized

LUONG_SCORES = ("dot", "scaled_dot", "general", "concat")


@keras.saving.register_keras_serializable(package=PACKAGE)
class LuongAttention(BaseAttention):
    """Multiplicative (Luong) attention, global or local.

    The scores of Luong et al. (2015), section 3.1:

    - `"dot"`: `query . key` (equal widths),
    - `"scaled_dot"`: `query . key / sqrt(dim)` (Vaswani et al. 2017, eq. 1),
    - `"general"`: `query . (W_a key)`,
    - `"concat"`: `v_a . tanh(W_a [query; key])`,

    then a softmax over the source (eq. 7) and the weighted sum of the values.
    The softmax runs over the whole source or, with a local window (section
    3.2), over the positions around `p_t` only:

    - `"local_m"`: `p_t` is the number of the step, from 0,
    - `"local_p"`: `p_t` is predicted from the query (eq. 9), and what is far
      from it weighs less (eq. 10): the alignments sum to less than one.

    Args:
        score: one of the names above.
        units: width of the hidden layer of `"concat"`; `None` takes the
            key's width. Of no use to the others.
        window: where a query may look: `"global"`, `"local_m"` or `"local_p"`
            (both 10 positions to either side), another name in
            `keras_attention.windows.WINDOWS`, or a `Window`, such as
            `windows.LocalPredictiveWindow(width=5)`.
        dropout: share of alignments dropped in training, in `[0, 1)`.
        seed: integer seed of the dropout.
        **kwargs: as in `keras.layers.Layer` (`name`, `dtype`, ...).

    Call arguments, returns, masking: as in `keras_attention.Attention`.

    Raises:
        ValueError: if the score or the window is unknown, if `units` comes
            with a score that has no hidden layer, or, with the dot products,
            if query and key differ in width.

    Example:

    >>> layer = LuongAttention(score="general")
    >>> query = keras.ops.ones((2, 3, 7))
    >>> value = keras.ops.ones((2, 5, 11))
    >>> layer([query, value]).shape
    TensorShape([2, 3, 11])
    """

    def __init__(
        self,
        score="general",
        units=None,
        window="global",
        dropout=0.0,
        seed=None,
        **kwargs,
    ):
        refuse_keras_arguments(type(self).__name__, score, kwargs)
        check_name(
            "score",
            score,
            LUONG_SCORES,
            "Other scores go into `keras_attention.Attention(score=...)`.",
        )
        if units is not None and score != "concat":
            raise ValueError(
                f"`units` belongs to score='concat'. Received: score={score!r}"
                f", units={units}."
            )
        units = positive_integer("units", units, optional=True)
        piece = (
            scores.AdditiveScore(units, name="score")
            if score == "concat"
            else scores.get(score)
        )
        super().__init__(
            score=piece, window=window, dropout=dropout, seed=seed, **kwargs
        )
        self.score_name = score
        self.units = units

    def get_config(self):
        return {
            **super().get_config(),
            "score": self.score_name,
            "units": self.units,
            "window": serialized(self.window),
        }
