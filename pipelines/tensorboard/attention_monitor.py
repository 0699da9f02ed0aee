"""`AttentionMonitor`: TensorBoard for any Keras model with attention."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from pipelines.evaluation.measures import Scoring, TextMeasures
from pipelines.tensorboard.answers import AnswersInText
from pipelines.tensorboard.curves import TrainingCurves
from pipelines.tensorboard.gold import (
    GoldLinks,
    best_links,
    error_rate,
    parse_links,
)
from pipelines.tensorboard.log import TRAIN, VALIDATION
from pipelines.tensorboard.record import draws_samples, record_alignments
from pipelines.tensorboard.statistics import cut, write_statistics

# For each example the labels of its target and of its source.
Labels = Sequence[tuple[Sequence[str], Sequence[str]]]


class AttentionMonitor(TrainingCurves):
    """A callback that shows where a model looks while it learns.

    It finds the attention layers and decoders of the model by itself
    (`pipelines.record_alignments` says which), calls the model on a batch of
    yours before the training and after every few epochs, and
    writes for each of them, by its name:

    - `NAME/1`, ...: the alignments as heat maps;
    - `NAME/entropy`, `peak`, `coverage`, `monotonicity`: means of the
      measures in `keras_attention.diagnostics`, and their histograms;
    - `NAME/alignment_error_rate`, against gold links;
    - of hard attention that draws samples `NAME_samples/1`, ..., drawn as in
      training, and with a baseline `NAME/baseline` and `NAME/reward`.

    Given `translate`, `sources` and `references`, it also writes `bleu`,
    `chrf`, `bleu_by_source_length/...` and sample `translations`; given
    `embeddings`, what the projector shows, after the training.

    And, as `TrainingCurves` says, loss, metrics, learning rate, gradient norm
    and speed. Look at it all with `tensorboard --logdir LOG_DIR`.

    Args:
        log_dir: Folder of the logs.
        inputs: What the model is called on, a batch of a few examples.
        tokens: A pair (target labels, source labels) for each example, or a
            function from `inputs` to them. An example is as long as its
            labels. `None`: positions are numbered, and end where the masks
            of the layer say so. Where there are several layers of different
            kinds (self-attention beside a decoder's, two memories), a
            dictionary of such pairs by the layers' names; those it does not
            name have numbers.
        gold: Links of each example in the Pharaoh format, `"0-0 2-1"`: source
            and target positions, counted from zero. A dictionary by the
            layers' names, too, if not all layers should do this.
        alignments: A function `(model, inputs)` that returns `(batch,
            target_len, source_len)`, or a dictionary of such arrays, where
            the layers are none that is found.
        images: How many examples are drawn.
        translate: A function `(model, sources)` that returns a text for each
            source. There may be other and many more of them than `inputs`.
        sources, references: The texts that it is asked, and a right answer to
            each.
        tokenize: How BLEU splits words: what `keras-attention evaluate
            --tokenize` takes.
        samples: How many translations are shown.
        embeddings: By name an embedding layer and a label for each row of
            its table.
        every_epochs: Epochs between looks.
        num_target_tokens: Target tokens of an epoch, for the speed.
        **options: `num_batches`, `every_steps`, `say`, as in
            `TrainingCurves`.

    Raises:
        UserError: When the training begins, if the logs cannot be written.
        ValueError: When the training begins, if there is no attention, or
            labels or links do not fit the alignments; if answers, references
            or labels of embeddings are not as many as they are for.

    Example:

    ```python
    monitor = pipelines.AttentionMonitor(
        "logs", [source[:8], target[:8]], tokens=lambda inputs: [...]
    )
    model.fit(..., callbacks=[monitor])
    ```
    """

    def __init__(
        self,
        log_dir: str | Path,
        inputs: Any,
        tokens: Labels | dict[str, Labels] | Callable[[Any], Any] | None = None,
        gold: Sequence[str] | dict[str, Sequence[str]] | None = None,
        alignments: Callable[[Any, Any], Any] | None = None,
        images: int = 4,
        translate: Callable[[Any, list[str]], Sequence[str]] | None = None,
        sources: Sequence[str] = (),
        references: Sequence[str] = (),
        tokenize: str = "13a",
        samples: int = 8,
        embeddings: dict[str, tuple[Any, Sequence[str]]] | None = None,
        every_epochs: int = 1,
        num_target_tokens: int = 0,
        **options: Any,
    ) -> None:
        super().__init__(
            log_dir,
            every_epochs=every_epochs,
            num_target_tokens=num_target_tokens,
            **options,
        )
        self.inputs = inputs
        self.labels = tokens(inputs) if callable(tokens) else tokens
        self.gold: Any = gold
        if isinstance(gold, dict):
            self.gold = {name: _parsed(rows) for name, rows in gold.items()}
        elif gold is not None:
            self.gold = _parsed(gold)
        self.alignments = alignments
        self.images = images
        self.translate = translate
        self.embeddings = embeddings or {}
        asked = len(sources) > 0
        if len(sources) != len(references) or asked != bool(translate):
            raise ValueError(
                "`translate` needs `sources`, and a reference for each of "
                f"them. Received: {len(sources)} sources, {len(references)} "
                f"references, translate={translate!r}."
            )
        self.answers = AnswersInText(
            TextMeasures(Scoring(tokenize)),
            list(sources),
            [[one] for one in references],
            samples=samples,
        )
        self._layers: dict[str, Any] = {}

    def on_train_begin(self, logs: Any = None) -> None:
        super().on_train_begin(logs)
        # What does not fit shows before the training, not after an epoch.
        self.look(self._step)
        for name, (layer, labels) in self.embeddings.items():
            if len(labels) != layer.embeddings.shape[0]:
                raise ValueError(
                    f"`embeddings` must have a label for each vector. {name} "
                    f"has {layer.embeddings.shape[0]} vectors. Received: "
                    f"{len(labels)} labels."
                )

    def hard_attentions(self) -> dict[str, Any]:
        return self._layers

    def look(self, step: int) -> None:
        found = self._find()
        samples = self._sample()
        texts = self._translate()
        with self.log.writing(VALIDATION, step):
            for name, rows in found.items():
                write_statistics(name, rows)
                gold = self._links(name, rows)
                if gold is not None:
                    rate = error_rate(map(best_links, rows), gold)
                    tf.summary.scalar(f"{name}/alignment_error_rate", rate)
                self._draw(name, rows, name)
            for name, rows in samples.items():
                self._draw(f"{name}_samples", rows, name)
            if texts:
                self.answers.write(texts)

    def on_train_end(self, logs: Any = None) -> None:
        found = {
            name: (keras.ops.convert_to_numpy(layer.embeddings), labels)
            for name, (layer, labels) in self.embeddings.items()
        }
        self.log.embeddings(TRAIN, found)
        super().on_train_end(logs)

    def _translate(self) -> list[str]:
        if self.translate is None:
            return []
        texts = list(self.translate(self.model, list(self.answers.sources)))
        if len(texts) != len(self.answers.sources):
            raise ValueError(
                "`translate` must return a text for each of the "
                f"{len(self.answers.sources)} sources. Received: {len(texts)}."
            )
        return texts

    def _find(self) -> dict[str, list[np.ndarray]]:
        """Alignments without padding, by name."""
        found = self._look_everywhere()
        for argument, given in (("tokens", self.labels), ("gold", self.gold)):
            for name in given if isinstance(given, dict) else ():
                if name not in found:
                    raise ValueError(
                        f"`{argument}` must name layers that are found: "
                        f"{', '.join(found)}. Received: {name}."
                    )
        return found

    def _look_everywhere(self) -> dict[str, list[np.ndarray]]:
        if self.alignments is not None:
            given = self.alignments(self.model, self.inputs)
            if not isinstance(given, dict):
                given = {"attention": given}
            return {
                name: self._cut(name, np.asarray(one), None, None)
                for name, one in given.items()
            }
        records = record_alignments(self.model, self.inputs)
        if not records:
            raise ValueError(
                "`model` must call an attention layer for which there are "
                f"alignments. {type(self.model).__name__} called none on "
                "`inputs`. Give AttentionMonitor a function `alignments`, "
                "from the model and the inputs to them."
            )
        self._layers = {
            name: record.layer
            for name, record in records.items()
            if hasattr(record.layer, "normalizer")
        }
        return {
            name: self._cut(name, *record[1:])
            for name, record in records.items()
        }

    def _sample(self) -> dict[str, list[np.ndarray]]:
        """What hard attention that draws would look at in training."""
        drawing = list(filter(draws_samples, self._layers.values()))
        if not drawing:
            return {}
        records = record_alignments(self.model, self.inputs, training=True)
        return {
            name: self._cut(name, *record[1:])
            for name, record in records.items()
            if any(record.layer is layer for layer in drawing)
        }

    def _cut(
        self, name: str, alignments: np.ndarray, target: Any, source: Any
    ) -> list[np.ndarray]:
        if alignments.ndim != 3:
            raise ValueError(
                "`alignments` must return arrays (batch, target_len, "
                f"source_len). Received: {name} of shape {alignments.shape}."
            )
        all_labels = _of(self.labels, name)
        for argument, given in (
            ("tokens", all_labels),
            ("gold", _of(self.gold, name)),
        ):
            if given is not None and len(given) != len(alignments):
                raise ValueError(
                    f"`{argument}` must have an entry for each example: "
                    f"{len(alignments)} in `inputs`. Received: {len(given)}."
                )
        if all_labels is None:
            return cut(alignments, target, source)
        rows = []
        for number, (one, labels) in enumerate(
            zip(alignments, all_labels, strict=True)
        ):
            sizes = tuple(map(len, labels))
            if sizes[0] > one.shape[0] or sizes[1] > one.shape[1]:
                raise ValueError(
                    "`tokens` must have at most as many labels (target, "
                    f"source) as there are positions, {one.shape} in {name}. "
                    f"Received: {sizes} of example {number}. If layers differ, "
                    "give a dictionary by their names."
                )
            rows.append(one[: sizes[0], : sizes[1]])
        return rows

    def _links(
        self, name: str, rows: Sequence[np.ndarray]
    ) -> list[GoldLinks] | None:
        """The gold links of a layer, checked against what there is."""
        gold: list[GoldLinks] | None = _of(self.gold, name)
        if gold is None:
            return None
        for number, (one, links) in enumerate(zip(rows, gold, strict=True)):
            for source, target in links.sure | links.possible:
                if target >= one.shape[0] or source >= one.shape[1]:
                    raise ValueError(
                        f"`gold` must link positions of the example. Example "
                        f"{number} has {one.shape[1]} source and "
                        f"{one.shape[0]} target positions in {name}. Received: "
                        f"{source}-{target}. If layers differ, give a "
                        "dictionary by their names."
                    )
        return gold

    def _draw(self, tag: str, rows: Sequence[np.ndarray], name: str) -> None:
        from pipelines.plots.heat_map import MOST_LABELS, heat_map, pixels

        for number, one in enumerate(rows[: self.images]):
            if not one.size:
                continue
            labels = _of(self.labels, name)
            if labels is not None:
                target, source = labels[number]
            else:
                target, source = (list(map(str, range(n))) for n in one.shape)
            figure = heat_map(one, source, target, most_labels=MOST_LABELS)
            tf.summary.image(f"{tag}/{number + 1}", pixels(figure)[None])


def _parsed(gold: Sequence[str]) -> list[GoldLinks]:
    return [parse_links(one) for one in gold]


def _of(given: Any, name: str) -> Any:
    """What there is for a layer; None if there is nothing."""
    return given.get(name) if isinstance(given, dict) else given
