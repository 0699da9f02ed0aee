"""Tokenizers where TensorFlow is not, made from a tokenizer's bytes."""

from collections.abc import Sequence
from typing import Any

from export import vocabulary


def processor_of(model: bytes) -> Any:
    """Makes a tokenizer.

    Args:
        model: A SentencePiece model, or a vocabulary (`export.vocabulary`).

    Returns:
        An object with `encode(text)`, `decode(ids)` and `id_to_piece(ids)`,
        such as a `sentencepiece.SentencePieceProcessor`.

    Raises:
        ExportError: If `model` is a vocabulary that cannot be read.
        ImportError: If `model` needs sentencepiece, and it is missing.
        RuntimeError: If `model` is neither.

    Example:

    >>> processor = processor_of(
    ...     b'{"format": "keras_attention.vocabulary",'
    ...     b' "kind": "whitespace", "tokens": ["the", "cat"]}'
    ... )
    >>> processor.encode("the  cat sleeps")
    [4, 5, 3]
    >>> processor.decode([4, 5])
    'the cat'
    """
    if vocabulary.is_vocabulary(model):
        return VocabularyProcessor(vocabulary.read(model))
    try:
        import sentencepiece
    except ImportError as error:
        raise ImportError(
            f"export.runtime needs ai-edge-litert and sentencepiece ({error})."
            " Install them: pip install ai-edge-litert sentencepiece"
        ) from error
    return sentencepiece.SentencePieceProcessor(model_proto=model)


class VocabularyProcessor:
    """Characters or words to ids and back, with SentencePiece's methods.

    Args:
        entries: The vocabulary.
    """

    def __init__(self, entries: vocabulary.Vocabulary) -> None:
        self._words = entries.kind == "whitespace"
        self._strings, self._names = entries.strings, entries.names
        first = len(vocabulary.SPECIAL)
        self._ids = {
            token: first + index for index, token in enumerate(entries.tokens)
        }

    def encode(self, text: str) -> list[int]:
        """Returns the ids of a text."""
        words = text.split()
        tokens = words if self._words else " ".join(words)
        return [self._ids.get(token, vocabulary.UNKNOWN) for token in tokens]

    def decode(self, ids: Sequence[int]) -> str:
        """Returns the text of ids, none of them padding, start or end."""
        return (" " if self._words else "").join(
            self._strings[index] for index in ids
        )

    def id_to_piece(self, ids: Sequence[int]) -> list[str]:
        """Names ids."""
        return [self._names[index] for index in ids]
