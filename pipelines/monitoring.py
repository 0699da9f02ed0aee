"""What TensorBoard shows of a training."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from pipelines.errors import UserError
from pipelines.recipe import Recipe

if TYPE_CHECKING:
    from pipelines.translation import Translation

STEPS_BETWEEN_LOSSES = 50
NUM_SCORED = 100  # validation sentences that are translated for BLEU
DPI = 100


class Monitor(keras.callbacks.Callback):
    """Writes TensorBoard logs; look at them with `tensorboard --logdir DIR`.

    Everything stands over the number of training steps, so a training that
    is resumed goes on where it was. In `train/`: the loss of every 50 steps
    and, after each epoch, loss, perplexity, accuracy, learning rate and
    target tokens per second. In `validation/`: the same measures and, every
    `monitoring.every_epochs` epochs, BLEU and chrF of at most 100 sentences,
    translations beside source and reference, and alignments as pictures.

    Args:
        log_dir: Folder of the logs.
        translate: From sentences to a `Translation` each; greedy is enough.
        sources: Validation sentences. A fixed sample of them is shown, taken
            at equal distances.
        references: Their translations.
        recipe: `monitoring` says how much is shown, `data` the names of the
            languages.
        num_target_tokens: Target tokens of an epoch.
        num_batches: Training steps of an epoch. Only needed for the speed of
            an epoch that is resumed in its middle; None for as many as `fit`
            takes.

    Raises:
        UserError: In training, if the logs cannot be written.

    Example:

    ```python
    monitor = Monitor(
        "runs/demo/tensorboard",
        lambda texts: run.translate(texts, SearchOptions(beam_size=1)),
        corpus.sources,
        corpus.targets,
        recipe,
        num_target_tokens=batches.num_target_tokens,
    )
    model.fit(..., callbacks=[monitor])
    ```
    """

    def __init__(
        self,
        log_dir: str | Path,
        translate: Callable[[list[str]], list[Translation]],
        sources: Sequence[str],
        references: Sequence[str],
        recipe: Recipe,
        *,
        num_target_tokens: int = 0,
        num_batches: int | None = None,
    ) -> None:
        super().__init__()
        self.log_dir = Path(log_dir)
        self.translate = translate
        self.settings = recipe.monitoring
        self.languages = (
            recipe.data.source_language,
            recipe.data.target_language,
        )
        chosen = _spread(len(sources), NUM_SCORED)
        self.sources = [sources[index] for index in chosen]
        self.references = [references[index] for index in chosen]
        self.num_target_tokens = num_target_tokens
        self.num_batches = num_batches
        self._writers: dict[str, Any] = {}
        self._step = 0

    def on_train_begin(self, logs: Any = None) -> None:
        self._step = int(self.model.optimizer.iterations)
        if not self._writers:
            with _clear_errors(self.log_dir):
                for name in ("train", "validation"):
                    folder = self.log_dir / name
                    folder.mkdir(parents=True, exist_ok=True)
                    writer = tf.summary.create_file_writer(str(folder))
                    self._writers[name] = writer

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._start = time.perf_counter()
        self._seconds: float | None = None
        self._done = self._done_before = 0
        self._total_before = 0.0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._done += 1
        self._step += 1
        if self._step % STEPS_BETWEEN_LOSSES or not logs:
            return
        # Keras gives the mean since the epoch began; the steps since the last
        # point are what its sum has grown by.
        total = float(logs["loss"]) * self._done
        mean = (total - self._total_before) / (self._done - self._done_before)
        self._total_before, self._done_before = total, self._done
        self._write("train", {"loss_by_step": mean}, flush=False)

    def on_test_begin(self, logs: Any = None) -> None:
        self._seconds = time.perf_counter() - self._start

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        logs = {name: float(value) for name, value in (logs or {}).items()}
        seconds = self._seconds or time.perf_counter() - self._start
        steps = self.num_batches or self._done or 1
        tokens = self.num_target_tokens * self._done / steps
        train = {k: v for k, v in logs.items() if not k.startswith("val_")}
        train["learning_rate"] = float(self.model.optimizer.learning_rate)
        train["target_tokens_per_second"] = tokens / max(seconds, 1e-9)
        self._write("train", train)
        validation = {
            name.removeprefix("val_"): value
            for name, value in logs.items()
            if name.startswith("val_")
        }
        self._write("validation", validation)
        if (epoch + 1) % self.settings.every_epochs == 0 and self.sources:
            self._show_translations()

    def on_train_end(self, logs: Any = None) -> None:
        with _clear_errors(self.log_dir):
            for writer in self._writers.values():
                writer.flush()

    def _show_translations(self) -> None:
        import sacrebleu

        translations = self.translate(self.sources)
        texts = [translation.text for translation in translations]
        bleu = sacrebleu.corpus_bleu(texts, [self.references])
        chrf = sacrebleu.corpus_chrf(texts, [self.references])
        scores = {"bleu": bleu.score, "chrf": chrf.score}
        shown = _spread(len(texts), self.settings.samples)
        pictured = _spread(len(texts), self.settings.images)
        table = _table(
            [*self.languages, "reference"],
            [
                (self.sources[index], texts[index], self.references[index])
                for index in shown
            ],
        )
        with _clear_errors(self.log_dir):
            with self._writers["validation"].as_default(self._step):
                if shown:
                    tf.summary.text("translations", table)
                for number, index in enumerate(pictured, start=1):
                    self._draw(f"alignments/{number}", translations[index])
        self._write("validation", scores)

    def _draw(self, tag: str, translation: Translation) -> None:
        from pipelines.plot import alignment_pixels

        if translation.alignments is None or not translation.target_pieces:
            return  # A model without attention, or a blank line.
        pixels = alignment_pixels(translation, *self.languages, dpi=DPI)
        tf.summary.image(tag, pixels[None])

    def _write(
        self, part: str, values: dict[str, float], flush: bool = True
    ) -> None:
        writer = self._writers[part]
        with _clear_errors(self.log_dir), writer.as_default(self._step):
            for name, value in values.items():
                tf.summary.scalar(name, value)
            if flush:
                writer.flush()


class _clear_errors:
    """Turns what the file system says into a UserError."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        if isinstance(error, (OSError, tf.errors.OpError)):
            reason = getattr(error, "strerror", "") or getattr(
                error, "message", error
            )
            raise UserError(
                f"Cannot write TensorBoard logs into {self.folder}: {reason}.",
                "Make room there, or set monitoring.tensorboard=false.",
            ) from None


def _spread(size: int, number: int) -> list[int]:
    """At most `number` indices below `size`, at equal distances.

    >>> _spread(10, 4), _spread(2, 4), _spread(5, 0)
    ([0, 2, 5, 7], [0, 1], [])
    """
    number = min(number, size)
    return [index * size // number for index in range(number)]


def _table(titles: Sequence[str], rows: Sequence[tuple[str, str, str]]) -> str:
    """Makes a Markdown table."""
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join(
        "| " + " | ".join(_cell(text) for text in line) + " |" for line in lines
    )


def _cell(text: str) -> str:
    text = " ".join(text.split()).replace("\\", "\\\\")
    for mark in "|*_`<[":
        text = text.replace(mark, "\\" + mark)
    return text
