"""Training a run: from a recipe to a run folder."""

from __future__ import annotations

import functools
import signal
import threading
from pathlib import Path
from typing import Any

import keras
from rich.console import Console

from pipelines import recipe as recipes
from pipelines import run as runs
from pipelines import task as tasks
from pipelines.averaging import ValidateAverages, averaged
from pipelines.batches import EpochBatches
from pipelines.checkpoints import (
    Checkpoints,
    Progress,
    load_training,
    save_inference_model,
    save_training,
)
from pipelines.errors import UserError
from pipelines.progress import ProgressDisplay
from pipelines.recipe import Recipe
from pipelines.run import BEST, LAST, MARK, Run
from pipelines.schedules import WarmupSchedule
from pipelines.search_options import SearchOptions
from pipelines.translation import Translation

# Keys that may change when a training is resumed.
FREE = ("name", "training.max_minutes", "training.save_every_steps")
FREE_SECTIONS = ("search.", "monitoring.")


def train(
    recipe: Recipe,
    run_dir: str | Path,
    console: Console | None = None,
    extra_callbacks: list[Any] | None = None,
) -> Run:
    """Trains a recipe in a run folder, or goes on with what is there.

    Args:
        recipe: what to train.
        run_dir: the run folder: new, empty, or one of the same recipe.
        console: where progress is shown; None for standard error.
        extra_callbacks: further Keras callbacks.

    Returns:
        The `Run` with the best model. After Ctrl-C too: the last model is
        saved, and `KeyboardInterrupt` goes on to the caller.

    Raises:
        UserError: if the data, the recipe or the folder is not right.
    """
    console = console or Console(stderr=True)
    folder = Path(run_dir)
    task = tasks.get(recipe.task)
    keras.utils.set_random_seed(recipe.training.seed)
    resuming = _check_folder(folder, recipe)
    corpus = task.read(recipe, "train")
    validation_corpus = task.read(recipe, "validation")
    for part in (corpus, validation_corpus):
        console.print(part.report(), highlight=False, soft_wrap=True)
    if resuming:
        tokenizers = runs.load_tokenizers(folder)
    else:
        tokenizers = task.train_tokenizers(recipe, corpus)
        runs.create(folder, recipe, *tokenizers)
    train_batches = task.batches(recipe, corpus, *tokenizers)
    validation = task.batches(
        recipe, validation_corpus, *tokenizers, train_batches
    )
    console.print(train_batches.report(), highlight=False, soft_wrap=True)

    if (folder / LAST).exists():
        model, progress = load_training(folder / LAST)
        _reopen(progress, recipe)
        console.print(
            _standing(progress, recipe), highlight=False, soft_wrap=True
        )
    else:
        model, progress = _build(recipe, tokenizers), Progress()
        _compile(model, recipe, train_batches)
    if not progress.finished:
        _fit(
            model,
            recipe,
            folder,
            (train_batches, validation, validation_corpus),
            progress,
            tokenizers,
            console,
            extra_callbacks or [],
        )
    console.print(
        f"Training ended: {progress.finished}. Best validation loss "
        f"{progress.best:.3f} nats a token, in epoch "
        f"{progress.best_epoch + 1}, after {progress.seconds / 60:.1f} "
        f"minutes. The run is in {folder}.",
        highlight=False,
        soft_wrap=True,
    )
    return runs.load(folder)


