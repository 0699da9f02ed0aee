"""Write beside the target, put in place at the end: nothing half-written."""

import contextlib
import os
import pathlib
import shutil
import tempfile
from collections.abc import Callable, Iterator

from export.errors import ExportError


@contextlib.contextmanager
def staged(
    path: str | os.PathLike[str],
    is_ours: Callable[[pathlib.Path], bool],
    overwrite: bool = False,
    *,
    file: bool = False,
) -> Iterator[pathlib.Path]:
    """Yields a path to write to, which takes `path`'s place at the end.

    If the body raises, whatever it wrote is removed, with the parent folders
    made for it, and `path` stays as it was.

    Args:
        path: Where the file or folder shall be in the end. Missing parent
            folders are made.
        is_ours: Tells whether what stands at `path` is an earlier export,
            which may be replaced.
        overwrite: Replace whatever stands at `path`.
        file: A file is to be written: it takes no folder's place.

    Yields:
        A path of the same name in a temporary folder beside `path`.

    Raises:
        ExportError: If something else stands at `path`, or if the disk
            refuses.
    """
    target = pathlib.Path(os.path.abspath(path))
    if file and target.is_dir():
        raise ExportError(
            f"{target} is a folder, and a file is to be written.",
            f"Name one in it, such as {target / 'model.tflite'}.",
        )
    if target.exists() and not overwrite and not is_ours(target):
        raise ExportError(
            f"{target} exists and is not such an export.",
            "Choose another path, or allow overwriting.",
        )
    missing = [one for one in target.parents if not one.exists()]
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        folder = tempfile.mkdtemp(dir=target.parent, prefix=".exporting-")
    except OSError as error:
        raise _refused(target, error) from error
    try:
        staging = pathlib.Path(folder, "new", target.name)
        staging.parent.mkdir()
        yield staging
        _put_in_place(staging, target, pathlib.Path(folder, "old"))
    except OSError as error:
        raise _refused(target, error) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        # Also the parents made for it, if nothing came of it.
        for parent in missing:
            with contextlib.suppress(OSError):  # It is not empty.
                parent.rmdir()


def _put_in_place(
    staging: pathlib.Path, target: pathlib.Path, old: pathlib.Path
) -> None:
    """Renames `staging` to `target`, and what stood there to `old`."""
    try:
        if target.exists():
            os.rename(target, old)
        os.rename(staging, target)
    except BaseException:  # Ctrl-C too: what stood there must not be lost.
        if old.exists() and not target.exists():
            os.rename(old, target)
        raise


def _refused(target: pathlib.Path, error: OSError) -> ExportError:
    return ExportError(
        f"Cannot write {target}: {error.strerror or error}.",
        "Check the permissions and the free space, or choose another path.",
    )
