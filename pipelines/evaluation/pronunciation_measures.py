"""Word and phone error rate of pronunciations."""

from collections.abc import Sequence

from pipelines.data.corpus import Corpus
from pipelines.data.pronunciations import by_word, first_words
from pipelines.errors import UserError
from pipelines.evaluation.measures import Measure, Measures, Scoring
from pipelines.translation import Translation


class PronunciationMeasures(Measures):
    """Word error rate and phone error rate, each word counted once.

    A word is right if the answer is any of its listed pronunciations. Its
    phone errors are the fewest insertions, deletions and substitutions that
    lead from one of them, the nearest (of equally near ones the first), to
    the answer; the phone error rate is the sum of these over the sum of the
    lengths of these nearest ones. It can be over 100%.

    Args:
        scoring: Must be the usual one: no BLEU is computed.

    Raises:
        UserError: If it is another.

    Example:

    >>> measures = PronunciationMeasures(Scoring())
    >>> found = measures.score(
    ...     ["R EH D", "B IY"], [["R IY D", "R EH D"], ["B EH D"]]
    ... )
    >>> [(one.title, one.text, one.note) for one in found]
    [('word error rate', '50.00%', '1 of 2 words'), \
('phone error rate', '33.33%', '2 errors, 6 phones')]
    """

    unit = "words"
    has_bleu = False

    def __init__(self, scoring: Scoring) -> None:
        if scoring != Scoring():
            raise UserError(
                "Pronunciations are not scored with BLEU.",
                "Leave out --tokenize, --lowercase and monitoring.tokenize.",
            )
        super().__init__(scoring)

    def first(self, corpus: Corpus, limit: int) -> Corpus:
        return first_words(corpus, limit)

    def questions(self, corpus: Corpus) -> tuple[list[str], list[list[str]]]:
        words = by_word(corpus)
        return list(words), list(words.values())

    def score(
        self, texts: Sequence[str], references: Sequence[Sequence[str]]
    ) -> list[Measure]:
        num_wrong = num_errors = num_phones = 0
        for text, listed in zip(texts, references, strict=True):
            errors, length = nearest(text, listed)
            num_wrong += errors > 0
            num_errors += errors
            num_phones += length
        words = 100 * num_wrong / len(texts)
        phones = 100 * num_errors / num_phones
        return [
            Measure(
                "word_error_rate",
                "word error rate",
                words,
                f"{words:.2f}%",
                f"{num_wrong:,} of {len(texts):,} words",
                {"num_wrong_words": num_wrong},
            ),
            Measure(
                "phone_error_rate",
                "phone error rate",
                phones,
                f"{phones:.2f}%",
                f"{num_errors:,} error{'s' if num_errors != 1 else ''}, "
                f"{num_phones:,} phones",
                {"num_phone_errors": num_errors, "num_phones": num_phones},
            ),
        ]

    def line(self, answer: Translation) -> str:
        """As in a dictionary: the word, two spaces, its phones."""
        return f"{answer.source}  {answer.text}"


def nearest(text: str, listed: Sequence[str]) -> tuple[int, int]:
    """How far an answer is from the nearest of the right ones.

    Args:
        text: Phones with spaces between them.
        listed: Right answers, at least one, likewise.

    Returns:
        The number of phones to insert, delete or substitute, and the number
        of phones of that right answer.

    Raises:
        UserError: If rapidfuzz is missing.

    >>> nearest("R EH", ["R IY D", "R EH D"])
    (1, 3)
    """
    try:
        from rapidfuzz.distance import Levenshtein
    except ImportError as error:
        raise UserError(
            f"Error rates need rapidfuzz ({error}).",
            "Install it: pip install rapidfuzz.",
        ) from None
    said = text.split()
    return min(
        (
            (Levenshtein.distance(phones, said), len(phones))
            for phones in (one.split() for one in listed)
        ),
        key=lambda found: found[0],
    )
