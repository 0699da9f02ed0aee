"""Tokenizers inside a graph, made from a tokenizer's bytes.

Two kinds of bytes are known: a SentencePiece model, which needs
tensorflow-text's operators, and a vocabulary of characters or words
(`export/vocabulary.py`), which needs TensorFlow's own only.
"""

import hashlib
from typing import Any

import tensorflow as tf

from export import vocabulary
from export.errors import ExportError


def tokenizer_of(model: bytes) -> Any:
    """Makes a tokenizer that a `tf.Module` can hold and save.

    Args:
        model: A SentencePiece model, or a vocabulary.

    Returns:
        A `tf.Module` with `tokenize(text (batch,)) -> ragged int32 ids`,
        `detokenize(ragged ids) -> text (batch,)` and `id_to_string(ids) ->
        strings` of the same shape.

    Raises:
        ExportError: If it is neither.
        ImportError: If tensorflow-text is needed and missing.
    """
    if vocabulary.is_vocabulary(model):
        return VocabularyLookup(vocabulary.read(model))
    try:
        import tensorflow_text
    except ImportError as error:
        raise ImportError(
            f"A SavedModel with SentencePiece tokenizers needs "
            f"tensorflow-text ({error}). "
            "Install it: pip install tensorflow-text"
        ) from error
    # Once loaded, tokenizers of one name are one resource, also across the
    # SavedModels of a process: the second would be the first. So the name
    # says what is inside.
    name = f"sentencepiece_{hashlib.sha256(model).hexdigest()[:32]}"
    try:
        return tensorflow_text.SentencepieceTokenizer(model=model, name=name)
    except tf.errors.OpError as error:
        raise ExportError(
            "A tokenizer's `model` is neither a SentencePiece model nor a "
            "vocabulary.",
            "Give tokenizers as `pipelines.load(DIR)` has them.",
        ) from error


class VocabularyLookup(tf.Module):
    """Characters or words to ids and back, with core operators only.

    Args:
        entries: The vocabulary.
    """

    def __init__(self, entries: vocabulary.Vocabulary) -> None:
        super().__init__(name="vocabulary_lookup")
        self._kind = entries.kind
        self._strings = tf.constant(entries.strings)
        self._names = tf.constant(entries.names)
        first = len(vocabulary.SPECIAL)
        # An attribute: a table that nothing tracks is not saved.
        self.table = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(
                tf.constant(entries.tokens, tf.string),
                tf.range(first, first + len(entries.tokens)),
            ),
            default_value=vocabulary.UNKNOWN,
        )

    def tokenize(self, text: tf.Tensor) -> tf.RaggedTensor:
        """Returns the ids of `(batch,)` UTF-8 strings, `(batch, None)`."""
        text = tf.strings.regex_replace(text, vocabulary.WHITE_SPACE, " ")
        text = tf.strings.strip(text)
        if self._kind == "whitespace":
            parts = tf.strings.split(text, " ")
            # No words is one empty word, as in Python.
            parts = tf.ragged.boolean_mask(parts, parts != "")
        else:
            parts = tf.strings.unicode_split(text, "UTF-8")
        ids = self.table.lookup(parts.flat_values)
        return parts.with_flat_values(ids)

    def detokenize(self, ids: tf.RaggedTensor) -> tf.Tensor:
        """Returns the texts of ragged ids, `(batch,)`."""
        separator = " " if self._kind == "whitespace" else ""
        strings = ids.with_flat_values(
            tf.gather(self._strings, ids.flat_values)
        )
        return tf.strings.reduce_join(strings, axis=-1, separator=separator)

    def id_to_string(self, ids: tf.Tensor) -> tf.Tensor:
        """Names ids of any shape."""
        return tf.gather(self._names, ids)
