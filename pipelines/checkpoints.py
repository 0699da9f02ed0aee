"""Keeping the best and the last model of a training, whatever happens."""

from __future__ import annotations

import json
import math
import os
import time
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras

from pipelines.averaging import averaged
from pipelines.errors import UserError
from pipelines.run import BEST, LAST

PROGRESS = "training_progress.json"
MIXED = ("mixed_float16", "mixed_bfloat16")


@dataclass
class Progress:
    """How far a training has come.

    Attributes:
        epoch: number of the current epoch, from 0.
        batch: batches of it that are done.
        best: lowest validation loss so far, in nats a token.
        best_epoch: the epoch that had it, or -1.
        seconds: time spent training, resumed or not.
        finished: why it ended, or "" if it has not.
    """

    epoch: int = 0
    batch: int = 0
    best: float = float("inf")
    best_epoch: int = -1
    seconds: float = 0.0
    finished: str = ""


class Checkpoints(keras.callbacks.Callback):
    """Saves the last model at intervals and the best after each epoch.

    `last.keras` holds weights, optimizer and progress, in one file that is
    replaced at once: killed at any moment, a training goes on from there.
    `best.keras` is the model alone. It also ends the training, when the
    validation loss no longer falls or the time is up.

    Args:
        folder: the run folder.
        progress: where the training stands; kept up to date.
        save_every_steps: batches between two `last.keras`; 0: after epochs.
        patience: epochs without a better loss before it ends; 0: never.
        max_minutes: the most time to train, in minutes; 0: no limit.
    """

    def __init__(
        self,
        folder: Path,
        progress: Progress,
        *,
        save_every_steps: int,
        patience: int,
        max_minutes: float,
    ) -> None:
        super().__init__()
        self.folder = folder
        self.progress = progress
        self.save_every_steps = save_every_steps
        self.patience = patience
        self.max_minutes = max_minutes
        self._clock = time.monotonic()

    def on_train_begin(self, logs: Any = None) -> None:
        self._clock = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if not math.isfinite((logs or {}).get("loss", 0.0)):
            raise UserError(
                f"The loss is not a number any more, in epoch "
                f"{self.progress.epoch + 1}, batch {self.progress.batch + 1}.",
                "Lower training.learning_rate or training.clip_norm and train "
                f"in a new folder; the best model so far is in {self.folder}.",
            )
        self._tick()
        self.progress.batch += 1
        steps = self.save_every_steps
        if steps and self.progress.batch % steps == 0:
            self.save_last()
        if self.max_minutes and self.progress.seconds > 60 * self.max_minutes:
            self._end(f"the limit of {self.max_minutes:g} minutes was reached")

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._tick()
        loss = (logs or {}).get("val_loss")
        if loss is not None and loss < self.progress.best:
            self.progress.best = float(loss)
            self.progress.best_epoch = epoch
            save_inference_model(self.model, self.folder / BEST)
        waited = epoch - self.progress.best_epoch
        if self.patience and waited >= self.patience:
            self._end(f"no better validation loss for {waited} epochs")
        self.progress.epoch, self.progress.batch = epoch + 1, 0
        self.save_last()

    def save_last(self) -> None:
        """Writes `last.keras`, wholly or not at all."""
        save_training(self.model, self.progress, self.folder / LAST)

    def _tick(self) -> None:
        now = time.monotonic()
        self.progress.seconds += now - self._clock
        self._clock = now

    def _end(self, reason: str) -> None:
        self.progress.finished = self.progress.finished or reason
        self.model.stop_training = True


def save_training(model: Any, progress: Progress, path: Path) -> None:
    """Writes a compiled model, its optimizer and the progress to one file."""

    def write(temporary: Path) -> None:
        model.save(temporary)
        with zipfile.ZipFile(temporary, "a") as archive:
            archive.writestr(PROGRESS, json.dumps(asdict(progress)))

    _replace(path, write)


def load_training(path: Path) -> tuple[Any, Progress]:
    """Reads what `save_training` wrote.

    Raises:
        UserError: if the file is damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            progress = Progress(**json.loads(archive.read(PROGRESS)))
        return keras.saving.load_model(path), progress
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
        raise UserError(
            f"Cannot resume from {path}: it is damaged or from another "
            "version.",
            f"Delete it to train on from random weights, or train in a new "
            f"folder; {path.with_name(BEST)} stays usable.",
        ) from None


def save_inference_model(model: Any, path: Path) -> None:
    """Writes a model without its optimizer, wholly or not at all.

    With averaged weights, where the optimizer keeps them, and in float32,
    whatever it was trained in.
    """
    bare = type(model).from_config(_in_float32(model.get_config()))
    ids = keras.ops.ones((1, 2), dtype="int32")
    bare({"source": ids, "target": ids})
    with averaged(model):
        bare.set_weights(model.get_weights())
    _replace(path, bare.save)


def _in_float32(config: Any) -> Any:
    """Returns a configuration without mixed precision."""
    if isinstance(config, dict):
        return {name: _in_float32(value) for name, value in config.items()}
    if isinstance(config, (list, tuple)):
        return type(config)(_in_float32(value) for value in config)
    return "float32" if config in MIXED else config


def _replace(path: Path, write: Any) -> None:
    # Keras goes by the ending, so the temporary name keeps it. One name, so
    # that what a killed process left is written over.
    temporary = path.with_name(f".writing.{path.name}")
    try:
        write(temporary)
        os.replace(temporary, path)
    except (OSError, RuntimeError) as error:
        # HDF5 has its own words for a full disk.
        reason = getattr(error, "strerror", None) or str(error)
        raise UserError(
            f"Cannot write {path}: {reason.splitlines()[0]}.",
            "Make room or choose a folder that can be written to; train "
            "again to go on from the last checkpoint.",
        ) from None
    finally:
        temporary.unlink(missing_ok=True)
