"""Manners on a command line: quiet libraries, one line for an error."""

import contextlib
import functools
import importlib.metadata
import importlib.util
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from pipelines.errors import UserError

USER_ERROR, INTERRUPTED = 2, 130  # exit statuses


def prepare_tensorflow() -> None:
    """Chooses Keras's backend and silences TensorFlow.

    To be called before either is imported. What the user has set stays.

    Raises:
        UserError: If the user has set another backend.
    """
    backend = os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    if backend != "tensorflow":
        raise UserError(
            "The pipelines run on TensorFlow. "
            f"Received: KERAS_BACKEND={backend}.",
            "Unset it, or set KERAS_BACKEND=tensorflow.",
        )
    if "TF_CPP_MIN_LOG_LEVEL" not in os.environ:
        # What fails is raised too; on a machine without a GPU, TensorFlow's
        # C++ calls even that an error.
        os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
        with _without_errors_printed():
            import tensorflow as tf
        tf.get_logger().setLevel("ERROR")


@contextlib.contextmanager
def _without_errors_printed() -> Iterator[None]:
    """Keeps C++ code from printing while it has not read its log level."""
    try:
        if sys.stderr is not None:
            sys.stderr.flush()
        kept = os.dup(2)
    except OSError:  # It is closed, or leads nowhere.
        yield
        return
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        os.close(nowhere)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def guarded(
    function: Callable[..., Any], errors: tuple[type[Exception], ...] = ()
) -> Callable[..., int]:
    """Turns what goes wrong into one line on standard error and a status.

    Args:
        function: What a command does.
        errors: Further errors whose message is made for users.

    Returns:
        A function of the same arguments that returns an exit status: 0, 2
        after a user's error, 130 after Ctrl-C. Errors that are none of a
        user's making go on to the caller.

    Example:

    >>> guarded(lambda: None)()
    0
    """

    known: tuple[type[Exception], ...] = (UserError, *errors)

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> int:
        try:
            function(*args, **kwargs)
            if sys.stdout is not None:  # It is, where it was closed.
                sys.stdout.flush()
        except known as error:
            return fail(str(error))
        except KeyboardInterrupt as interrupt:
            say(str(interrupt) or "Interrupted.")
            return INTERRUPTED
        except BrokenPipeError:  # The reader has seen enough, as `head` has.
            _forget_output()
        except (ImportError, OSError) as error:
            message = _explain(error)
            if message is None:
                raise
            _forget_output()
            return fail(message)
        return 0

    return wrapper


def fail(message: str) -> int:
    """Prints an error on one line; returns the exit status of an error."""
    say("Error: " + " ".join(message.split()))
    return USER_ERROR


def say(message: str) -> None:
    """Prints a line to standard error, whatever its state and encoding."""
    try:
        sys.stderr.buffer.write(message.encode("utf-8", "replace") + b"\n")
        sys.stderr.flush()
    except (AttributeError, OSError, ValueError):
        pass


def show_line(text: str) -> None:
    """Prints a line of a model's or a user's text, in UTF-8 everywhere.

    What a terminal of another encoding cannot show is no reason to fail.
    """
    output_bytes().write(text.encode("utf-8", "replace") + b"\n")


def input_bytes() -> BinaryIO:
    """Standard input.

    Raises:
        UserError: If it is closed.
    """
    if sys.stdin is None:
        raise UserError(
            "Standard input is closed.", "Give it lines: `< FILE`, or a pipe."
        )
    return sys.stdin.buffer


def output_bytes() -> BinaryIO:
    """Standard output, after what was printed so far.

    Raises:
        UserError: If it is closed.
    """
    if sys.stdout is None:
        raise UserError(
            "Standard output is closed.", "Let it go somewhere: `> FILE`."
        )
    sys.stdout.flush()
    return sys.stdout.buffer


def output_console() -> Any:
    """A console of rich on standard output.

    Where the reader has seen enough it raises `BrokenPipeError`, as other
    output does; rich itself would end the process with an error.
    """
    from rich.console import Console

    class Output(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    return Output()


@contextlib.contextmanager
def progress_bar(text: str) -> Iterator[Callable[[int], None] | None]:
    """Shows on a terminal how many sentences are done.

    Args:
        text: What is being done.

    Yields:
        A function that is told how many more are done; None where standard
        error is no terminal.
    """
    from rich.console import Console
    from rich.progress import Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    columns = (
        TextColumn("{task.description}: {task.completed:.0f} sentences"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        row = bar.add_task(text, total=None)
        yield lambda number: bar.advance(row, number)


def version() -> str:
    """The version of this project, found without importing Keras."""
    spec = importlib.util.find_spec("keras_attention")
    if spec is not None and spec.origin:
        text = Path(spec.origin).read_text(encoding="utf-8")
        found = re.search(r'^__version__ = "(.+)"$', text, re.MULTILINE)
        if found:
            return found[1]
    return importlib.metadata.version("keras-attention")


def missing_package(error: ImportError) -> str | None:
    """One line with the remedy; None where a package of ours is broken."""
    if "install" in str(error):  # Ours, with the command.
        return str(error)
    name = (error.name or "").split(".")[0]
    if not name or name in ("keras_attention", "pipelines", "export"):
        return None
    return (
        f"A package cannot be imported: {error}. Install what the pipelines "
        "need: pip install 'keras-attention[all]'."
    )


def _explain(error: ImportError | OSError) -> str | None:
    """One line for errors of the system or a missing package, else None."""
    if isinstance(error, ImportError):
        return missing_package(error)
    if error.strerror is None:
        return None
    place = error.filename if error.filename is not None else "the output"
    return (
        f"{place}: {error.strerror}. Check the path, its permissions and "
        "the free space."
    )


def _forget_output() -> None:
    """Lets Python end without another try to write to a broken output."""
    if sys.stdout is None:
        return
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except ValueError:
        pass
