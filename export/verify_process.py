"""Runs an artifact in fresh processes, and brings its answers back."""

import json
import os
import pathlib
import tempfile
from collections.abc import Sequence

import numpy as np

from export.answers import Answer, unpack
from export.errors import ExportError
from export.fresh_process import run_module
from export.verify_checks import Check

THREADS = (1, 2)  # CPU threads that the latency is measured with


def run_checks(
    format: str,
    path: pathlib.Path,
    checks: Sequence[Check],
) -> tuple[dict[str, list[list[Answer]]], dict[str, float], list[str]]:
    """Runs an artifact elsewhere, in a process for each number of threads.

    Args:
        format: A key of `export.exporters.EXPORTERS`.
        path: The artifact.
        checks: What `checks_of` returned.

    Returns:
        Answers by check, milliseconds by threads, and the modules imported.

    Raises:
        ExportError: If a process fails.
    """
    few = checks[1]
    found: dict[str, list[list[Answer]]] = {}
    latency: dict[str, float] = {}
    modules: set[str] = set()
    for threads in THREADS:
        # All is checked once; the others only take the time.
        asked = [] if found else checks
        request = {
            "checks": [
                {
                    "key": check.key,
                    "how": check.how,
                    "sentences": check.sentences,
                    "batch_size": check.batch_size,
                }
                for check in asked
            ],
            "timed": few.sentences,
            "targets": [answer.text for [answer] in few.expected],
            "threads": threads,
        }
        with tempfile.TemporaryDirectory() as folder:
            request_path = pathlib.Path(folder, "request.json")
            result = pathlib.Path(folder, "result.npz")
            request_path.write_text(json.dumps(request), "utf-8")
            reason = run_module(
                "export.verify_worker",
                format,
                os.path.abspath(path),
                request_path,
                result,
            )
            if reason:
                raise ExportError(
                    f"The {format} artifact cannot be run in a fresh process: "
                    f"{reason}."
                )
            with np.load(result) as arrays:
                found |= {
                    check.key: unpack(arrays, check.key) for check in asked
                }
                about = json.loads(str(arrays["about"]))
        name = f"{threads} thread{'s' if threads > 1 else ''}"
        latency[name] = about["latency_ms"]
        modules |= set(about["modules"])
    return found, latency, sorted(modules)


def refuse_modules(format: str, modules: Sequence[str]) -> None:
    """Refuses packages that an artifact must do without.

    Args:
        format: A key of `export.exporters.EXPORTERS`.
        modules: What running the artifact imported.

    Raises:
        ExportError: If it must do without one of them.
    """
    without = {"keras_attention", "pipelines"}
    if format != "saved_model":
        without |= {"tensorflow", "keras"}
    needed = sorted(without & set(modules))
    if needed:
        raise ExportError(
            f"Running the {format} artifact imported {', '.join(needed)}, "
            "which it must do without."
        )
