"""The mean of the weights after each of the last epochs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np

from pipelines.errors import UserError
from pipelines.files import DAMAGED
from pipelines.run import BEST
from pipelines.training.checkpoints import Progress, save_inference_model

FOLDER = "epochs"


class LastEpochs:
    """Keeps the models of the last epochs in `epochs/`, and averages them.

    As Vaswani et al. (2017), section 6.1, averaged their last checkpoints.
    Where the optimizer keeps a moving average, that is what is kept.

    Args:
        folder: the run folder.
        number: how many epochs; 0 keeps none.

    Example:

    >>> LastEpochs(Path("runs/none"), 0).paths()
    []
    """

    def __init__(self, folder: Path, number: int) -> None:
        self.run_folder = folder
        self.folder = folder / FOLDER
        self.number = number

    def add(self, model: Any, epoch: int) -> None:
        """Keeps the model as it is after an epoch, counted from 0."""
        if not self.number:
            return
        try:
            self.folder.mkdir(exist_ok=True)
        except OSError as error:
            raise UserError(
                f"Cannot make {self.folder}: {error.strerror or error}.",
                "Make room, or set training.average_last=0.",
            ) from None
        self.forget(epoch)
        save_inference_model(model, self.folder / _name(epoch))
        for path in self.paths()[: -self.number]:
            path.unlink(missing_ok=True)

    def forget(self, first: int = 0) -> None:
        """Deletes the models of an epoch, counted from 0, and later ones.

        They are of a training that has been begun again, at random weights or
        from an earlier checkpoint.
        """
        for path in self.paths():
            if path.name >= _name(first):
                path.unlink(missing_ok=True)

    def paths(self) -> list[Path]:
        """The models that are kept, the oldest first."""
        return sorted(self.folder.glob("[0-9]*.keras"))

    def weights(self) -> list[np.ndarray]:
        """The mean of their weights, each in float32.

        Raises:
            UserError: if one of them is damaged.
        """
        paths = self.paths()
        sums: list[np.ndarray] = []
        for path in paths:
            try:
                one = keras.saving.load_model(path, compile=False)
            except DAMAGED:
                raise UserError(
                    f"Cannot read {path}: it is damaged.",
                    "Delete it: the other epochs are averaged then.",
                ) from None
            weights = [w.astype(np.float64) for w in one.get_weights()]
            sums = (
                [a + b for a, b in zip(sums, weights, strict=True)]
                if sums
                else weights
            )
        return [(one / len(paths)).astype(np.float32) for one in sums]

    def finish(self, model: Any, validation: Any, progress: Progress) -> str:
        """Writes the mean as the best model, if it is better in validation.

        Args:
            model: the compiled model, whose weights are left as they are.
            validation: dataset to validate on.
            progress: its `mean_perplexity` is kept up to date.

        Returns:
            A sentence for the user; "" if there is nothing to average.
        """
        if not self.number or progress.averaged:
            return ""
        progress.averaged = True
        number = len(self.paths())
        if number < 2:
            return ""
        mean = self.weights()
        trained = model.get_weights()
        try:
            model.set_weights(mean)
            logs = model.evaluate(validation, verbose=0, return_dict=True)
            perplexity = float(logs["perplexity"])
            better = perplexity < min(
                progress.best_perplexity, progress.mean_perplexity
            )
            if better:
                save_inference_model(
                    model, self.run_folder / BEST, moving_average=False
                )
                progress.mean_perplexity = perplexity
        finally:
            model.set_weights(trained)
        said = "better, so it is the best model now" if better else "not better"
        return (
            f"The mean of the last {number} epochs' weights has a validation "
            f"perplexity of {perplexity:.2f}: {said}."
        )


def _name(epoch: int) -> str:
    return f"{epoch + 1:05d}.keras"
