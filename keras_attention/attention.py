"""`Attention`: a score and a normaliser, called as Keras's own is."""

from __future__ import annotations

import keras
from keras import ops

from keras_attention import functional, normalizers, scores

PACKAGE = "keras_attention"


class BaseAttention(keras.layers.Layer):
    """What every attention layer shares; see `Attention` for the arguments.

    A subclass hands its score and its normaliser to `__init__` and adds its
    own arguments to `get_config`.
    """

    def __init__(
        self, score, normalizer="softmax", dropout=0.0, seed=None, **kwargs
    ):
        super().__init__(**kwargs)
        if not 0 <= dropout < 1:
            raise ValueError(
                f"`dropout` must be in [0, 1). Received: dropout={dropout}."
            )
        self.score = scores.get(score)
        # The score computes in this layer's dtype, whichever way it came.
        self.score.dtype_policy = self.dtype_policy
        self.normalizer = normalizers.get(normalizer)
        self.dropout = dropout
        self.seed = seed
        self.seed_generator = (
            keras.random.SeedGenerator(seed) if dropout else None
        )
        self.supports_masking = True

    def build(self, input_shape):
        if len(input_shape) not in (2, 3) or isinstance(input_shape[0], int):
            raise ValueError(self._not_a_list(f"shape {input_shape}"))
        query_shape, value_shape, *rest = input_shape
        key_shape = rest[0] if rest else value_shape
        if not self.score.built:
            self.score.build(tuple(query_shape), tuple(key_shape))
        self.built = True

    def project_keys(self, key):
        """Returns what `attend` wants as `keys`; once per sequence.

        Args:
            key: `(batch, source_len, key_dim)`.
        """
        return self.score.project_keys(key)

    def attend(self, query, value, keys, mask=None, training=False):
        """Returns contexts and alignments for keys projected beforehand.

        Args:
            query: `(batch, target_len, query_dim)`.
            value: `(batch, source_len, value_dim)`.
            keys: what `project_keys` returned.
            mask: boolean, broadcastable to
                `(batch, target_len, source_len)`; `True` = attend.
            training: whether dropout is on.

        Returns:
            `(context, alignments)`, `(batch, target_len, value_dim)` and
            `(batch, target_len, source_len)`.
        """
        alignments = self.normalizer(
            self.score(query, keys), mask, training=training
        )
        weights = alignments
        if training and self.seed_generator is not None:
            weights = keras.random.dropout(
                weights, self.dropout, seed=self.seed_generator
            )
        return functional.weighted_sum(weights, value), alignments

    def call(
        self,
        inputs,
        mask=None,
        training=False,
        return_attention_scores=False,
        use_causal_mask=False,
    ):
        query, value, key = self._split(inputs)
        query_mask, value_mask = self._split_mask(mask)
        # What stands at masked positions may be infinite: it must not reach
        # a product, nor the gradient of one.
        query = functional.zero_masked(query, query_mask)
        value = functional.zero_masked(value, value_mask)
        keys = self.project_keys(functional.zero_masked(key, value_mask))
        scores_mask = None
        if value_mask is not None:
            scores_mask = ops.expand_dims(value_mask, 1)
        if use_causal_mask:
            causal = functional.causal_mask(
                ops.shape(query)[1], ops.shape(value)[1]
            )
            scores_mask = (
                causal
                if scores_mask is None
                else ops.logical_and(scores_mask, causal)
            )
        context, alignments = self.attend(
            query, value, keys, scores_mask, training=training
        )
        context = functional.zero_masked(context, query_mask)
        if return_attention_scores:
            return context, alignments
        return context

    def compute_mask(self, inputs, mask=None):
        del inputs
        query_mask, _ = self._split_mask(mask)
        return query_mask

    def compute_output_shape(self, input_shape):
        query_shape, value_shape = input_shape[0], input_shape[1]
        return (*query_shape[:-1], value_shape[-1])

    def compute_output_spec(
        self,
        inputs,
        mask=None,
        training=False,
        return_attention_scores=False,
        use_causal_mask=False,
    ):
        del mask, training, use_causal_mask
        query, value, _ = self._split(inputs)
        context = keras.KerasTensor(
            self.compute_output_shape([query.shape, value.shape]),
            dtype=self.compute_dtype,
        )
        if not return_attention_scores:
            return context
        return context, keras.KerasTensor(
            (*query.shape[:-1], value.shape[-2]), dtype=self.compute_dtype
        )

    def _split(self, inputs):
        if not isinstance(inputs, (list, tuple)) or len(inputs) not in (2, 3):
            raise ValueError(self._not_a_list(inputs))
        query, value = inputs[0], inputs[1]
        key = inputs[2] if len(inputs) == 3 else value
        for name, tensor in (("query", query), ("value", value), ("key", key)):
            if len(tensor.shape) != 3:
                raise ValueError(
                    f"{type(self).__name__} expects tensors of rank 3, "
                    f"(batch, len, dim). Received: {name} of shape "
                    f"{tuple(tensor.shape)}. An image (batch, height, width, "
                    "channels) becomes a memory by "
                    "`keras.layers.Reshape((-1, channels))`."
                )
        if None not in (value.shape[1], key.shape[1]) and (
            value.shape[1] != key.shape[1]
        ):
            raise ValueError(
                "Value and key must have as many positions as each other. "
                f"Received: value of shape {tuple(value.shape)}, key of shape "
                f"{tuple(key.shape)}."
            )
        return query, value, key

    def _not_a_list(self, received):
        return (
            f"{type(self).__name__} must be called on a list `[query, value]` "
            f"or `[query, value, key]`. Received: {received}."
        )

    def _split_mask(self, mask):
        if mask is None:
            return None, None
        if not isinstance(mask, (list, tuple)) or len(mask) not in (2, 3):
            raise ValueError(
                f"The mask of {type(self).__name__} must be a list "
                f"`[query_mask, value_mask]`. Received: mask={mask}."
            )
        return tuple(
            None if one is None else ops.cast(one, "bool") for one in mask[:2]
        )

    def get_config(self):
        return {
            **super().get_config(),
            "dropout": self.dropout,
            "seed": self.seed,
        }


