"""What the functions of every artifact share.

The two formats take different things: a SavedModel takes strings
(`text_signatures.py`), a LiteRT file takes token ids (`token_signatures.py`).
Both search with `decode`, over the same limits, and are written by `save`.
"""

import os
from typing import Any

import tensorflow as tf

from export.errors import ExportError
from export.settings import ExportSettings

END = 2  # token id
FIRST_PIECE = 3  # ids below are padding, start and end


def output_limits(source: tf.Tensor, settings: ExportSettings) -> tf.Tensor:
    """How many tokens each row's answer may have, the end token included.

    `min(max_target_len, floor(max_length_factor * n) + max_length_extra)`,
    where `n` is the number of source tokens; 0 where there are none.

    Args:
        source: `(batch, source_len)` int32 ids, 0 where padded.
        settings: The limits.

    Returns:
        `(batch,)` int32.
    """
    source_len = tf.reduce_sum(tf.cast(source != 0, tf.int32), axis=-1)
    limits = most_tokens(source_len, settings)
    return tf.where(source_len > 0, limits, tf.zeros_like(limits))


def most_tokens(source_len: tf.Tensor, settings: ExportSettings) -> tf.Tensor:
    """How many tokens sources of given lengths may be answered with.

    Args:
        source_len: int32 of any shape, the end token included; not 0.
        settings: The limits.

    Returns:
        int32, likewise.
    """
    from keras_attention.search import length_limits

    return length_limits(
        source_len,
        settings.max_length_factor,
        settings.max_length_extra,
        settings.max_target_len,
    )


def beam_search(settings: ExportSettings) -> Any:
    """The beam search of every artifact, which returns all it found."""
    from keras_attention.search import BeamSearch

    return BeamSearch(
        beam_size=settings.beam_size,
        length_penalty=settings.length_penalty,
        coverage_penalty=settings.coverage_penalty,
        num_results=settings.beam_size,
    )


def decode(
    model: Any, search: Any, source: tf.Tensor, settings: ExportSettings
) -> dict[str, tf.Tensor]:
    """Encodes a batch of token ids and searches for the answers.

    Args:
        model: An encoder-decoder with `encode` and `decode_step`.
        search: A search of `keras_attention.search`.
        source: `(batch, source_len)` int32 ids, 0 where padded.
        settings: The limits.

    Returns:
        A dictionary of `tokens` `(batch, target_len)` int32, `lengths`
        `(batch,)` int32, `scores` `(batch,)` float32 and, for a model with
        attention, `alignments` `(batch, target_len, source_len)` float32.
        Of a search with several results, each with a second axis for them.
    """
    memory, states = model.encode(source)
    limits = output_limits(source, settings)
    # What alignments are over: the memory, which may be shorter than the
    # source.
    mask = getattr(memory, "mask", None)
    result = search(
        model.decode_step,
        states,
        memory,
        limits,
        source_mask=source != 0 if mask is None else mask,
    )
    # A row without tokens has an answer without tokens, of score 0.
    answered = limits > 0
    if len(result.scores.shape) == 2:
        answered = tf.expand_dims(answered, 1)
    outputs = {
        "tokens": result.tokens,
        "lengths": result.lengths,
        "scores": tf.where(
            answered, result.scores, tf.zeros_like(result.scores)
        ),
    }
    if result.alignments is not None:
        outputs["alignments"] = result.alignments
    return outputs


def save(module: Any, folder: str | os.PathLike[str]) -> None:
    """Writes a module of signatures as a SavedModel.

    Args:
        module: `TokenSignatures` or `TextSignatures`.
        folder: Where to.

    Raises:
        ExportError: If it cannot be written.
    """
    signatures = module.signatures()
    try:
        tf.saved_model.save(module, folder, signatures)
    except tf.errors.OpError as error:
        reason = str(error.message).rsplit("; ", 1)[-1].split(" [Op:")[0]
        raise ExportError(
            f"TensorFlow cannot write {folder}: {reason}.",
            "Check the permissions and the free space, or choose another path.",
        ) from error


def variables_of(model: Any) -> list[tf.Variable]:
    """The model's variables: a module must hold them to save them."""
    if not model.built:
        raise ExportError(
            "The model has no weights yet.",
            "Call it once, or load trained weights, before exporting it.",
        )
    variables = [variable.value for variable in model.variables]
    if not all(isinstance(variable, tf.Variable) for variable in variables):
        raise ExportError(
            "Only a model of Keras's TensorFlow backend can be exported.",
            "Set KERAS_BACKEND=tensorflow and load the model again.",
        )
    return variables
