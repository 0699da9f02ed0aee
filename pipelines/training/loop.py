"""The epochs of a training, from where it stands to its end."""

from __future__ import annotations

import functools
import signal
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import keras
import tensorflow as tf
from rich.console import Console

from pipelines.data.batches import EpochBatches
from pipelines.recipe import Recipe
from pipelines.run import BEST, LAST, TENSORBOARD, Run
from pipelines.search_options import SearchOptions
from pipelines.training.averaging import ValidateAverages, averaged
from pipelines.training.callbacks import Checkpoints, PlateauRate
from pipelines.training.checkpoints import (
    Progress,
    save_inference_model,
    save_training,
)
from pipelines.training.progress import ProgressDisplay
from pipelines.translation import Translation


def fit(
    model: Any,
    recipe: Recipe,
    folder: Path,
    data: tuple[EpochBatches, EpochBatches, Any],
    progress: Progress,
    tokenizers: tuple[Any, Any],
    console: Console,
    extra_callbacks: list[Any],
) -> None:
    """Trains a compiled model on, and keeps what it becomes.

    Args:
        model: the model, as the progress says.
        recipe: what is trained.
        folder: the run folder.
        data: batches to train on, batches to validate on, and the corpus of
            the latter.
        progress: where the training stands; kept up to date.
        tokenizers: of source and target.
        console: where progress is shown.
        extra_callbacks: further Keras callbacks, called last.

    Raises:
        KeyboardInterrupt: after Ctrl-C or SIGTERM; the last model is saved.
        UserError: if the loss is not a number any more, or a file cannot be
            written.
    """
    batches, validation, _ = data
    settings = recipe.training
    averages = ValidateAverages()
    say = functools.partial(console.print, highlight=False, soft_wrap=True)
    with Interrupts(say) as interrupts:
        checkpoints = Checkpoints(
            folder, progress, settings, batches, interrupts.check
        )
        display = ProgressDisplay(batches, settings.epochs, console)
        callbacks = [averages, checkpoints, display]
        if settings.schedule == "plateau":
            callbacks.append(
                PlateauRate(progress, settings, batches.num_batches)
            )
        callbacks += extra_callbacks
        if recipe.monitoring.tensorboard:
            run = Run(folder, recipe, model, *tokenizers)
            callbacks.append(_monitor(run, data, progress, say))
        try:
            while progress.epoch < settings.epochs and not progress.finished:
                _fit_from(
                    model, batches, validation, progress, settings, callbacks
                )
                if model.stop_training and not progress.finished:
                    progress.finished = "a callback stopped it"
            if progress.epoch >= settings.epochs:
                progress.finished = (
                    progress.finished
                    or f"all {settings.epochs} epochs are done"
                )
            said = checkpoints.last_epochs.finish(
                model, validation.epoch(0), progress
            )
            if said:
                say(said)
        except KeyboardInterrupt:
            interrupts.seen = True
            averages.restore()
            if progress.batch:
                # The time was up, but the validation is yet to be done.
                progress.finished = ""
        except tf.errors.OpError:
            # What a generator of tf.data raises arrives as something else.
            if batches.failure is not None:
                raise batches.failure from None
            raise
        finally:
            display.stop()
        if progress.best_epoch < 0:
            # Ended within the first epoch: a usable model all the same.
            save_inference_model(model, folder / BEST)
        if not interrupts.at_once:
            save_training(model, progress, folder / LAST)
    if interrupts.seen:
        raise KeyboardInterrupt(
            f"Interrupted in epoch {progress.epoch + 1}. {folder} is usable "
            "as it is; the same command goes on with the training."
        )


def _fit_from(
    model: Any,
    batches: EpochBatches,
    validation: EpochBatches,
    progress: Progress,
    settings: Any,
    callbacks: list[Any],
) -> None:
    """Fits to the end of a begun epoch, or from there to the last."""
    first, skip = progress.epoch, progress.batch
    if skip >= batches.num_batches:
        _end_epoch(model, validation, first, callbacks)
        return
    last = first + 1 if skip else settings.epochs
    data = batches.all_epochs(first, last - first)
    model.fit(
        data.skip(skip) if skip else data,
        initial_epoch=first,
        epochs=last,
        steps_per_epoch=batches.num_batches - skip,
        validation_data=validation.epoch(0),
        callbacks=callbacks,
        shuffle=False,
        verbose=0,
    )


def _end_epoch(
    model: Any, validation: EpochBatches, epoch: int, callbacks: list[Any]
) -> None:
    """Does what is left of an epoch whose batches are done: validation."""
    listening = keras.callbacks.CallbackList(
        callbacks, model=model, epochs=epoch + 1, steps=0
    )
    listening.on_train_begin()
    listening.on_epoch_begin(epoch)
    logs = model.evaluate(
        validation.epoch(0), callbacks=listening, return_dict=True, verbose=0
    )
    listening.on_epoch_end(
        epoch, {f"val_{name}": value for name, value in logs.items()}
    )
    listening.on_train_end()


def _monitor(
    run: Run, data: tuple[Any, Any, Any], progress: Progress, say: Any
) -> Any:
    from pipelines.evaluation import scoring
    from pipelines.tensorboard.monitor import Monitor

    batches, _, validation_corpus = data
    num = batches.num_batches
    greedy = SearchOptions(beam_size=1)

    def translate(texts: list[str]) -> list[Translation]:
        with averaged(run.model):
            return run.translate(texts, greedy)

    def score(sources: Any, targets: Any) -> list[Translation]:
        with averaged(run.model):
            return scoring.score(run, sources, targets)

    return Monitor(
        run.folder / TENSORBOARD,
        translate,
        validation_corpus,
        run.recipe,
        score=score,
        tokenizers=(run.source_tokenizer, run.target_tokenizer),
        num_target_tokens=batches.num_target_tokens,
        num_batches=num,
        first_step=lambda: progress.epoch * num + progress.batch,
        say=say,
    )


class Interrupts:
    """Lets Ctrl-C and SIGTERM end a training between two batches.

    In the middle of a batch the weights may have made a step that the
    progress knows nothing of, and a resumption would make it again. Asked a
    second time it ends at once, and only what was saved before is kept.
    Signals reach the main thread only; elsewhere this does nothing.

    Args:
        say: called with a sentence for the user.

    Attributes:
        seen: whether the training was interrupted.
        at_once: whether that was asked for twice.
    """

    def __init__(self, say: Any) -> None:
        self.seen = False
        self.at_once = False
        self._say = say
        self._asked = False
        self._before: list[tuple[int, Any]] = []

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                before = signal.signal(number, self._handle)
                self._before.append((number, before))
        return self

    def __exit__(self, *_: object) -> None:
        for number, before in self._before:
            signal.signal(number, before)

    def check(self) -> None:
        """Raises `KeyboardInterrupt` if it was asked for."""
        if self._asked and not self.seen:
            raise KeyboardInterrupt

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._asked:
            self.at_once = True
            raise KeyboardInterrupt
        self._asked = True
        self._say("Ending after this batch; Ctrl-C again ends at once.")
