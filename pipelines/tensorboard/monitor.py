"""What TensorBoard shows of a training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from pipelines import task as tasks
from pipelines.data.corpus import Corpus
from pipelines.errors import UserError
from pipelines.evaluation.measures import Scoring
from pipelines.recipe import Recipe
from pipelines.tensorboard.answers import AnswersInText
from pipelines.tensorboard.curves import TrainingCurves
from pipelines.tensorboard.embeddings import token_embeddings
from pipelines.tensorboard.gold import (
    best_links,
    between_words,
    error_rate,
    read_links,
)
from pipelines.tensorboard.log import TRAIN, VALIDATION
from pipelines.tensorboard.record import draws_samples, record_alignments
from pipelines.tensorboard.statistics import cut, spread, write_statistics
from pipelines.text import END_ID, START_ID, pad
from pipelines.training.averaging import averaged

if TYPE_CHECKING:
    from pipelines.translation import Translation

DPI = 100
ATTENTION = "attention"


class Monitor(TrainingCurves):
    """Writes TensorBoard logs; look at them with `tensorboard --logdir DIR`.

    What `TrainingCurves` says, perplexity and accuracy among it, and in
    `validation/`, every `monitoring.every_epochs` epochs, from a greedy
    translation of `monitoring.sentences` sentences: what the task measures
    (BLEU and chrF), BLEU by the length of the source, translations beside
    source and reference, alignments as pictures, and their entropy, peak,
    coverage and monotonicity; against `monitoring.gold_alignments` the
    alignment error rate of the references. Of hard attention its samples,
    baseline and reward; after the training the embeddings, in `train/`.

    Args:
        log_dir: Folder of the logs.
        translate: From sentences to a `Translation` each; greedy is enough.
        corpus: The validation sentences. A fixed sample of them is shown,
            taken at equal distances.
        recipe: `monitoring` says how much is shown, `data` the names of the
            languages.
        score: From sentences and given translations to a `Translation` each;
            only for gold alignments.
        tokenizers: Those of source and target, for embeddings and samples.
        **options: `num_target_tokens`, `num_batches`, `first_step`, `say`, as
            in `TrainingCurves`.

    Raises:
        UserError: If the gold alignments cannot be read; when the training
            begins, if the logs cannot be written.

    Example:

    ```python
    monitor = Monitor(
        "runs/demo/tensorboard",
        lambda texts: run.translate(texts, SearchOptions(beam_size=1)),
        run.corpus("validation"),
        run.recipe,
        num_target_tokens=batches.num_target_tokens,
    )
    model.fit(..., callbacks=[monitor])
    ```
    """

    def __init__(
        self,
        log_dir: str | Path,
        translate: Callable[[list[str]], list[Translation]],
        corpus: Corpus,
        recipe: Recipe,
        *,
        score: Callable[..., list[Translation]] | None = None,
        tokenizers: tuple[Any, Any] | None = None,
        **options: Any,
    ) -> None:
        settings = recipe.monitoring
        super().__init__(
            log_dir,
            every_steps=settings.every_steps,
            every_epochs=settings.every_epochs,
            **options,
        )
        self.translate = translate
        self.score = score
        self.tokenizers = tokenizers
        self.settings = settings
        self.languages = (
            recipe.data.source_language,
            recipe.data.target_language,
        )
        measures = tasks.get(recipe.task).measures(Scoring(settings.tokenize))
        sources, answers = measures.questions(corpus)
        chosen = spread(len(sources), settings.sentences)
        self.sources = [sources[index] for index in chosen]
        answers = [answers[index] for index in chosen]
        self.references = [one[0] for one in answers]
        self.answers = AnswersInText(
            measures,
            self.sources,
            answers,
            [*self.languages, "reference"],
            settings.samples,
        )
        self.gold = None
        self._unlinked_said = False
        if settings.gold_alignments:
            if recipe.model.attention == "none":
                raise UserError(
                    "monitoring.gold_alignments is compared with alignments, "
                    "and a model without attention has none.",
                    "Leave it out, or choose a model.attention.",
                )
            path = recipe.data.beside(settings.gold_alignments)
            links = read_links(path, corpus)
            if len(links) != len(sources):
                raise UserError(
                    f"{path} has links for {len(links):,} lines, but the "
                    f"{len(sources):,} different sources of {corpus.name} "
                    "are asked once each.",
                    "Leave out monitoring.gold_alignments.",
                )
            self.gold = [links[index] for index in chosen]

    def hard_attentions(self) -> dict[str, Any]:
        layers = _attentions(self.model)
        if len(layers) == 1:
            return {ATTENTION: layers[0]}
        return {
            f"{ATTENTION}_{number}": layer
            for number, layer in enumerate(layers, start=1)
        }

    def look(self, step: int) -> None:
        if not self.sources:
            return
        from pipelines.plots.heat_map import MOST_LABELS, heat_map, pixels
        from pipelines.plots.words import readable

        # All that may fail for other reasons than the disk comes first.
        translations = self.translate(self.sources)
        rate = self._error_rate()
        samples = self._samples()
        pictured = spread(len(translations), self.settings.images)
        with self.log.writing(VALIDATION, step):
            self.answers.write([one.text for one in translations])
            for number, index in enumerate(pictured, start=1):
                self._draw(f"alignments/{number}", translations[index])
            looks = [one.alignments for one in translations]
            write_statistics(
                ATTENTION, [one for one in looks if one is not None]
            )
            if rate is not None:
                tf.summary.scalar(f"{ATTENTION}/alignment_error_rate", rate)
            for tag, row, source, target in samples:
                labels = readable(source), readable(target)
                figure = heat_map(row, *labels, most_labels=MOST_LABELS)
                tf.summary.image(tag, pixels(figure, DPI)[None])

    def on_train_end(self, logs: Any = None) -> None:
        if self.settings.embeddings and self.tokenizers is not None:
            # `fit` has put the trained weights back; kept is the average.
            with averaged(self.model):
                found = token_embeddings(self.model, *self.tokenizers)
            self.log.embeddings(TRAIN, found)
        super().on_train_end(logs)

    def _error_rate(self) -> float | None:
        """Of the references, against gold links; None without them."""
        if self.gold is None or self.score is None:
            return None
        found, gold = [], []
        scored = self.score(self.sources, self.references)
        for one, links in zip(scored, self.gold, strict=True):
            if one.alignments is None:
                return None
            words = between_words(
                one.alignments,
                (one.source, one.source_pieces),
                (one.text, one.target_pieces),
            )
            if words is not None:
                found.append(best_links(words))
                gold.append(links)
        self._say_unlinked(len(scored) - len(found))
        return error_rate(found, gold) if found else None

    def _say_unlinked(self, number: int) -> None:
        """Says, once, how many sentences have no part in the error rate."""
        if number and not self._unlinked_said:
            self.log.tell(
                f"{number:,} of the {len(self.sources):,} sentences looked at "
                "are left out of the alignment error rate: their tokens cannot "
                "be told apart into words."
            )
        self._unlinked_said = True

    def _samples(self) -> list[tuple[str, Any, list[str], list[str]]]:
        """What hard attention that draws looks at in training.

        Returns:
            For each picture its tag, the alignments, and the tokens.
        """
        chosen = spread(len(self.sources), self.settings.images)
        drawing = any(map(draws_samples, _attentions(self.model)))
        if self.tokenizers is None or not chosen or not drawing:
            return []
        source, target = (
            tokenizer.encode_lines([texts[index] for index in chosen])
            for tokenizer, texts in zip(
                self.tokenizers, (self.sources, self.references), strict=True
            )
        )
        read = pad([[*row, END_ID] for row in source])
        # What is said at a step is the next step's input.
        said = pad([[*row, END_ID] for row in target])
        given = pad([[START_ID, *row] for row in target])
        records = record_alignments(
            self.model, {"source": read, "target": given}, training=True
        )
        return [
            (
                f"{name}_samples/{number + 1}",
                row,
                self.tokenizers[0].pieces([*source[number], END_ID]),
                self.tokenizers[1].pieces([*target[number], END_ID]),
            )
            for name, record in records.items()
            if draws_samples(record.layer)
            for number, row in enumerate(
                cut(record.alignments, said != 0, read != 0)
            )
        ]

    def _draw(self, tag: str, translation: Translation) -> None:
        from pipelines.plots.heat_map import alignment_pixels

        if translation.alignments is None or not translation.target_pieces:
            return  # A model without attention, or a blank line.
        pixels = alignment_pixels(translation, *self.languages, dpi=DPI)
        tf.summary.image(tag, pixels[None])


def _attentions(model: Any) -> list[Any]:
    """The attention layers of an `EncoderDecoder`."""
    cell = getattr(getattr(model, "decoder", None), "cell", None)
    return list(getattr(cell, "attentions", []))
