"""Words for plots: readable tokens, wrapped sentences, fonts that have them."""

import functools
import textwrap
import unicodedata
from collections.abc import Sequence

from matplotlib import font_manager

WORD_MARK = "▁"  # SentencePiece's mark of a word's beginning
NAMES = {"</s>": "⏎", "<s>": "⇥", "<unk>": "<unk>"}
MISSING = "□"
FIRST_FONT = "DejaVu Sans"  # comes with matplotlib
# Knows every character, but draws a box for each.
NO_FONTS = ("Last Resort",)
MAX_TITLE_LINES = 4


def readable(pieces: Sequence[str]) -> list[str]:
    """Names tokens as people read them.

    A piece that goes on with a word begins with a dot in the middle of the
    line, unless it is punctuation or in a script without spaces; one that
    begins a word is as it is. The end is `⏎`, a space by itself `␣`. Where
    nothing marks the beginnings, tokens are characters, words or phones of
    their own, and get no dot.

    Args:
        pieces: Tokens as `SubwordTokenizer.pieces` names them.

    Returns:
        A label for each.

    Example:

    >>> readable(["▁Il", "▁pleu", "t", ".", "▁", "</s>"])
    ['Il', 'pleu', '·t', '.', '␣', '⏎']
    """
    labels = []
    marked = any(piece.startswith(WORD_MARK) for piece in pieces)
    for index, piece in enumerate(pieces):
        if piece in NAMES:
            labels.append(NAMES[piece])
        elif piece.startswith(WORD_MARK):
            labels.append(_visible(piece[1:]).strip() or "␣")
        elif index and marked and _goes_on(piece):
            labels.append("·" + _visible(piece))
        else:
            labels.append(_visible(piece).strip() or "␣")
    return labels


def wrap(text: str, width: int) -> str:
    """Breaks a sentence into a few lines; `…` stands for what is left out.

    Args:
        text: The sentence.
        width: Most columns of a line; wide characters take two.

    Returns:
        At most four lines.

    Example:

    >>> print(wrap("one two three four", 9))
    one two
    three
    four
    """
    text = " ".join(_visible(text).split())
    if any(unicodedata.east_asian_width(one) in "WF" for one in text):
        width = width // 2
    return textwrap.fill(
        text, max(width, 8), max_lines=MAX_TITLE_LINES, placeholder=" …"
    )


def choose_fonts(texts: Sequence[str]) -> tuple[list[str], str]:
    """Finds fonts for all characters of some texts.

    Args:
        texts: What is to be drawn.

    Returns:
        The names of installed fonts, the first one matplotlib's own; and the
        characters that none of them has.

    Example:

    >>> choose_fonts(["Übergrößenträger"])
    (['DejaVu Sans'], '')
    """
    fonts = [FIRST_FONT]
    path = font_manager.findfont(FIRST_FONT)
    missing = {ord(one) for text in texts for one in text if one != "\n"}
    missing -= _characters(path)
    if missing:
        for entry in font_manager.fontManager.ttflist:
            known = entry.name in fonts or entry.name.startswith(NO_FONTS)
            if known or entry.style != "normal":
                continue
            found = missing & _characters(entry.fname)
            if found:
                fonts.append(entry.name)
                missing -= found
            if not missing:
                break
    return fonts, "".join(sorted(map(chr, missing)))


def replace_missing(text: str, missing: str) -> str:
    """Puts a box in place of each character that no font has.

    Example:

    >>> replace_missing("a€b", "€")
    'a□b'
    """
    return text.translate({ord(one): MISSING for one in missing})


def _goes_on(piece: str) -> bool:
    """Whether a piece is letters of a word, in a script that has words."""
    wide = unicodedata.east_asian_width(piece[:1] or " ") in "WF"
    return not wide and any(one.isalnum() for one in piece)


def _visible(text: str) -> str:
    """Leaves out what has no shape of its own, such as joiners and marks."""
    return "".join(
        " " if one.isspace() else one
        for one in text
        if one.isspace() or unicodedata.category(one) not in ("Cc", "Cf")
    )


@functools.lru_cache(maxsize=256)
def _characters(path: str) -> frozenset[int]:
    """The characters that a font file has; none if it cannot be read."""
    try:
        return frozenset(font_manager.get_font(path).get_charmap())
    except (OSError, RuntimeError, ValueError):
        return frozenset()
