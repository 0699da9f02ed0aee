"""What a task measures on the answers of a model; BLEU and chrF of texts."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pipelines.errors import UserError

if TYPE_CHECKING:
    from pipelines.data.corpus import Corpus
    from pipelines.translation import Translation

# SacreBLEU's own ways that need no further package and no download.
TOKENIZERS = ("13a", "none", "intl", "char", "zh")


@dataclasses.dataclass(frozen=True)
class Measure:
    """A figure that says how good answers are.

    Attributes:
        name: what it is called in `results.json`.
        title: what it is called in tables.
        value: the figure, in percent.
        text: the figure as tables show it.
        note: how it was computed, or from what; for tables.
        details: what goes into `results.json` beside it, by name.
    """

    name: str
    title: str
    value: float
    text: str
    note: str
    details: dict[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Scoring:
    """How sacreBLEU compares texts.

    Args:
        tokenize: What splits answer and reference into words: "13a", as the
            WMT evaluations do; "none", at white space only, for data that is
            tokenised already: what multi-bleu computes; "intl", "char", "zh":
            see sacreBLEU.
        lowercase: Whether case is ignored.

    Raises:
        UserError: If there is no such tokenizer.

    Example:

    >>> Scoring("none", lowercase=True).describe()
    'BLEU tokenize none, lower-cased'
    """

    tokenize: str = "13a"
    lowercase: bool = False

    def __post_init__(self) -> None:
        if self.tokenize not in TOKENIZERS:
            raise UserError(
                f"SacreBLEU is not offered with the tokenizer "
                f"{self.tokenize!r} here.",
                f"Choose one of {', '.join(TOKENIZERS)}.",
            )

    def describe(self) -> str:
        """In a few words; empty for the usual way."""
        parts = []
        if self.tokenize != "13a":
            parts.append(f"tokenize {self.tokenize}")
        if self.lowercase:
            parts.append("lower-cased")
        return f"BLEU {', '.join(parts)}" if parts else ""


class Measures(abc.ABC):
    """What a task asks a model, and how it judges the answers.

    Attributes:
        scoring: how sacreBLEU compares texts, where it does.
        unit: what is asked one by one, in the plural.
        has_bleu: whether BLEU says something about the answers.
    """

    unit = "sentences"
    has_bleu = True

    def __init__(self, scoring: Scoring) -> None:
        self.scoring = scoring

    def first(self, corpus: Corpus, limit: int) -> Corpus:
        """Keeps the pairs of the first questions only; 0 keeps all."""
        return corpus.first(limit)

    def questions(self, corpus: Corpus) -> tuple[list[str], list[list[str]]]:
        """What to ask, and the right answers of each question.

        Returns:
            Sources, and for each of them at least one reference.
        """
        return corpus.sources, [[target] for target in corpus.targets]

    @abc.abstractmethod
    def score(
        self, texts: Sequence[str], references: Sequence[Sequence[str]]
    ) -> list[Measure]:
        """Judges answers; `references` as from `questions`."""

    def line(self, answer: Translation) -> str:
        """An answer as a line of the file of all answers."""
        return " ".join(answer.text.splitlines())


class TextMeasures(Measures):
    """BLEU and chrF, by sacreBLEU, against one reference each.

    Example:

    >>> texts = TextMeasures(Scoring("none"))
    >>> bleu, chrf = texts.score(["a b c d"], [["a b c d"]])
    >>> bleu.text, chrf.text
    ('100.00', '100.00')
    """

    def score(
        self, texts: Sequence[str], references: Sequence[Sequence[str]]
    ) -> list[Measure]:
        import sacrebleu

        lowercase = self.scoring.lowercase
        streams = [[one[0] for one in references]]
        measures = []
        for name, title, metric in (
            (
                "bleu",
                "sacreBLEU",
                sacrebleu.BLEU(
                    lowercase=lowercase,
                    tokenize=self.scoring.tokenize,
                    # Not a warning at every look: the signature says it.
                    force=True,
                ),
            ),
            ("chrf", "chrF", sacrebleu.CHRF(lowercase=lowercase)),
        ):
            value = metric.corpus_score(list(texts), streams).score
            signature = str(metric.get_signature())
            measures.append(
                Measure(
                    name,
                    title,
                    value,
                    f"{value:.2f}",
                    signature,
                    {f"{name}_signature": signature},
                )
            )
        return measures
