"""The files that a training keeps: its last state, and its best model."""

from __future__ import annotations

import contextlib
import io
import json
import os
import weakref
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from pipelines.errors import UserError
from pipelines.files import DAMAGED
from pipelines.run import BEST
from pipelines.training.averaging import averaged

PROGRESS = "training_progress.json"
RANDOM_STATES = "random_states.npz"
# Models without optimizer, by the ones in training. TensorFlow gives back not
# all the memory of a model that is made and thrown away after each epoch.
_COPIES: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()
MIXED = ("mixed_float16", "mixed_bfloat16")


@dataclass
class Progress:
    """How far a training has come.

    Attributes:
        epoch: number of the current epoch, from 0.
        batch: batches of it that are done.
        best_perplexity: lowest of the validation after an epoch so far.
        best_epoch: the epoch that had it, or -1.
        mean_perplexity: that of the mean of the last epochs' weights, while
            it is the best model; else infinite.
        seconds: time spent training, resumed or not.
        finished: why it ended, or "" if it has not.
        rate_scale: what a plateau has left of the learning rate, a share.
        last_fall: the last epoch after which that share fell, or -1.
        averaged: whether the last epochs' weights have been averaged.
        num_pairs, num_batches: of the training data, in an epoch.
        run: what tells this training from others.
    """

    epoch: int = 0
    batch: int = 0
    best_perplexity: float = float("inf")
    best_epoch: int = -1
    mean_perplexity: float = float("inf")
    seconds: float = 0.0
    finished: str = ""
    rate_scale: float = 1.0
    last_fall: int = -1
    averaged: bool = False
    num_pairs: int = 0
    num_batches: int = 0
    run: str = ""


def save_training(model: Any, progress: Progress, path: Path) -> None:
    """Writes all that a training needs to go on, in one file.

    The compiled model with its optimizer, the progress, and the states of
    the model's random numbers, which Keras leaves out: without them dropout
    would go another way after a resumption.

    Raises:
        UserError: if it cannot be written, or if a weight is not a number:
            what was there before is worth more.
    """
    name = not_a_number(model)
    if name:
        raise UserError(
            f"The weights `{name}` are not finite any more, so {path} is left "
            "as it was.",
            "Lower training.learning_rate or training.clip_norm and train in "
            "a new folder.",
        )
    states = io.BytesIO()
    np.savez(states, *map(keras.ops.convert_to_numpy, _random_states(model)))

    def write(temporary: Path) -> None:
        model.save(temporary)
        with zipfile.ZipFile(temporary, "a") as archive:
            archive.writestr(RANDOM_STATES, states.getvalue())
            archive.writestr(PROGRESS, json.dumps(asdict(progress)))

    _replace(path, write)


def load_training(path: Path) -> tuple[Any, Progress]:
    """Reads what `save_training` wrote.

    Raises:
        UserError: if the file is damaged or something else.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            progress = Progress(**json.loads(archive.read(PROGRESS)))
            model = keras.saving.load_model(path)
            # An earlier version wrote none.
            if RANDOM_STATES in archive.namelist():
                with np.load(io.BytesIO(archive.read(RANDOM_STATES))) as saved:
                    for state, name in zip(
                        _random_states(model), saved.files, strict=True
                    ):
                        state.assign(saved[name])
        return model, progress
    except DAMAGED:
        raise UserError(
            f"Cannot resume from {path}: it is damaged or from another "
            "version.",
            f"Delete it to train on from random weights, or train in a new "
            f"folder; {path.with_name(BEST)} is kept.",
        ) from None


def not_a_number(model: Any) -> str:
    """Names a weight that is NaN or infinite, of model or optimizer.

    Args:
        model: a compiled model.

    Returns:
        The path of the first such variable, or "".

    Example:

    >>> model = keras.Sequential([keras.layers.Dense(1, name="last")])
    >>> model.compile("sgd", "mse")
    >>> model.build((1, 1))
    >>> not_a_number(model)
    ''
    """
    for variable in (*model.weights, *model.optimizer.variables):
        array = keras.ops.convert_to_numpy(variable)
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            return str(variable.path)
    return ""


def _random_states(model: Any) -> list[Any]:
    """The variables that are state, but no weights: Keras saves those only."""
    weights = {id(variable) for variable in model.weights}
    return [one for one in model.variables if id(one) not in weights]


def save_inference_model(
    model: Any, path: Path, *, moving_average: bool = True
) -> None:
    """Writes a model without its optimizer, wholly or not at all.

    In float32, whatever it was trained in.

    Args:
        model: a compiled model.
        path: where to.
        moving_average: take the averaged weights, where the optimizer keeps
            them.
    """
    bare = _COPIES.get(model)
    if bare is None:
        bare = type(model).from_config(_in_float32(model.get_config()))
        ids = keras.ops.ones((1, 2), dtype="int32")
        bare({"source": ids, "target": ids})
        _COPIES[model] = bare
    with averaged(model) if moving_average else contextlib.nullcontext():
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
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())  # On the disk, if the power fails.
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
