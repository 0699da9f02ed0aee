"""`LocalPredictiveWindow`: around a position that the query predicts."""

from __future__ import annotations

import keras

from keras_attention import functional
from keras_attention.registry import positive_integer
from keras_attention.windows.window import PACKAGE, Window


@keras.saving.register_keras_serializable(package=PACKAGE)
class LocalPredictiveWindow(Window):
    """Each query predicts where in the source to look, and looks around it.

    "Local-p" of Luong et al. (2015), section 3.2:

    - `p_t = S sigmoid(v_p . tanh(W_p h_t))` (eq. 9), a real number,
    - the softmax runs over the positions in `[p_t - D, p_t + D]`,
    - its alignments are multiplied by `exp(-(s - p_t)^2 / (2 sigma^2))`,
      `sigma = D / 2` (eq. 10), and not normalised again: they sum to less
      than one. It is through these weights that `W_p` and `v_p` learn.

    Positions count from 0. `S` is the source's own length, the last position
    that may be seen and one: how far a batch is padded makes no difference.
    A query that may see nothing gets zeros.

    Positions are computed in float32 also where the layer computes in half
    precision, which cannot tell positions beyond 2048 (bfloat16: 256) apart.

    Args:
        width: `D`, in positions to either side; the paper's is 10.
        units: width of the hidden layer; `None` takes the query's width, as
            the paper does.
        **kwargs: as in `keras.layers.Layer` (`name`, `dtype`, ...).

    Call arguments, returns: as in `Window.call`.

    Weights: `kernel` `(query_dim, units)`, the transpose of `W_p`, and
    `scale` `(units,)`, `v_p`.

    Raises:
        ValueError: if `width` or `units` is not a positive integer.

    Example:

    >>> window = LocalPredictiveWindow(width=2)
    >>> mask, weights = window(keras.ops.zeros((1, 1, 7)), source_len=6)
    >>> mask.numpy()  # p_t is half the length
    array([[[False,  True,  True,  True,  True,  True]]])
    >>> weights.numpy().round(2)
    array([[[0.01, 0.14, 0.61, 1.  , 0.61, 0.14]]], dtype=float32)
    """

    def __init__(self, width=10, units=None, **kwargs):
        super().__init__(**kwargs)
        self.width = positive_integer("width", width)
        self.units = positive_integer("units", units, optional=True)

    def build(self, query_shape):
        units = self.units or query_shape[-1]
        self.kernel = self.add_weight(
            name="kernel", shape=(query_shape[-1], units)
        )
        self.scale = self.add_weight(
            name="scale",
            shape=(units,),
            initializer=keras.initializers.VarianceScaling(
                mode="fan_in", distribution="uniform"
            ),
        )
        self.built = True

    def call(self, query, source_len, allowed=None, past=None):
        del past
        centres = functional.predicted_positions(
            query,
            self.cast(self.kernel),
            self.cast(self.scale),
            functional.source_lengths(allowed, source_len),
        )
        near = functional.near(centres, source_len, self.width)
        weights = functional.gaussian(centres, source_len, self.width / 2)
        return functional.both(near, allowed), weights

    def get_config(self):
        return {
            **super().get_config(),
            "width": self.width,
            "units": self.units,
        }
