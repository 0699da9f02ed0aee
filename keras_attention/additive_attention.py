"""`AdditiveAttention`: Bahdanau, Cho and Bengio (2014)."""

from __future__ import annotations

import keras

from keras_attention.base_attention import BaseAttention
from keras_attention.piece import PACKAGE
from keras_attention.registry import positive_integer
from keras_attention.scores import AdditiveScore


@keras.saving.register_keras_serializable(package=PACKAGE)
class AdditiveAttention(BaseAttention):
    """Additive (Bahdanau) attention, with its weights.

    `score(query, key) = v_a . tanh(W_a query + U_a key)`
    (Bahdanau et al. 2014, A.1.2), then a softmax over the source (eq. 6) and
    the weighted sum of the values (eq. 5). Query, key and value may have
    different widths.

    In place of `keras.layers.AdditiveAttention`, which has no `W_a` and `U_a`,
    change the import and give `units`; every call stays the same.

    Args:
        units: width of the score's hidden layer; `None` takes the key's
            width.
        use_bias: adds a bias inside the tanh (the paper leaves it out).
        dropout: share of alignments dropped in training, in `[0, 1)`.
        seed: integer seed of the dropout.
        **kwargs: as in `keras.layers.Layer` (`name`, `dtype`, ...).

    Call arguments, returns, masking: as in `keras_attention.Attention`.

    Raises:
        ValueError: if `units` is not a positive integer.

    Example:

    >>> layer = AdditiveAttention(13)
    >>> query = keras.ops.ones((2, 3, 7))
    >>> value = keras.ops.ones((2, 5, 11))
    >>> layer([query, value]).shape
    TensorShape([2, 3, 11])
    """

    def __init__(
        self, units=None, use_bias=False, dropout=0.0, seed=None, **kwargs
    ):
        if isinstance(units, bool):
            raise ValueError(
                "`units` must be a positive integer or None. Received: "
                f"units={units}. If you meant `use_scale` of "
                "keras.layers.AdditiveAttention: the scale vector v_a is "
                "always learned here; leave the argument out."
            )
        if use_bias not in (True, False):
            raise ValueError(
                "`use_bias` must be True or False. Received: "
                f"use_bias={use_bias!r}. If you meant `dropout`, which comes "
                "second in keras.layers.AdditiveAttention: give it by its "
                "name, `dropout=`."
            )
        units = positive_integer("units", units, optional=True)
        super().__init__(
            score=AdditiveScore(units, use_bias, name="score"),
            dropout=dropout,
            seed=seed,
            **kwargs,
        )
        self.units = units
        self.use_bias = use_bias

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "use_bias": self.use_bias,
        }
