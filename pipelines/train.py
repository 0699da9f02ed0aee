"""Training a run: from a recipe to a run folder."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
from rich.console import Console

from pipelines import recipe as recipes
from pipelines import run as runs
from pipelines import task as tasks
from pipelines.data.batches import EpochBatches
from pipelines.errors import UserError
from pipelines.files import partial_name
from pipelines.recipe import Recipe
from pipelines.run import BEST, LAST, MARK, Run
from pipelines.training.checkpoints import Progress, load_training
from pipelines.training.last_epochs import LastEpochs
from pipelines.training.loop import fit
from pipelines.training.run_lock import LOCK, alone_in
from pipelines.training.schedules import WarmupSchedule

# Keys that may change when a training is resumed.
FREE = ("name", "training.max_minutes", "training.save_every_steps")
FREE_SECTIONS = ("search.", "monitoring.")

# What becomes of the best model where a training is begun again.
EARLIER = "best.earlier.keras"


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
    if recipe.training.deterministic:
        tf.config.experimental.enable_op_determinism()
    earlier = _find_earlier(folder, recipe)
    corpus = task.read(recipe, "train")
    validation_corpus = task.read(recipe, "validation")
    for part in (corpus, validation_corpus):
        console.print(part.report(), highlight=False, soft_wrap=True)
    if earlier is None:
        tokenizers = task.train_tokenizers(recipe, corpus)
        runs.make_folder(folder)
    else:
        tokenizers = runs.load_tokenizers(folder)
    with alone_in(folder):
        if earlier is None:
            _check_untrained(folder)
            runs.create(folder, recipe, *tokenizers)
        elif said := runs.update_recipe(folder, earlier, recipe):
            console.print(said, highlight=False, soft_wrap=True)
        _train_in(
            folder,
            recipe,
            (corpus, validation_corpus),
            tokenizers,
            console,
            extra_callbacks or [],
        )
    return runs.load(folder)


def _train_in(
    folder: Path,
    recipe: Recipe,
    corpora: tuple[Any, Any],
    tokenizers: tuple[Any, Any],
    console: Console,
    extra_callbacks: list[Any],
) -> None:
    """Trains in a folder that has its recipe and its vocabularies."""
    say = functools.partial(console.print, highlight=False, soft_wrap=True)
    corpus, validation_corpus = corpora
    task = tasks.get(recipe.task)
    train_batches = task.batches(recipe, corpus, *tokenizers)
    validation = task.batches(
        recipe, validation_corpus, *tokenizers, train_batches
    )
    say(train_batches.report())
    if validation.num_dropped:
        say(
            f"{validation.name}: {validation.num_dropped:,} of "
            f"{validation.num_dropped + validation.num_pairs:,} pairs are too "
            "long and have no part in the validation perplexity."
        )

    if (folder / LAST).exists():
        model, progress = load_training(folder / LAST)
        if progress.run != _identity(folder, recipe):
            raise UserError(
                f"{folder / LAST} is the checkpoint of another training, or "
                "of another version.",
                "Put back the one that belongs here, delete it to train on "
                "from random weights, or train in a new folder.",
            )
        _reopen(progress, recipe)
        say(_standing(progress, recipe))
        said = _compare_data(progress, train_batches)
        if said and not progress.finished:
            say(said)
    else:
        said = _put_aside(folder)
        if said:
            say(said)
        # Again: the first weights are the same whether the tokenizers were
        # trained just now, or by a training that was killed early.
        keras.utils.set_random_seed(recipe.training.seed)
        model = _build(recipe, tokenizers)
        progress = Progress(run=_identity(folder, recipe))
        _compare_data(progress, train_batches)
        LastEpochs(folder, recipe.training.average_last).forget()
        _compile(model, recipe, train_batches)
    if not progress.finished or (
        recipe.training.average_last and not progress.averaged
    ):
        fit(
            model,
            recipe,
            folder,
            (train_batches, validation, validation_corpus),
            progress,
            tokenizers,
            console,
            extra_callbacks,
        )
    say(
        f"Training ended: {progress.finished}, after "
        f"{progress.seconds / 60:.1f} minutes.{_best(progress)} The run is in "
        f"{folder}."
    )


def _best(progress: Progress) -> str:
    """Says which model is the best one."""
    if progress.mean_perplexity < progress.best_perplexity:
        return (
            f" Best validation perplexity {progress.mean_perplexity:.2f}, of "
            "the mean of the last epochs' weights."
        )
    if progress.best_epoch < 0:
        return ""
    return (
        f" Best validation perplexity {progress.best_perplexity:.2f}, in "
        f"epoch {progress.best_epoch + 1}."
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
    rate = settings.learning_rate  # A plateau sets it from batch to batch.
    if settings.schedule != "plateau":
        rate = WarmupSchedule(
            settings.schedule,
            settings.learning_rate,
            settings.warmup_steps,
            # Keras counts batches here, accumulated or not.
            settings.epochs * batches.num_batches,
        )
    model.compile(
        optimizer=keras.optimizers.Adam(
            rate,
            global_clipnorm=settings.clip_norm or None,
            use_ema=settings.average > 0,
            ema_momentum=settings.average,
            gradient_accumulation_steps=settings.accumulate
            if settings.accumulate > 1
            else None,
        ),
        loss=task.loss(recipe),
        weighted_metrics=task.metrics(),
        # XLA has not all operations in a deterministic form.
        jit_compile=settings.jit_compile and not settings.deterministic,
    )


def _find_earlier(folder: Path, recipe: Recipe) -> Recipe | None:
    """Returns the recipe of the run that the folder holds, if it holds one.

    Raises:
        UserError: if the folder holds something else.
    """
    if folder.exists() and not folder.is_dir():
        raise UserError(
            f"{folder} is a file, not a folder.",
            "Give --run-dir the path of a new folder.",
        )
    if not folder.exists() or not any(folder.iterdir()):
        return None
    if not (folder / MARK).exists():
        made = {MARK, runs.RECIPE, runs.SOURCE_MODEL, runs.TARGET_MODEL}
        known = {LOCK, runs.TENSORBOARD, *made, *map(partial_name, made)}
        if {path.name for path in folder.iterdir()} <= known:
            return None  # A run that was killed while it was being made.
        raise UserError(
            f"{folder} is not empty and not a run folder.",
            "Give --run-dir the path of a new folder.",
        )
    runs.check(folder)
    if not _is_trained(folder):
        return None  # It could not start, perhaps, for its data or its recipe.
    other = recipes.load_recipe(folder / runs.RECIPE)
    differing = [
        key for key in recipes.diff(other, recipe) if not _is_free(key)
    ]
    if differing:
        raise UserError(
            f"{folder} holds a run of another recipe; it differs in "
            f"{', '.join(differing)}.",
            "Train in a new folder, or go on with the recipe that is in it: "
            f"keras-attention train {folder / runs.RECIPE} --run-dir "
            f"{folder}.",
        )
    return other


def _is_free(key: str) -> bool:
    return key in FREE or key.startswith(FREE_SECTIONS)


def _identity(folder: Path, recipe: Recipe) -> str:
    """What tells a training from others: its recipe and its vocabularies.

    Keys that are as by default do not count, so that later versions may have
    more of them.
    """
    digest = hashlib.sha256()
    for key in recipes.diff(Recipe(), recipe):
        if not _is_free(key):
            digest.update(f"{key}={recipes.value(recipe, key)!r}\n".encode())
    for name in (runs.SOURCE_MODEL, runs.TARGET_MODEL):
        digest.update((folder / name).read_bytes())
    return digest.hexdigest()


def _is_trained(folder: Path) -> bool:
    return any((folder / name).exists() for name in (LAST, BEST))


def _check_untrained(folder: Path) -> None:
    """Raises a UserError if a folder was trained in since it was looked at."""
    if _is_trained(folder):
        raise UserError(
            f"Another training has been at work in {folder} meanwhile.",
            "Go on with it by its own recipe, or choose another run folder.",
        )


def _reopen(progress: Progress, recipe: Recipe) -> None:
    """Lets a training that ended for lack of time go on with more of it."""
    limit = recipe.training.max_minutes
    if "minutes" in progress.finished and (
        not limit or progress.seconds < 60 * limit
    ):
        progress.finished, progress.averaged = "", False


def _put_aside(folder: Path) -> str:
    """Keeps the best model of a training that is begun again."""
    best = folder / BEST
    if not best.exists():
        return ""
    kept = best.with_name(EARLIER)
    best.replace(kept)
    return (
        f"There is no {LAST} to go on from: this training begins anew. The "
        f"best model of the one before is kept as {kept}."
    )


def _compare_data(progress: Progress, batches: EpochBatches) -> str:
    """Notes how much there is to train on, and says what has changed."""
    before = progress.num_pairs, progress.num_batches
    now = batches.num_pairs, batches.num_batches
    progress.num_pairs, progress.num_batches = now
    if before == now or not all(before):
        return ""
    pairs, size = before
    return (
        f"The training data have changed: {pairs:,} pairs in {size:,} batches "
        "before. The training goes on with other batches than it would have "
        "had, vocabularies and the course of the learning rate stay."
    )


def _standing(progress: Progress, recipe: Recipe) -> str:
    if progress.finished:
        return f"This run is trained already: {progress.finished}."
    return (
        f"Resuming in epoch {progress.epoch + 1} of "
        f"{recipe.training.epochs}, after batch {progress.batch}."
    )
