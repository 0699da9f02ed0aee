"""`Transformer`: what a recurrent model is compared with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from keras_attention.encoder_decoder import Memory
from keras_attention.tied_output import TiedOutput
from pipelines.models.transformer_blocks import (
    PACKAGE,
    DecoderBlock,
    EncoderBlock,
)


@keras.saving.register_keras_serializable(package=PACKAGE)
class Transformer(keras.Model):
    """A Transformer over tokens (Vaswani et al. 2017), pre-norm.

    Made of `keras.layers.MultiHeadAttention`, and used as an
    `EncoderDecoder`: trained with teacher forcing through `compile` and
    `fit`, decoded with `encode` and `decode_step`, over which
    `keras_attention.search` runs. Positions are sinusoids (section 3.5),
    embeddings are multiplied by `sqrt(units)` (section 3.4), and a layer
    normalisation stands before each part and after the last one (Xiong et
    al. 2020, figure 1b).

    The states are what each decoder layer has seen, one position longer
    after every step. Keys and values of all of it, and of the memory, are
    projected again at each step: right, and not fast. TensorFlow only, and
    not inside XLA, where no state can grow; `call` may be compiled.

    Args:
        vocabularies: numbers of source and of target tokens.
        units: width of embeddings and layers, even.
        num_layers: numbers of encoder and of decoder layers.
        num_heads: heads of each attention; they share `units`.
        feed_forward_units: hidden width of the feed-forward parts.
        dropout: share dropped in training, in `[0, 1)`: of embeddings,
            alignments, hidden activations, and what a part adds.
        tied: whether the output layer is the target's embedding.
        **kwargs: as in `keras.Model` (`name`, `dtype`, ...).

    Call arguments:
        inputs: `{"source": (batch, source_len), "target": (batch,
            target_len)}`, int32, 0 for padding; the target is the decoder's
            input, one step behind what it is to say.
        training: whether dropout is on.

    Returns:
        Logits `(batch, target_len, number of target tokens)`.

    Masking:
        Source positions with id 0 are not attended to. Padding after a target
        is in the future of all its tokens, so none of them sees it.

    Raises:
        ValueError: if the heads cannot share `units`, or it is odd.

    Example:

    >>> model = Transformer((17, 19), units=8, num_heads=2)
    >>> ids = ops.ones((2, 3), dtype="int32")
    >>> model({"source": ids, "target": ids}).shape
    TensorShape([2, 3, 19])
    """

    def __init__(
        self,
        vocabularies: Sequence[int],
        units: int = 256,
        num_layers: Sequence[int] = (2, 2),
        num_heads: int = 4,
        feed_forward_units: int = 1024,
        dropout: float = 0.1,
        tied: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if units % 2 or units % num_heads:
            raise ValueError(
                "`units` must be even, and a multiple of `num_heads`. "
                f"Received: units={units}, num_heads={num_heads}."
            )
        self.vocabularies = tuple(vocabularies)
        self.units = units
        self.num_layers = tuple(num_layers)
        self.num_heads = num_heads
        self.feed_forward_units = feed_forward_units
        self.dropout = dropout
        self.tied = tied
        policy = self.dtype_policy
        sizes = (units, num_heads, feed_forward_units, dropout)
        num_encoder, num_decoder = self.num_layers
        self.source_embedding, self.target_embedding = (
            keras.layers.Embedding(
                size, units, name=f"{side}_embedding", dtype=policy
            )
            for side, size in zip(
                ("source", "target"), self.vocabularies, strict=True
            )
        )
        self.encoder_blocks = [
            EncoderBlock(*sizes, name=f"encoder_{index}", dtype=policy)
            for index in range(num_encoder)
        ]
        self.decoder_blocks = [
            DecoderBlock(*sizes, name=f"decoder_{index}", dtype=policy)
            for index in range(num_decoder)
        ]
        self.encoder_norm, self.decoder_norm = (
            keras.layers.LayerNormalization(name=f"{side}_norm", dtype=policy)
            for side in ("encoder", "decoder")
        )
        self.drop_embedded = keras.layers.Dropout(dropout, dtype=policy)
        self.output_layer = (
            TiedOutput(name="output", dtype=policy)
            if tied
            else keras.layers.Dense(
                self.vocabularies[1], name="output", dtype=policy
            )
        )

    def call(self, inputs: Any, training: bool = False) -> Any:
        memory = self._encode(inputs["source"], training)
        decoded = self._embed(
            self.target_embedding, inputs["target"], 0, training
        )
        for block in self.decoder_blocks:
            decoded, _, _ = block(
                decoded, memory.value, memory.mask, training=training
            )
        return self._output(decoded)

    def encode(self, source: Any) -> tuple[Memory, list[Any]]:
        """Reads a source.

        Args:
            source: int32 `(batch, source_len)`, 0 for padding.

        Returns:
            `(memory, states)`: a `Memory` without keys, and for each decoder
            layer what it has seen, `(batch, 0, units)`.
        """
        if not self.built:
            raise ValueError(
                "Transformer has no weights yet. Call it on a batch, fit it "
                "or load it before `encode`."
            )
        memory = self._encode(source, False)
        # A graph's loop only lets states grow whose length it does not know.
        nothing = tf.compat.v1.placeholder_with_default(
            ops.zeros(
                (ops.shape(source)[0], 0, self.units), memory.value.dtype
            ),
            (None, None, self.units),
        )
        return memory, [nothing for _ in self.decoder_blocks]

    def decode_step(
        self, inputs: Any, states: Any, memory: Memory
    ) -> tuple[Any, list[Any], Any]:
        """Says what comes next.

        Args:
            inputs: int32 `(batch,)`.
            states: as `encode` or the step before returned them.
            memory: as `encode` returned it.

        Returns:
            `(logits, states, alignments)`: `(batch, number of target
            tokens)`, the next states, each a position longer, and `(batch,
            source_len)`, the mean over the heads of the last layer's
            attention to the source.
        """
        decoded = self._embed(
            self.target_embedding,
            ops.expand_dims(inputs, 1),
            ops.shape(states[0])[1],
            False,
        )
        seen, alignments = [], None
        for block, past in zip(self.decoder_blocks, states, strict=True):
            decoded, past, alignments = block(
                decoded, memory.value, memory.mask, past, training=False
            )
            seen.append(past)
        logits = ops.squeeze(self._output(decoded), 1)
        # (batch, heads, 1, source_len)
        return logits, seen, ops.squeeze(ops.mean(alignments, axis=1), 1)

    def _encode(self, source: Any, training: bool) -> Memory:
        mask = ops.not_equal(source, 0)
        value = self._embed(self.source_embedding, source, 0, training)
        for block in self.encoder_blocks:
            value = block(value, mask, training=training)
        return Memory(self.encoder_norm(value), None, mask)

    def _embed(
        self, embedding: Any, ids: Any, first: Any, training: bool
    ) -> Any:
        embedded = embedding(ids)
        places = positions(first, ops.shape(ids)[1], self.units)
        embedded = embedded * math.sqrt(self.units)
        embedded = embedded + ops.cast(places, embedded.dtype)
        return self.drop_embedded(embedded, training=training)

    def _output(self, decoded: Any) -> Any:
        decoded = self.decoder_norm(decoded)
        if not self.tied:
            return self.output_layer(decoded)
        table = ops.convert_to_tensor(self.target_embedding.embeddings)
        return self.output_layer(decoded, table)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "vocabularies": list(self.vocabularies),
            "units": self.units,
            "num_layers": list(self.num_layers),
            "num_heads": self.num_heads,
            "feed_forward_units": self.feed_forward_units,
            "dropout": self.dropout,
            "tied": self.tied,
        }


def positions(first: Any, length: Any, units: int) -> Any:
    """Sinusoids of positions (Vaswani et al. 2017, section 3.5).

    All sines come first, then all cosines.

    Args:
        first: the first position, an integer or a scalar tensor.
        length: how many of them, likewise.
        units: even.

    Returns:
        float32 `(length, units)`.

    Example:

    >>> positions(0, 1, 4).numpy()
    array([[0., 0., 1., 1.]], dtype=float32)
    """
    place = ops.cast(first + ops.arange(length, dtype="int32"), "float32")
    power = ops.arange(0, units, 2, dtype="float32") / units
    angles = ops.expand_dims(place, 1) * ops.power(10000.0, -power)
    return ops.concatenate([ops.sin(angles), ops.cos(angles)], axis=1)
