"""Showing how a training gets on."""

from __future__ import annotations

import time
from typing import Any

import keras
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from pipelines.data.batches import EpochBatches

SECONDS_BETWEEN_LINES = 30.0  # where the output is no terminal


class ProgressDisplay(keras.callbacks.Callback):
    """A bar for each epoch and a line after it.

    On a terminal the bar moves; elsewhere a line appears every half minute.

    Args:
        batches: the training data.
        epochs: how many epochs there will be.
        console: where to show it.
    """

    def __init__(
        self, batches: EpochBatches, epochs: int, console: Console
    ) -> None:
        super().__init__()
        self.batches = batches
        self.epochs = epochs
        self.console = console
        self._bar: Progress | None = None
        self._row: Any = None
        self._epoch = 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._epoch = epoch
        self._start = self._last_line = time.monotonic()
        self._done = 0
        steps = (self.params or {}).get("steps") or self.batches.num_batches
        self._steps = steps
        if self.console.is_terminal:
            self._bar = Progress(
                TextColumn("epoch {task.fields[epoch]}"),
                BarColumn(),
                TextColumn("{task.completed}/{task.total} {task.fields[text]}"),
                TimeRemainingColumn(),
                console=self.console,
                transient=True,
            )
            self._row = self._bar.add_task(
                "", total=steps, epoch=f"{epoch + 1}/{self.epochs}", text=""
            )
            self._bar.start()
        if not epoch:
            self.console.print(
                "The first batches of each length take longer: they are "
                "compiled.",
                highlight=False,
                soft_wrap=True,
            )

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._done += 1
        if self._bar is not None:
            self._bar.update(
                self._row, completed=self._done, text=self._text(logs)
            )
        elif time.monotonic() - self._last_line > SECONDS_BETWEEN_LINES:
            self._last_line = time.monotonic()
            self.console.print(
                f"epoch {self._epoch + 1}/{self.epochs}, batch "
                f"{self._done}/{self._steps}: {self._text(logs)}",
                highlight=False,
                soft_wrap=True,
            )

    def on_test_begin(self, logs: Any = None) -> None:
        self._trained = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.stop()
        logs = logs or {}
        seconds = getattr(self, "_trained", time.monotonic()) - self._start
        share = self._done / max(self.batches.num_batches, 1)
        tokens = self.batches.num_target_tokens * share
        line = f"epoch {epoch + 1}/{self.epochs}: "
        if self._done:
            line += (
                f"{self._text(logs)}, {seconds:.0f} s, "
                f"{tokens / max(seconds, 1e-9):,.0f} target tokens/s"
            )
        else:
            line += "all batches were done before"
        if "val_perplexity" in logs:
            line += (
                f"; validation: loss {logs['val_loss']:.3f}, perplexity "
                f"{logs['val_perplexity']:.2f}, accuracy "
                f"{logs['val_accuracy']:.1%}"
            )
        self.console.print(line, highlight=False, soft_wrap=True)

    def on_train_end(self, logs: Any = None) -> None:
        self.stop()

    def stop(self) -> None:
        """Takes the bar off the terminal, which has its cursor back.

        Keras ends no callback of a training that fails.
        """
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _text(self, logs: Any) -> str:
        logs = logs or {}
        parts = [f"loss {logs.get('loss', float('nan')):.3f}"]
        if "perplexity" in logs:
            parts.append(f"perplexity {logs['perplexity']:.2f}")
        if "accuracy" in logs:
            parts.append(f"accuracy {logs['accuracy']:.1%}")
        return ", ".join(parts)
