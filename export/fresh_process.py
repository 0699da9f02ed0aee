"""Runs a module of this package in a process of its own."""

import os
import pathlib
import signal
import subprocess
import sys

_PACKAGE_ROOT = pathlib.Path(__file__).resolve().parent.parent


def run_module(name: str, *arguments: str | os.PathLike[str]) -> str:
    """Runs `python -P -m name arguments...` and waits for its end.

    `-P`: a module of the same name in the working folder is not run instead.

    Args:
        name: The module, found where this package is found.
        arguments: What it is given.

    Returns:
        An empty string if it succeeded; otherwise one line that says why it
        did not: the last line that it printed, or the signal that ended it.
    """
    search_path = [str(_PACKAGE_ROOT), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(filter(None, search_path)),
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    done = subprocess.run(
        [sys.executable, "-P", "-m", name, *map(str, arguments)],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    if done.returncode == 0:
        return ""
    if done.returncode < 0:
        return f"ended by {signal.Signals(-done.returncode).name}"
    lines = done.stdout.strip().splitlines()
    return lines[-1][:500] if lines else f"status {done.returncode}"
