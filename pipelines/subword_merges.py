"""Byte pair encoding with merges that are left out at random."""

import random
import re
from collections.abc import Mapping

# A word with its mark, or what stands before the first mark.
WORD_MARK = "▁"
_WORDS = re.compile(f"{WORD_MARK}[^{WORD_MARK}]*|[^{WORD_MARK}]+")


class Merges:
    """Puts words together from characters, as byte pair encoding does.

    Of the neighbours that make a subword, those whose subword has the highest
    score are merged, the leftmost of equals, until no more can be (Sennrich et
    al. 2016). With BPE-dropout (Provilkov et al. 2020, algorithm 1) each of
    the possible merges is left out with a probability, anew at every step.

    SentencePiece has such a sampling too, but from version 0.2.2 on what it
    draws from a seed is another thing in each process.

    Args:
        scores: All subwords, single characters among them, with their scores.

    Example:

    >>> merges = Merges({"l": -9, "o": -8, "w": -7, "lo": -1, "low": -2})
    >>> merges.split("low", 0.0, random.Random(1))
    ['low']
    >>> merges.split("low", 0.5, random.Random(1))
    ['l', 'o', 'w']
    """

    def __init__(self, scores: Mapping[str, float]) -> None:
        self._scores = scores

    def split(
        self, text: str, dropout: float, generator: random.Random
    ) -> list[str]:
        """Splits a text into subwords.

        Args:
            text: Normalised, with a mark before each word.
            dropout: The probability of leaving out a merge.
            generator: Where the draws come from.

        Returns:
            The subwords, and characters that are none; the text together.
        """
        parts: list[str] = []
        for word in _WORDS.findall(text):
            parts += self._word(word, dropout, generator)
        return parts

    def _word(
        self, word: str, dropout: float, generator: random.Random
    ) -> list[str]:
        draw, scores = generator.random, self._scores
        parts = list(word)
        while True:
            best, place = None, -1
            for index in range(len(parts) - 1):
                score = scores.get(parts[index] + parts[index + 1])
                if (
                    score is not None
                    and (best is None or score > best)
                    and (not dropout or draw() >= dropout)
                ):
                    best, place = score, index
            if best is None:
                return parts
            parts[place : place + 2] = [parts[place] + parts[place + 1]]
