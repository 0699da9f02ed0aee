"""`TrainingCurves`: how any Keras training gets on, for TensorBoard."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from pipelines.tensorboard.gradients import GradientNorm
from pipelines.tensorboard.log import TRAIN, VALIDATION, EventLog
from pipelines.training.optimizers import inner_optimizer


class TrainingCurves(keras.callbacks.Callback):
    """Writes what `fit` knows; subclasses add a look at the model.

    Everything stands over the number of training steps, so a training that
    is resumed goes on where it was. In `train/`: every `every_steps` steps
    the mean loss of these steps (`loss_by_step`) and the norm of the last
    gradient (`gradient_norm`), and after each epoch its loss and metrics, the
    learning rate and the speed. In `validation/`: loss and metrics.

    Args:
        log_dir: Folder of the logs.
        num_target_tokens: Target tokens of an epoch, for
            `target_tokens_per_second`; 0 shows `steps_per_second`.
        num_batches: Training steps of an epoch. Only needed for the speed of
            an epoch that is resumed in its middle; None for as many as `fit`
            takes.
        every_steps: Steps between points of the loss.
        every_epochs: Epochs between looks.
        first_step: Says how many batches are done when `fit` begins; None
            goes on from the `fit` before, or reckons from the optimizer's
            updates, which are fewer where it accumulates gradients or leaves
            updates out.
        say: Called if the logs can no longer be written; None warns.

    Raises:
        UserError: When the training begins, if the logs cannot be written.
    """

    def __init__(
        self,
        log_dir: str | Path,
        *,
        num_target_tokens: int = 0,
        num_batches: int | None = None,
        every_steps: int = 50,
        every_epochs: int = 1,
        first_step: Callable[[], int] | None = None,
        say: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__()
        for name, value in (
            ("every_steps", every_steps),
            ("every_epochs", every_epochs),
        ):
            if value < 1:
                raise ValueError(
                    f"`{name}` must be a positive integer. "
                    f"Received: {name}={value}."
                )
        self.log = EventLog(log_dir, say)
        self.num_target_tokens = num_target_tokens
        self.num_batches = num_batches
        self.every_steps = every_steps
        self.every_epochs = every_epochs
        self.first_step = first_step
        self._step = 0
        self._looked: int | None = None
        self._start = time.perf_counter()
        self._seconds: float | None = None
        # The sum of the losses since the last point, over all epochs but this
        # one, and of how many rows.
        self._rest, self._num_rest = 0.0, 0.0
        self._weight: float | None = None
        self._norm: GradientNorm | None = None

    def look(self, step: int) -> None:
        """Shows what the model does, after every few epochs and at the end."""

    def hard_attentions(self) -> dict[str, Any]:
        """The attention layers whose baseline is shown, by their names."""
        return {}

    def on_train_begin(self, logs: Any = None) -> None:
        if self.first_step is not None:
            self._step = self.first_step()
        else:  # A model that was compiled again has an optimizer without past.
            self._step = max(self._step, self._batches_done())
        self._looked = None
        self.log.open()
        self._norm = GradientNorm(self.model)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._start, self._seconds = time.perf_counter(), None
        self._done, self._weight = 0, None
        self._total_before = self._done_before = 0.0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        before = self._step
        # With `steps_per_execution` several are done at a time, and the last
        # ones of an epoch are counted as if they were as many.
        steps = (self.params or {}).get("steps")
        done = min(batch + 1, steps) if steps else batch + 1
        self._step += done - self._done
        self._done = done
        if done == steps:
            self._keep_weight()
        every = self.every_steps
        if self._step // every == before // every or not logs:
            return
        values = {}
        mean = self._loss_since_the_last_point(logs)
        if mean is not None:
            values["loss_by_step"] = mean
        norm = self._norm.read() if self._norm else None
        if norm is not None:
            values["gradient_norm"] = norm
        for name, layer in self.hard_attentions().items():
            baseline = getattr(layer.normalizer, "baseline", None)
            if baseline is not None and mean is not None:
                values[f"{name}/baseline"] = _number(baseline)
                # Of a step in the mean: how much less it lost than before.
                values[f"{name}/reward"] = _number(baseline) - mean
        self.log.scalars(TRAIN, self._step, values, flush=False)

    def _loss_since_the_last_point(self, logs: Any) -> float | None:
        """None of a model whose training step reports no loss."""
        if "loss" not in logs:
            return None
        self._add_up(logs)
        mean = self._rest / max(self._num_rest, 1e-9)
        self._rest, self._num_rest = 0.0, 0.0
        return mean

    def _add_up(self, logs: Any) -> None:
        # Keras gives the mean since the epoch began; the steps since the last
        # point are what its sum has grown by.
        done = self._weight
        if done is None:
            done = self._weight_done()
        total = float(logs["loss"]) * done
        self._rest += total - self._total_before
        self._num_rest += done - self._done_before
        self._total_before, self._done_before = total, done

    def _keep_weight(self) -> None:
        """Before a validation, whose rows Keras counts with the same metric."""
        if self._weight is None:
            self._weight = self._weight_done()

    def _weight_done(self) -> float:
        """What the batches of this epoch count, for Keras's mean: their rows.

        Batches count alike where a model keeps the mean in its own way.
        """
        for metric in self.model.metrics:
            if metric.name == "loss" and hasattr(metric, "count"):
                return _number(metric.count)
        return self._done

    def _batches_done(self) -> int:
        optimizer = inner_optimizer(self.model)
        batches = optimizer.gradient_accumulation_steps or 1
        return int(_number(optimizer.iterations)) * batches

    def on_test_begin(self, logs: Any = None) -> None:
        self._seconds = time.perf_counter() - self._start
        self._keep_weight()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        logs = _scalars(logs or {})
        if "loss" in logs:
            self._add_up(logs)
        seconds = max(self._seconds or time.perf_counter() - self._start, 1e-9)
        train = {k: v for k, v in logs.items() if not k.startswith("val_")}
        train["learning_rate"] = _number(self.model.optimizer.learning_rate)
        if self._done:  # Not if only the validation was left to do.
            train.update(self._speed(seconds))
        self.log.scalars(TRAIN, self._step, train)
        validation = {
            name.removeprefix("val_"): value
            for name, value in logs.items()
            if name.startswith("val_")
        }
        self.log.scalars(VALIDATION, self._step, validation)
        if (epoch + 1) % self.every_epochs == 0:
            self._look()

    def _speed(self, seconds: float) -> dict[str, float]:
        """Of the batches of this epoch that were trained now."""
        if not self.num_target_tokens:
            return {"steps_per_second": self._done / seconds}
        steps = self.num_batches or self._done
        tokens = self.num_target_tokens * self._done / steps
        return {"target_tokens_per_second": tokens / seconds}

    def on_train_end(self, logs: Any = None) -> None:
        if self._looked != self._step:
            self._look()  # At the model that the training ends with.
        self.log.flush()

    def _look(self) -> None:
        self.look(self._step)
        self._looked = self._step


def _scalars(logs: dict[str, Any]) -> dict[str, float]:
    """Numbers only; of a metric with several, such as F1, one for each."""
    scalars = {}
    for name, value in logs.items():
        array = np.asarray(value, float)
        if not array.ndim:
            scalars[name] = float(array)
            continue
        for place, one in enumerate(array.ravel()):
            scalars[f"{name}/{place}"] = float(one)
    return scalars


def _number(variable: Any) -> float:
    """The value of a scalar, of one device where there are several."""
    value = getattr(variable, "value", variable)
    return float(value.numpy() if hasattr(value, "numpy") else value)
