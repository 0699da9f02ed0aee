"""The functions of a SavedModel: strings in, strings out."""

import hashlib
from typing import Any

import tensorflow as tf

from export.settings import ExportSettings
from export.signatures import END, FIRST_PIECE, decode, variables_of


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
        self.weights = variables_of(model)
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