@keras.saving.register_keras_serializable(package=PACKAGE)
class Attention(BaseAttention):
    """Attention put together from a score and a normaliser.

    `alignments = normalizer(score(query, key))`,
    `context = sum_s alignments_s value_s` (Bahdanau et al. 2014, eqs. 5-6).

    The named layers (`AdditiveAttention`, `LuongAttention`, `HardAttention`)
    are this class with one paper's choices. It is called like
    `keras.layers.Attention`, and it serves a recurrent decoder step by step
    through `project_keys` and `attend`.

    Args:
        score: a name in `keras_attention.scores.SCORES` or a `Score`.
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
        mask: `[query_mask, value_mask]`, booleans `(batch, target_len)` and
            `(batch, source_len)`, either may be `None`. Masks that Keras
            carries along with its tensors are found by themselves.
        training: whether dropout is on.
        return_attention_scores: also return the alignments.
        use_causal_mask: target position `i` sees source positions `<= i`.

    Returns:
        The context `(batch, target_len, value_dim)`; with
        `return_attention_scores`, a pair of it and the alignments
        `(batch, target_len, source_len)`, as they were before dropout.

    Masking:
        Masked source positions get an alignment of exactly zero. A target
        position that may see nothing, or whose own mask is off, gets a zero
        context. The query's mask is passed on.

    Raises:
        ValueError: if `inputs` or `mask` are not lists of the right length.

    Example:

    >>> layer = Attention(score="general")
    >>> query, value = ops.ones((2, 3, 7)), ops.ones((2, 5, 11))
    >>> context, alignments = layer(
    ...     [query, value], return_attention_scores=True
    ... )
    >>> context.shape, alignments.shape
    (TensorShape([2, 3, 11]), TensorShape([2, 3, 5]))
    """

    def __init__(
        self,
        score="dot",
        normalizer="softmax",
        dropout=0.0,
        seed=None,
        **kwargs,
    ):
        super().__init__(
            score=score,
            normalizer=normalizer,
            dropout=dropout,
            seed=seed,
            **kwargs,
        )

    def get_config(self):
        return {
            **super().get_config(),
            "score": keras.saving.serialize_keras_object(self.score),
            "normalizer": keras.saving.serialize_keras_object(self.normalizer),
        }
