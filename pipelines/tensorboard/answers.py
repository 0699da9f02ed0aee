"""What TensorBoard shows of answers as text."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from pipelines.evaluation.measures import Measures
from pipelines.tensorboard.statistics import spread
from pipelines.tensorboard.tables import length_groups, table


class AnswersInText:
    """Answers against their references, each time they are given anew.

    Args:
        measures: What is measured of them.
        sources: What is asked, always the same.
        references: Right answers of each, the first of which is shown.
        titles: Of the columns source, answer and reference.
        samples: How many are shown.

    Example:

    ```python
    view = AnswersInText(TextMeasures(Scoring()), ["Va !"], [["Go."]])
    with log.writing("validation", step):
        view.write(["Go."])
    ```
    """

    def __init__(
        self,
        measures: Measures,
        sources: Sequence[str],
        references: Sequence[Sequence[str]],
        titles: Sequence[str] = ("source", "answer", "reference"),
        samples: int = 8,
    ) -> None:
        self.measures = measures
        self.sources = sources
        self.references = references
        self.titles = titles
        self.shown = spread(len(sources), samples)
        self.lengths = length_groups([len(one.split()) for one in sources])

    def write(self, texts: Sequence[str]) -> None:
        """Writes what is measured, by length too, and a table of samples.

        Args:
            texts: The answers, one for each source.
        """
        for one in self.measures.score(texts, self.references):
            tf.summary.scalar(one.name, one.value)
        if self.measures.has_bleu:
            for name, chosen in self.lengths.items():
                bleu, *_ = self.measures.score(
                    [texts[n] for n in chosen],
                    [self.references[n] for n in chosen],
                )
                tf.summary.scalar(f"bleu_by_source_length/{name}", bleu.value)
        if self.shown:
            rows = [
                (self.sources[n], texts[n], self.references[n][0])
                for n in self.shown
            ]
            tf.summary.text("translations", table(self.titles, rows))
