"""One training at a time in a run folder."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from pipelines.errors import UserError

try:
    import fcntl
except ImportError:  # Windows has no such locks: nobody is kept out.
    fcntl = None  # type: ignore[assignment]

LOCK = ".lock"


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Inside this context, no other training uses the run folder.

    The lock ends with the process, however that ends. Where a file system
    has no locks, nobody is kept out.

    Args:
        folder: an existing run folder.

    Raises:
        UserError: if a training is using it.

    Example:

    ```python
    with alone_in(Path("runs/mine")):
        ...
    ```
    """
    if fcntl is None:
        yield
        return
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(open(folder / LOCK, "w"))
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                f"Another training is at work in {folder}.",
                "Wait for it, end it, or choose another run folder.",
            ) from None
        except OSError:
            pass
        yield
