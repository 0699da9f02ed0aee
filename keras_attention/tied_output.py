"""`TiedOutput`: logits from the table of an embedding."""

from __future__ import annotations

import keras
from keras import ops

from keras_attention.piece import PACKAGE


@keras.saving.register_keras_serializable(package=PACKAGE)
class TiedOutput(keras.layers.Layer):
    """Logits `E x + b`, with the table `E` of the target's embedding.

    One table for what goes into the decoder and for what comes out (Press
    and Wolf 2017, section 3): fewer weights, and better translations where
    there is little data. `EncoderDecoder(output_layer="tied")` makes it and
    hands it the table; its one weight is `bias`, `(vocabulary,)`.

    Args:
        **kwargs: as in `keras.layers.Layer` (`name`, `dtype`, ...).

    Call arguments:
        inputs: `x`, `(..., embedding_dim)`.
        table: `E`, `(vocabulary, embedding_dim)`.

    Returns:
        Logits `(..., vocabulary)`.

    Raises:
        ValueError: if the inputs are not as wide as the embedding.

    Example:

    >>> TiedOutput()(ops.ones((2, 3, 5)), ops.ones((7, 5))).shape
    TensorShape([2, 3, 7])
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)

    def build(self, inputs_shape, table_shape):
        check_widths(inputs_shape[-1], table_shape[-1])
        self.bias = self.add_weight(
            name="bias", shape=(table_shape[0],), initializer="zeros"
        )
        self.built = True

    def call(self, inputs, table):
        return ops.matmul(inputs, ops.transpose(table)) + self.bias

    def compute_output_shape(self, inputs_shape, table_shape):
        return (*inputs_shape[:-1], table_shape[0])


def check_widths(output_dim, embedding_dim):
    """Raises unless outputs can be multiplied with the table."""
    if output_dim != embedding_dim:
        raise ValueError(
            "A tied output needs a decoder whose outputs are as wide as the "
            f"target's embedding. Received: outputs of width {output_dim}, an "
            f"embedding of width {embedding_dim}. Set the cell's `units` to "
            "the width of the embedding."
        )
