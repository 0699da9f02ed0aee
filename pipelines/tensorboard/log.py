"""`EventLog`: TensorBoard's files, which must never cost a training."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from pipelines.errors import UserError
from pipelines.tensorboard.embeddings import write_embeddings

TRAIN, VALIDATION = "train", "validation"
FAILURES = (OSError, tf.errors.OpError)


class EventLog:
    """Writes TensorBoard's files below a folder, `train/` and `validation/`.

    A folder that cannot be written is an error at once, before any training
    is lost. What fails later, such as a disk that fills up, is said once; the
    training goes on, without logs.

    Args:
        folder: Where to write; made where it is missing.
        say: Called with what there is to say; `None` warns.

    Example:

    ```python
    log = EventLog("logs")
    log.open()
    with log.writing("train", step=50):
        tf.summary.scalar("loss", 1.5)
    ```
    """

    def __init__(
        self, folder: str | Path, say: Callable[[str], None] | None = None
    ) -> None:
        self.folder = Path(folder)
        self.say = say
        self._writers: dict[str, Any] = {}
        self._broken = False

    def open(self) -> None:
        """Makes folders and files, unless they are open.

        Raises:
            UserError: If they cannot be made.
        """
        if self._writers or self._broken:
            return
        try:
            for part in (TRAIN, VALIDATION):
                path = self.folder / part
                path.mkdir(parents=True, exist_ok=True)
                writer = tf.summary.create_file_writer(str(path))
                # The file is made now, not when the training has begun.
                writer.init()
                writer.flush()
                self._writers[part] = writer
        except FAILURES as error:
            self._writers = {}
            raise UserError(
                f"Cannot write TensorBoard logs into {self.folder}: "
                f"{_reason(error)}.",
                "Make room there, or choose another folder; in a recipe, "
                "monitoring.tensorboard=false does without.",
            ) from None

    @contextlib.contextmanager
    def writing(
        self, part: str, step: int, flush: bool = True
    ) -> Iterator[None]:
        """Inside this context, `tf.summary` writes to a part.

        What cannot be written ends the logs, not the training.

        Args:
            part: `"train"` or `"validation"`.
            step: The training step.
            flush: Whether the file has it all afterwards.
        """
        if part not in self._writers:
            with contextlib.suppress(*FAILURES), _nowhere():
                yield
            return
        writer = self._writers[part]
        try:
            with writer.as_default(step):
                yield
            if flush:
                writer.flush()
        except FAILURES as error:
            self.give_up(error)

    def scalars(
        self, part: str, step: int, values: dict[str, float], flush: bool = True
    ) -> None:
        """Writes numbers by their tags."""
        with self.writing(part, step, flush):
            for tag, value in values.items():
                tf.summary.scalar(tag, value)

    def embeddings(
        self, part: str, found: dict[str, tuple[Any, Sequence[str]]]
    ) -> None:
        """Writes what the projector shows; see `write_embeddings`."""
        if not found or self._broken:
            return
        try:
            write_embeddings(self.folder / part, found)
        except (*FAILURES, UserError) as error:
            self.give_up(error)

    def flush(self) -> None:
        """Sees to it that the files have all that was written."""
        try:
            for writer in self._writers.values():
                writer.flush()
        except FAILURES as error:
            self.give_up(error)

    def give_up(self, error: Exception) -> None:
        """Ends the logs for what went wrong, and says so once."""
        self._writers, self._broken = {}, True
        self.tell(
            f"TensorBoard logs end here: cannot write into {self.folder}: "
            f"{_reason(error)}. The training goes on without them."
        )

    def tell(self, text: str) -> None:
        """Says something to whoever trains: by `say`, or as a warning."""
        if self.say is None:
            warnings.warn(text, stacklevel=3)
        else:
            self.say(text)


def _nowhere() -> Any:
    """What is written in this context goes nowhere."""
    return tf.summary.create_noop_writer().as_default(0)


def _reason(error: Exception) -> str:
    reason = getattr(error, "strerror", "") or getattr(error, "message", "")
    return str(reason or error).rstrip(".")
