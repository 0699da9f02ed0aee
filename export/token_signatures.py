"""The functions of a LiteRT file: token ids in, token ids out."""

from typing import Any

import tensorflow as tf

from export.flat_states import (
    flatten,
    flatten_states,
    structure_of,
    unflatten,
)
from export.settings import ExportSettings
from export.signatures import beam_search, decode, variables_of

SIGNATURES = ("encode", "decode_step", "greedy", "beam")


class TokenSignatures(tf.Module):
    """Token ids in, token ids out: what a LiteRT file holds.

    | signature | takes | returns |
    |---|---|---|
    | `greedy` | `source` | `tokens`, `lengths`, `scores`, `alignments` |
    | `beam` | `source` | the same, with an axis `beam_size`, the second |
    | `encode` | `source` | the memory and the first states |
    | `decode_step` | `token`, memory, states | `log_probabilities`, \
`alignments`, states |

    `source` is `(batch, source_len)` int32, 0 where padded; both sizes are
    free, and at least 1. Memory and states have the names of
    `export.flat_states`; all that `encode` returns is given to `decode_step`
    under the same name. A model without attention has no `alignments`.

    Args:
        model: An encoder-decoder with `encode` and `decode_step`.
        settings: The limits, and the beam search's settings.
    """

    def __init__(self, model: Any, settings: ExportSettings) -> None:
        from keras_attention.search import GreedySearch

        super().__init__(name="token_signatures")
        self.weights = variables_of(model)
        self.greedy = _searching(model, GreedySearch(), settings)
        self.beam = _searching(
            model,
            beam_search(settings),
            settings,
        )
        self.encode, self.decode_step = _step_by_step(model)

    def signatures(self) -> dict[str, Any]:
        """Returns the concrete functions by the names they are called by."""
        return {
            name: getattr(self, name).get_concrete_function()
            for name in SIGNATURES
        }


def _searching(model: Any, search: Any, settings: ExportSettings) -> Any:
    """The function of a whole search."""

    @tf.function(autograph=False, input_signature=[_source_spec()])
    def run(source: tf.Tensor) -> dict[str, tf.Tensor]:
        outputs = decode(model, search, source, settings)
        if getattr(search, "num_results", 0) == 1:
            # A beam of one, too, has an axis of hypotheses.
            outputs = {
                name: tf.expand_dims(one, 1) for name, one in outputs.items()
            }
        return _with_columns(outputs)

    return run


def _with_columns(outputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Makes `target_len` 1 at least, if only of padding.

    No LiteRT tensor can be read that is empty.
    """
    axis = len(outputs["lengths"].shape)
    missing = 1 - tf.minimum(tf.shape(outputs["tokens"])[axis], 1)
    padded = dict(outputs)
    for name in {"tokens", "alignments"} & set(outputs):
        pads = [[0, 0]] * len(outputs[name].shape)
        pads[axis] = [0, missing]
        padded[name] = tf.pad(outputs[name], pads)
    return padded


def _step_by_step(model: Any) -> tuple[Any, Any]:
    """The functions for callers who search themselves."""
    structure = structure_of(model)
    specs = list(flatten(*structure).values())

    def step(token: tf.Tensor, *tensors: tf.Tensor) -> dict[str, tf.Tensor]:
        names = [spec.name for spec in specs]
        memory, states = unflatten(
            dict(zip(names, tensors, strict=True)), *structure
        )
        logits, states, alignments = model.decode_step(token, states, memory)
        logits = tf.cast(logits, tf.float32)
        outputs = {
            "log_probabilities": tf.nn.log_softmax(logits),
            **flatten_states(states),
        }
        if alignments is not None:
            outputs["alignments"] = tf.cast(alignments, tf.float32)
        return outputs

    token = tf.TensorSpec((None,), tf.int32, "token")
    decode_step = tf.function(step, [token, *specs], autograph=False)

    @tf.function(autograph=False, input_signature=[_source_spec()])
    def encode(source: tf.Tensor) -> dict[str, tf.Tensor]:
        return flatten(*model.encode(source))

    return encode, decode_step


def _source_spec() -> tf.TensorSpec:
    return tf.TensorSpec((None, None), tf.int32, "source")
