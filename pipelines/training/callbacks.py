"""What watches over a training: checkpoints, its end, its learning rate."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras

from pipelines.errors import UserError
from pipelines.recipe_sections import TrainingRecipe
from pipelines.run import BEST, LAST
from pipelines.training.checkpoints import (
    Progress,
    not_a_number,
    save_inference_model,
    save_training,
)
from pipelines.training.last_epochs import LastEpochs


class Checkpoints(keras.callbacks.Callback):
    """Saves the last model at intervals and the best after each epoch.

    `last.keras` holds weights, optimizer, random states and progress, in one
    file that is replaced at once: killed at any moment, a training goes on
    from there. `best.keras` is the model alone. It also ends the training,
    when the perplexity of the validation pairs no longer falls, the time is
    up, or the loss is not a number.

    Args:
        folder: the run folder.
        progress: where the training stands; kept up to date.
        settings: of the recipe.
        batches: the training data, an `EpochBatches`.
        interrupted: called after each batch; raises `KeyboardInterrupt` to
            end the training there.
    """

    def __init__(
        self,
        folder: Path,
        progress: Progress,
        settings: TrainingRecipe,
        batches: Any,
        interrupted: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__()
        self.folder = folder
        self.progress = progress
        self.settings = settings
        self.batches = batches
        self.interrupted = interrupted
        self.last_epochs = LastEpochs(folder, settings.average_last)
        self._clock = time.monotonic()

    def on_train_begin(self, logs: Any = None) -> None:
        self._clock = time.monotonic()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.interrupted()

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        self.interrupted()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        loss = (logs or {}).get("loss", 0.0)
        if not math.isfinite(loss):
            raise UserError(*self._lost(f"The loss is {loss}"))
        self._tick()
        progress, settings = self.progress, self.settings
        steps = settings.save_every_steps
        saves = steps and (progress.batch + 1) % steps == 0
        if saves or progress.batch + 1 == self.batches.num_batches:
            name = not_a_number(self.model)
            if name:
                raise UserError(
                    *self._lost(f"The weights `{name}` are not finite")
                )
        progress.batch += 1
        if saves:
            self.save_last()
        limit = settings.max_minutes
        if limit and progress.seconds > 60 * limit:
            self._end(f"the limit of {limit:g} minutes was reached")
        self.interrupted()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._tick()
        progress, settings = self.progress, self.settings
        # Not the loss: that is a mean of batches, whatever is in them.
        perplexity = (logs or {}).get("val_perplexity")
        if perplexity is not None and perplexity < progress.best_perplexity:
            progress.best_perplexity = float(perplexity)
            progress.best_epoch = epoch
            # A mean that was made when the time was up may be better still.
            if perplexity < progress.mean_perplexity:
                save_inference_model(self.model, self.folder / BEST)
                progress.mean_perplexity = math.inf
        # An epoch that was stopped in its middle is not done: with more time
        # the training goes on with its other batches.
        if progress.batch >= self.batches.num_batches:
            self.last_epochs.add(self.model, epoch)
            waited = epoch - progress.best_epoch
            if settings.patience and waited >= settings.patience:
                self._end(
                    f"no better validation perplexity for {waited} epochs"
                )
            if settings.schedule == "plateau":
                lower_after_plateau(progress, epoch, settings)
            progress.epoch, progress.batch = epoch + 1, 0
        self.save_last()

    def save_last(self) -> None:
        """Writes `last.keras`, wholly or not at all."""
        save_training(self.model, self.progress, self.folder / LAST)

    def _lost(self, what: str) -> tuple[str, str]:
        """What to say of a batch that spoiled the model, and what to do."""
        epoch, batch = self.progress.epoch, self.progress.batch
        step = epoch * self.batches.num_batches + batch + 1
        text = f"{what} at step {step} (epoch {epoch + 1}, batch {batch + 1})"
        lines = self.batches.lines(epoch, batch)
        if lines:
            text += (
                f", with lines {_listed(lines)} of the training data "
                f"({self.batches.name})"
            )
            # A step is made of several batches where gradients accumulate.
            first = max(batch - self.settings.accumulate, 0)
            before = [
                line
                for number in range(first, batch)
                for line in self.batches.lines(epoch, number)
            ]
            if before:
                text += (
                    "; the step before, which may have broken the weights, "
                    f"had lines {_listed(sorted(before))}"
                )
        last = self.folder / LAST
        kept = (
            f"The last good checkpoint, {last}, is as it was"
            if last.exists()
            else "There is no checkpoint yet"
        )
        return (
            f"{text}. {kept}.",
            ("Look at these lines, or lower " if lines else "Lower ")
            + "training.learning_rate or training.clip_norm and train in a "
            "new folder.",
        )

    def _tick(self) -> None:
        now = time.monotonic()
        self.progress.seconds += now - self._clock
        self._clock = now

    def _end(self, reason: str) -> None:
        self.progress.finished = self.progress.finished or reason
        self.model.stop_training = True


class PlateauRate(keras.callbacks.Callback):
    """Sets the learning rate of the schedule "plateau", batch by batch.

    It depends on nothing but the progress, which is in the checkpoint.

    Args:
        progress: where the training stands.
        settings: of the recipe.
        num_batches: batches of an epoch.
    """

    def __init__(
        self, progress: Progress, settings: TrainingRecipe, num_batches: int
    ) -> None:
        super().__init__()
        self.progress = progress
        self.settings = settings
        self.num_batches = num_batches
        self._rate = 0.0

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        settings, progress = self.settings, self.progress
        batches = progress.epoch * self.num_batches + progress.batch + 1
        warmup = min(1.0, batches / max(settings.warmup_steps, 1))
        rate = settings.learning_rate * progress.rate_scale * warmup
        if rate != self._rate:
            self.model.optimizer.learning_rate = self._rate = rate


def lower_after_plateau(
    progress: Progress, epoch: int, settings: TrainingRecipe
) -> None:
    """Lowers the learning rate's share, if validation gets no better.

    Args:
        progress: where the training stands; changed.
        epoch: the epoch that is done.
        settings: `plateau_epochs` epochs without a better perplexity of the
            validation pairs, and without a fall of the rate, multiply it by
            `plateau_factor`.

    Example:

    >>> progress = Progress(best_epoch=3)
    >>> settings = TrainingRecipe(plateau_epochs=2, plateau_factor=0.5)
    >>> for epoch in (4, 5, 6, 7):
    ...     lower_after_plateau(progress, epoch, settings)
    ...     print(progress.rate_scale)
    1.0
    0.5
    0.5
    0.25
    """
    since = max(progress.best_epoch, progress.last_fall)
    if epoch - since >= settings.plateau_epochs:
        progress.rate_scale *= settings.plateau_factor
        progress.last_fall = epoch


def _listed(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers))
