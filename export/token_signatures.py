"""The functions of a LiteRT file: token ids in, token ids out."""

from typing import Any

import tensorflow as tf

from export.settings import ExportSettings
from export.signatures import decode, variables_of


class TokenSignatures(tf.Module):
    """Token ids in, token ids out: what a LiteRT file holds.

    Args:
        model: An encoder-decoder with `encode` and `decode_step`.
        search: A search of `keras_attention.search`.
        settings: The limits.
    """

    def __init__(
        self, model: Any, search: Any, settings: ExportSettings
    ) -> None:
        super().__init__(name="token_signatures")
        self.weights = variables_of(model)

        @tf.function(
            autograph=False,
            input_signature=[tf.TensorSpec((None, None), tf.int32, "source")],
        )
        def greedy(source: tf.Tensor) -> dict[str, tf.Tensor]:
            outputs = decode(model, search, source, settings)
            # One column at least, if only of padding: no LiteRT tensor can
            # be read that is empty.
            missing = 1 - tf.minimum(tf.shape(outputs["tokens"])[1], 1)
            for name in {"tokens", "alignments"} & set(outputs):
                rest = [[0, 0]] * (len(outputs[name].shape) - 2)
                outputs[name] = tf.pad(
                    outputs[name], [[0, 0], [0, missing], *rest]
                )
            return outputs

        self.greedy = greedy

    def signatures(self) -> dict[str, Any]:
        """Returns the concrete functions by the names they are called by."""
        return {"greedy": self.greedy.get_concrete_function()}
