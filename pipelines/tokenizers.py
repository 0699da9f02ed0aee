"""Every kind of tokenizer by its name, and from its file."""

from collections.abc import Iterable
from pathlib import Path

from pipelines.text import SubwordTokenizer
from pipelines.vocabulary import KINDS, VocabularyTokenizer

Tokenizer = SubwordTokenizer | VocabularyTokenizer


def train(
    lines: Iterable[str], vocabulary_size: int, kind: str = "sentencepiece"
) -> Tokenizer:
    """Learns a vocabulary.

    Args:
        lines: Sentences of the training part only.
        vocabulary_size: Number of tokens, the 4 special ones included.
        kind: `"sentencepiece"`, subwords; `"character"`; or `"whitespace"`,
            words.

    Returns:
        The tokenizer.

    Raises:
        UserError: If no line holds any text.

    Example:

    >>> train(["ab"], 10, "character").encode_lines(["ba"])
    [[5, 4]]
    """
    if kind in KINDS:
        return VocabularyTokenizer.train(lines, vocabulary_size, kind)
    return SubwordTokenizer.train(lines, vocabulary_size)


def load(path: str | Path) -> Tokenizer:
    """Reads what a tokenizer's `save` wrote.

    Args:
        path: The file.

    Returns:
        The tokenizer, of the kind that was saved.

    Raises:
        UserError: If there is no such file, or if it is no tokenizer.
    """
    path = Path(path)
    try:
        # JSON begins so, a SentencePiece model never does.
        is_vocabulary = path.read_bytes()[:1] == b"{"
    except OSError:
        is_vocabulary = False  # What is wrong with it is said below.
    kind = VocabularyTokenizer if is_vocabulary else SubwordTokenizer
    return kind.load(path)
