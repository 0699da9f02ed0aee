"""Vocabularies of characters or of words: no SentencePiece needed.

A vocabulary travels as JSON, in the place of a SentencePiece model:

    {"format": "keras_attention.vocabulary", "kind": "character",
     "tokens": [" ", "e", "a"]}

`kind` is `"character"` (every character is a token, spaces too) or
`"whitespace"` (words are what stands between white space). The ids 0 to 3 are
padding, start, end and unknown; `tokens` follow them. White space of any kind
counts as a space, several as one, and none counts at the ends of a text.
Nothing else is changed: no case, no punctuation, no Unicode normal form.
"""

import json
from typing import NamedTuple

from export.errors import ExportError

FORMAT = "keras_attention.vocabulary"
KINDS = ("character", "whitespace")
SPECIAL = ("<pad>", "<s>", "</s>", "<unk>")
UNKNOWN_TEXT = "\u2047"  # shown as ⁇, as SentencePiece has it
UNKNOWN = 3  # token id
# What Python's `str.split()` splits on, written for RE2.
WHITE_SPACE = (
    r"[\x{9}-\x{d}\x{1c}-\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}"
    r"\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}]+"
)


class Vocabulary(NamedTuple):
    """What `read` finds.

    kind: `"character"` or `"whitespace"`.
    tokens: The characters or words, those of the ids from 4.
    """

    kind: str
    tokens: tuple[str, ...]

    @property
    def strings(self) -> list[str]:
        """What each id stands for in a text, from id 0."""
        return [*SPECIAL[:UNKNOWN], UNKNOWN_TEXT, *self.tokens]

    @property
    def names(self) -> list[str]:
        """How each id is shown, from id 0: `▁` is a space."""
        return [one.replace(" ", "▁") for one in (*SPECIAL, *self.tokens)]


def is_vocabulary(model: bytes) -> bool:
    """Tells whether a tokenizer's bytes are a vocabulary.

    Example:

    >>> is_vocabulary(b"")
    False
    """
    return model.lstrip()[:1] == b"{"


def read(model: bytes) -> Vocabulary:
    """Reads and checks a vocabulary.

    Args:
        model: JSON, see above.

    Returns:
        The vocabulary.

    Raises:
        ExportError: If it is not one.

    Example:

    >>> read(
    ...     b'{"format": "keras_attention.vocabulary",'
    ...     b' "kind": "whitespace", "tokens": ["the"]}'
    ... )
    Vocabulary(kind='whitespace', tokens=('the',))
    """
    try:
        content = json.loads(model)
        kind, tokens = content["kind"], content["tokens"]
        known = content["format"] == FORMAT and kind in KINDS
    except (ValueError, KeyError, TypeError) as error:
        raise _refused("it cannot be read") from error
    if not known:
        raise _refused(f"its format or its kind {kind!r} is not known")
    if not tokens or not isinstance(tokens, list):
        raise _refused("it has no tokens")
    if not all(isinstance(one, str) and one for one in tokens):
        raise _refused("a token is no string, or is empty")
    if len(set(tokens)) < len(tokens):
        raise _refused("a token stands in it twice")
    return Vocabulary(kind, tuple(tokens))


def _refused(reason: str) -> ExportError:
    return ExportError(
        f"This is no vocabulary: {reason}.",
        f"It is JSON with the format {FORMAT!r}, a kind of {KINDS} and a list "
        "of tokens.",
    )