def _fit(
    model: Any,
    recipe: Recipe,
    folder: Path,
    data: tuple[EpochBatches, EpochBatches, Any],
    progress: Progress,
    tokenizers: tuple[Any, Any],
    console: Console,
    extra_callbacks: list[Any],
) -> None:
    batches, validation, validation_corpus = data
    settings = recipe.training
    checkpoints = Checkpoints(
        folder,
        progress,
        save_every_steps=settings.save_every_steps,
        patience=settings.patience,
        max_minutes=settings.max_minutes,
    )
    averages = ValidateAverages()
    callbacks = [
        averages,
        checkpoints,
        ProgressDisplay(batches, settings.epochs, console),
        *extra_callbacks,
    ]
    if recipe.monitoring.tensorboard:
        from pipelines import scoring
        from pipelines.monitoring import Monitor

        live = Run(folder, recipe, model, *tokenizers)
        greedy = SearchOptions(beam_size=1)

        def translate(texts: list[str]) -> list[Translation]:
            with averaged(model):
                return live.translate(texts, greedy)

        def score(sources: Any, targets: Any) -> list[Translation]:
            with averaged(model):
                return scoring.score(live, sources, targets)

        callbacks.append(
            Monitor(
                folder / "tensorboard",
                translate,
                validation_corpus,
                recipe,
                score=score,
                tokenizers=tokenizers,
                num_target_tokens=batches.num_target_tokens,
                num_batches=batches.num_batches,
                say=functools.partial(
                    console.print, highlight=False, soft_wrap=True
                ),
            )
        )
    with _Interruptible() as interrupted:
        try:
            while progress.epoch < settings.epochs and not progress.finished:
                _fit_from(
                    model, batches, validation, progress, settings, callbacks
                )
        except KeyboardInterrupt:
            interrupted.seen = True
            averages.restore()
        if not progress.finished and progress.epoch >= settings.epochs:
            progress.finished = f"all {settings.epochs} epochs are done"
        if progress.best_epoch < 0:
            # Ended within the first epoch: a usable model all the same.
            save_inference_model(model, folder / BEST)
        save_training(model, progress, folder / LAST)
    if interrupted.seen:
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


def _build(recipe: Recipe, tokenizers: tuple[Any, Any]) -> Any:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(recipe.training.precision)
    try:
        return tasks.get(recipe.task).build_model(recipe, *tokenizers)
    finally:
        keras.config.set_dtype_policy(before)


def _compile(model: Any, recipe: Recipe, batches: EpochBatches) -> None:
    settings = recipe.training
    task = tasks.get(recipe.task)
    model.compile(
        optimizer=keras.optimizers.Adam(
            WarmupSchedule(
                settings.schedule,
                settings.learning_rate,
                settings.warmup_steps,
                settings.epochs * batches.num_batches // settings.accumulate,
            ),
            global_clipnorm=settings.clip_norm or None,
            use_ema=settings.average > 0,
            ema_momentum=settings.average,
            gradient_accumulation_steps=settings.accumulate
            if settings.accumulate > 1
            else None,
        ),
        loss=task.loss(recipe),
        weighted_metrics=task.metrics(),
        jit_compile=settings.jit_compile,
    )


def _check_folder(folder: Path, recipe: Recipe) -> bool:
    """Returns whether the folder holds a run of this recipe to go on with."""
    if folder.exists() and not folder.is_dir():
        raise UserError(
            f"{folder} is a file, not a folder.",
            "Give --run-dir the path of a new folder.",
        )
    if not folder.exists() or not any(folder.iterdir()):
        return False
    if not (folder / MARK).exists():
        known = {runs.RECIPE, runs.SOURCE_MODEL, runs.TARGET_MODEL}
        if {path.name for path in folder.iterdir()} <= known:
            return False  # A run that was killed while it was being made.
        raise UserError(
            f"{folder} is not empty and not a run folder.",
            "Give --run-dir the path of a new folder.",
        )
    runs.check(folder)
    other = recipes.load_recipe(folder / runs.RECIPE)
    differing = [
        key
        for key in recipes.diff(other, recipe)
        if key not in FREE and not key.startswith(FREE_SECTIONS)
    ]
    if differing:
        raise UserError(
            f"{folder} holds a run of another recipe; it differs in "
            f"{', '.join(differing)}.",
            "Train in a new folder, or go on with the recipe that is in it: "
            f"keras-attention train {folder / runs.RECIPE} --run-dir "
            f"{folder}.",
        )
    return True


def _reopen(progress: Progress, recipe: Recipe) -> None:
    """Lets a training that ended for lack of time go on with more of it."""
    limit = recipe.training.max_minutes
    if "minutes" in progress.finished and (
        not limit or progress.seconds < 60 * limit
    ):
        progress.finished = ""


def _standing(progress: Progress, recipe: Recipe) -> str:
    if progress.finished:
        return f"This run is trained already: {progress.finished}."
    return (
        f"Resuming in epoch {progress.epoch + 1} of "
        f"{recipe.training.epochs}, after batch {progress.batch}."
    )


class _Interruptible:
    """Makes SIGTERM end a training as Ctrl-C does; only in the main thread."""

    def __init__(self) -> None:
        self.seen = False

    def __enter__(self) -> _Interruptible:
        self._before = None
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(
                signal.SIGTERM, signal.default_int_handler
            )
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGTERM, self._before)
