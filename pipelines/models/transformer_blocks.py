"""The layers of a Transformer: one of its encoder, one of its decoder."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

PACKAGE = "keras_attention.pipelines"


class Block(keras.layers.Layer):
    """What both have: attention and feed-forward parts, each with its norm.

    A part adds to what it gets: `x + dropout(part(norm(x)))`.

    Args:
        units: width of inputs and outputs.
        num_heads: heads of each attention.
        feed_forward_units: hidden width of the feed-forward part.
        dropout: share dropped in training.
        **kwargs: as in `keras.layers.Layer`.
    """

    def __init__(
        self,
        units: int,
        num_heads: int,
        feed_forward_units: int,
        dropout: float,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._options = {"dtype": self.dtype_policy}
        self._attention = {
            "num_heads": num_heads,
            "key_dim": units // num_heads,
            "dropout": dropout,
            **self._options,
        }
        self.self_norm = self.make_norm("self_norm")
        self.self_attention = self.make_attention("self_attention")
        self.forward_norm = self.make_norm("forward_norm")
        self.hidden = keras.layers.Dense(
            feed_forward_units, "relu", name="hidden", **self._options
        )
        self.output_layer = keras.layers.Dense(
            units, name="output", **self._options
        )
        self.drop = keras.layers.Dropout(dropout, **self._options)

    def make_norm(self, name: str) -> Any:
        """Makes a layer normalisation."""
        return keras.layers.LayerNormalization(name=name, **self._options)

    def make_attention(self, name: str) -> Any:
        """Makes a multi-head attention."""
        return keras.layers.MultiHeadAttention(name=name, **self._attention)

    def feed_forward(self, inputs: Any, training: bool) -> Any:
        """The last part, applied to each position by itself."""
        hidden = self.hidden(self.forward_norm(inputs))
        added = self.output_layer(self.drop(hidden, training=training))
        return inputs + self.drop(added, training=training)


class EncoderBlock(Block):
    """Self-attention and feed-forward.

    Call arguments:
        inputs: `(batch, source_len, units)`.
        mask: boolean `(batch, source_len)`, `True` = attend.
        training: whether dropout is on.

    Returns:
        As `inputs`.
    """

    def call(self, inputs: Any, mask: Any, training: bool = False) -> Any:
        seen = self.self_norm(inputs)
        added = self.self_attention(
            seen,
            seen,
            attention_mask=ops.expand_dims(mask, 1),
            training=training,
        )
        inputs = inputs + self.drop(added, training=training)
        return self.feed_forward(inputs, training)


class DecoderBlock(Block):
    """Self-attention to the past, attention to the memory, feed-forward.

    Call arguments:
        inputs: `(batch, target_len, units)`.
        memory: `(batch, source_len, units)`.
        memory_mask: boolean `(batch, source_len)`, `True` = attend.
        past: `(batch, past_len, units)`, what this layer has seen before the
            inputs, of which there is then one; or `None`, if the inputs are
            the whole sequence.
        training: whether dropout is on.

    Returns:
        `(outputs, seen, alignments)`: as `inputs`; `(batch, past_len +
        target_len, units)`, the `past` of the next step; and `(batch, heads,
        target_len, source_len)`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.memory_norm = self.make_norm("memory_norm")
        self.memory_attention = self.make_attention("memory_attention")

    def call(
        self,
        inputs: Any,
        memory: Any,
        memory_mask: Any,
        past: Any = None,
        training: bool = False,
    ) -> Any:
        query = seen = self.self_norm(inputs)
        if past is not None:
            seen = ops.concatenate([past, query], axis=1)
        added = self.self_attention(
            query, seen, use_causal_mask=past is None, training=training
        )
        inputs = inputs + self.drop(added, training=training)
        added, alignments = self.memory_attention(
            self.memory_norm(inputs),
            memory,
            attention_mask=ops.expand_dims(memory_mask, 1),
            return_attention_scores=True,
            training=training,
        )
        inputs = inputs + self.drop(added, training=training)
        return self.feed_forward(inputs, training), seen, alignments
