"""`AdditiveScore`: a small network compares query and key."""

from __future__ import annotations

import keras

from keras_attention import functional
from keras_attention.registry import positive_integer
from keras_attention.scores.score import PACKAGE, Score


@keras.saving.register_keras_serializable(package=PACKAGE)
class AdditiveScore(Score):
    """`score = v_a . tanh(W_a query + U_a key)` (Bahdanau 2014, A.1.2).

    The same as Luong's "concat" (2015, section 3.1), whose one matrix on the
    concatenation `[query; key]` is `W_a` beside `U_a`.

    Args:
        units: width of the hidden layer; `None` takes the key's width.
        use_bias: adds a bias inside the tanh (the paper leaves it out).

    Weights: `query_kernel` `(query_dim, units)`, `key_kernel`
    `(key_dim, units)`, `scale` `(units,)`, and `bias` `(units,)`.

    Call arguments:
        query: `(batch, target_len, query_dim)`.
        keys: what `project_keys` made of the key `(batch, source_len,
            key_dim)`: `(batch, source_len, units)`.

    Returns:
        Scores `(batch, target_len, source_len)`.

    Raises:
        ValueError: unless `units` is a positive integer or `None`.

    Example:

    >>> score, key = AdditiveScore(7), keras.ops.ones((1, 3, 5))
    >>> score.build((1, 2, 4), key.shape)
    >>> score(keras.ops.ones((1, 2, 4)), score.project_keys(key)).shape
    TensorShape([1, 2, 3])
    """

    def __init__(self, units=None, use_bias=False, **kwargs):
        super().__init__(**kwargs)
        self.units = positive_integer("units", units, optional=True)
        self.use_bias = use_bias

    def build(self, query_shape, keys_shape):
        units = self.units or keys_shape[-1]
        self.query_kernel = self.add_weight(
            name="query_kernel", shape=(query_shape[-1], units)
        )
        self.key_kernel = self.add_weight(
            name="key_kernel", shape=(keys_shape[-1], units)
        )
        self.scale = self.add_weight(
            name="scale",
            shape=(units,),
            initializer=keras.initializers.VarianceScaling(
                mode="fan_in", distribution="uniform"
            ),
        )
        self.bias = (
            self.add_weight(name="bias", shape=(units,), initializer="zeros")
            if self.use_bias
            else None
        )
        self.built = True

    def project_keys(self, key):
        keys = keras.ops.matmul(key, self.cast(self.key_kernel))
        if self.bias is not None:
            keys = keys + keras.ops.cast(self.bias, keys.dtype)
        return keys

    def vector(self):
        """Returns `v_a`, `(units,)`."""
        return keras.ops.convert_to_tensor(self.scale)

    def call(self, query, keys):
        query = functional.project(query, self.query_kernel)
        return functional.additive_scores(query, keys, self.vector())

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "use_bias": self.use_bias,
        }
