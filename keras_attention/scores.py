"""How well a query matches a key: one small class a score.

A score projects the keys once per sequence (`project_keys`) and compares
queries with them (`call`). To add one, write a class here and a line in
`SCORES`.
"""

from __future__ import annotations

import math

import keras

from keras_attention import functional
from keras_attention.registry import get as _get
from keras_attention.registry import positive_integer

PACKAGE = "keras_attention"


class Score(keras.layers.Layer):
    """Base class: `scores = score(query, score.project_keys(key))`.

    A subclass creates its weights in `build(query_shape, keys_shape)`, where
    `keys_shape` is the shape of the keys before projection, and overrides
    `call`, and `project_keys` if the keys have a projection.
    """

    def build(self, query_shape, keys_shape):
        del query_shape, keys_shape
        self.built = True

    def project_keys(self, key):
        """Returns the keys as `call` wants them: once per sequence.

        Args:
            key: `(batch, source_len, key_dim)`.

        Returns:
            `(batch, source_len, units)`.
        """
        return key

    def call(self, query, keys):
        """Returns scores `(batch, target_len, source_len)`.

        Args:
            query: `(batch, target_len, query_dim)`.
            keys: what `project_keys` returned.
        """
        raise NotImplementedError(
            f"{type(self).__name__} must implement `call(query, keys)`."
        )

    def compute_output_shape(self, query_shape, keys_shape):
        return (*query_shape[:-1], keys_shape[-2])


@keras.saving.register_keras_serializable(package=PACKAGE)
class DotScore(Score):
    """`score = query . key` (Luong et al. 2015, eq. 8, "dot").

    Query and key must have the same width.

    Example:

    >>> DotScore()(keras.ops.ones((1, 2, 4)), keras.ops.ones((1, 3, 4))).shape
    TensorShape([1, 2, 3])
    """

    def build(self, query_shape, keys_shape):
        if query_shape[-1] != keys_shape[-1]:
            raise ValueError(
                f"{type(self).__name__} needs a query and a key of the same "
                f"width. Received: query {query_shape[-1]}, key "
                f"{keys_shape[-1]}. Use score='general' or an "
                "AdditiveAttention for unequal widths."
            )
        self.built = True

    def call(self, query, keys):
        return functional.dot_scores(query, keys)


@keras.saving.register_keras_serializable(package=PACKAGE)
class ScaledDotScore(DotScore):
    """`score = query . key / sqrt(dim)` (Vaswani et al. 2017, eq. 1).

    Example:

    >>> ones = keras.ops.ones((1, 1, 4))
    >>> float(ScaledDotScore()(ones, ones)[0, 0, 0])
    2.0
    """

    def call(self, query, keys):
        # Scaled before the product: float16 overflows later that way.
        scale = 1.0 / math.sqrt(query.shape[-1])
        return functional.dot_scores(query * scale, keys)


@keras.saving.register_keras_serializable(package=PACKAGE)
class GeneralScore(Score):
    """`score = query . (W_a key)` (Luong et al. 2015, eq. 8, "general").

    The projection acts on the keys, once per sequence: the same product as in
    the paper, `h_t^T W_a h_s`. Weight: `kernel`, `(key_dim, query_dim)`.

    Example:

    >>> score, key = GeneralScore(), keras.ops.ones((1, 3, 5))
    >>> score.build((1, 2, 4), key.shape)
    >>> score(keras.ops.ones((1, 2, 4)), score.project_keys(key)).shape
    TensorShape([1, 2, 3])
    """

    def build(self, query_shape, keys_shape):
        self.kernel = self.add_weight(
            name="kernel", shape=(keys_shape[-1], query_shape[-1])
        )
        self.built = True

    def project_keys(self, key):
        return keras.ops.matmul(
            key, keras.ops.cast(self.kernel, self.compute_dtype)
        )

    def call(self, query, keys):
        return functional.dot_scores(query, keys)


@keras.saving.register_keras_serializable(package=PACKAGE)
class AdditiveScore(Score):
    """`score = v_a . tanh(W_a query + U_a key)` (Bahdanau 2014, A.1.2).

    The same as Luong's "concat" (2015, eq. 8), whose one matrix on the
    concatenation `[query; key]` is `W_a` beside `U_a`.

    Args:
        units: width of the hidden layer; `None` takes the key's width.
        use_bias: adds a bias inside the tanh (the paper leaves it out).

    Weights: `query_kernel` `(query_dim, units)`, `key_kernel`
    `(key_dim, units)`, `scale` `(units,)`, and `bias` `(units,)`.

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
        keys = keras.ops.matmul(
            key, keras.ops.cast(self.key_kernel, self.compute_dtype)
        )
        if self.bias is not None:
            keys = keys + keras.ops.cast(self.bias, keys.dtype)
        return keys

    def call(self, query, keys):
        # As a matrix: Keras's product of rank 3 and 2 has a gradient that XLA
        # cannot compile inside a loop where the batch size is unknown.
        length, dim = keras.ops.shape(query)[1], query.shape[-1]
        query = keras.ops.matmul(
            keras.ops.reshape(query, (-1, dim)), self.query_kernel
        )
        query = keras.ops.reshape(query, (-1, length, query.shape[-1]))
        return functional.additive_scores(query, keys, self.scale)

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "use_bias": self.use_bias,
        }


SCORES = {
    "additive": AdditiveScore,
    "concat": AdditiveScore,
    "dot": DotScore,
    "general": GeneralScore,
    "scaled_dot": ScaledDotScore,
}


def get(identifier):
    """Returns the `Score` that a name, a config or an instance stands for.

    Example:

    >>> type(get("dot")).__name__
    'DotScore'
    """
    return _get(identifier, SCORES, Score, "score")
