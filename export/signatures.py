"""The functions that every artifact offers, as modules TensorFlow can save.

Two modules, because the two formats take different things: a SavedModel
takes strings (`TextSignatures`), a LiteRT file takes token ids
(`TokenSignatures`). Both search with `decode`, over the same limits.
"""

import hashlib
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
    grown = tf.floor(settings.max_length_factor * tf.cast(source_len, "float"))
    limits = tf.minimum(
        tf.cast(grown, tf.int32) + settings.max_length_extra,
        settings.max_target_len,
    )
    return tf.where(source_len > 0, limits, tf.zeros_like(limits))


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
    """
    memory, states = model.encode(source)
    limits = output_limits(source, settings)
    result = search(model.decode_step, states, memory, limits)
    # A row without tokens has an answer without tokens, of score 0.
    answered = limits > 0
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
        self.weights = _variables(model)

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


class TextSignatures(tf.Module):
    """Strings in, strings out: what a SavedModel holds.

    Args:
        model: An encoder-decoder with `encode` and `decode_step`.
        searches: Signature names to searches of `keras_attention.search`.
        source_model: SentencePiece model of the source language (bytes).
        target_model: SentencePiece model of the target language (bytes).
        settings: The limits.
    """

    def __init__(
        self,
        model: Any,
        searches: dict[str, Any],
        source_model: bytes,
        target_model: bytes,
        settings: ExportSettings,
    ) -> None:
        super().__init__(name="text_signatures")
        self.weights = _variables(model)
        self.source_tokenizer = _tokenizer(source_model)
        self.target_tokenizer = _tokenizer(target_model)
        self._settings = settings
        self.functions = {
            name: self._function(model, search)
            for name, search in searches.items()
        }

    def signatures(self) -> dict[str, Any]:
        """Returns the concrete functions by the names they are called by."""
        return {
            name: function.get_concrete_function()
            for name, function in self.functions.items()
        }

    def _function(self, model: Any, search: Any) -> Any:
        @tf.function(
            autograph=False,
            input_signature=[tf.TensorSpec((None,), tf.string, "text")],
        )
        def translate(text: tf.Tensor) -> dict[str, tf.Tensor]:
            source, truncated = self._tokenize(text)
            outputs = decode(model, search, source, self._settings)
            tokens = outputs["tokens"]
            pieces = tf.ragged.boolean_mask(tokens, tokens >= FIRST_PIECE)
            outputs["text"] = self.target_tokenizer.detokenize(pieces)
            outputs["truncated"] = truncated
            outputs["source_tokens"] = source
            outputs["source_pieces"] = _pieces(self.source_tokenizer, source)
            outputs["target_pieces"] = _pieces(self.target_tokenizer, tokens)
            return outputs

        return translate

    def _tokenize(self, text: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns ids `(batch, source_len)` and whether each row was cut."""
        # Bytes that are no UTF-8 become U+FFFD, as everywhere else.
        text = tf.strings.unicode_transcode(text, "UTF-8", "UTF-8")
        blank = tf.strings.length(tf.strings.strip(text)) == 0
        text = tf.where(blank, tf.constant(""), text)
        ids = self.source_tokenizer.tokenize(text)
        room = self._settings.max_source_len - 1
        truncated = tf.cast(ids.row_lengths(), tf.int32) > room
        ids = ids[:, :room]
        # The end token, for every row that has tokens at all.
        some = tf.cast(ids.row_lengths() > 0, tf.int64)
        ends = tf.RaggedTensor.from_row_lengths(
            tf.fill((tf.reduce_sum(some),), END), some
        )
        ids = tf.concat([ids, tf.cast(ends, tf.int32)], axis=1)
        source = ids.to_tensor(0)
        # One column at least: a batch of blanks is still a batch.
        missing = tf.maximum(1 - tf.shape(source)[1], 0)
        return tf.pad(source, [[0, 0], [0, missing]]), truncated


def _pieces(tokenizer: Any, ids: tf.Tensor) -> tf.Tensor:
    """Readable subwords of ids, of the same shape; "" where padded."""
    return tf.where(ids == 0, tf.constant(""), tokenizer.id_to_string(ids))


def save(module: Any, folder: str | os.PathLike[str]) -> None:
    """Writes a module of this file as a SavedModel.

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


def _variables(model: Any) -> list[tf.Variable]:
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


def _tokenizer(model: bytes) -> Any:
    """A tensorflow_text tokenizer that a module can hold and save."""
    try:
        import tensorflow_text
    except ImportError as error:
        raise ImportError(
            f"A SavedModel needs tensorflow-text ({error}). "
            "Install it: pip install tensorflow-text"
        ) from error
    # Once loaded, tokenizers of one name are one resource, also across the
    # SavedModels of a process: the second would be the first. So the name
    # says what is inside.
    name = f"sentencepiece_{hashlib.sha256(model).hexdigest()[:32]}"
    return tensorflow_text.SentencepieceTokenizer(model=model, name=name)
