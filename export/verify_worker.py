"""Runs an artifact in a process of its own, for `export.verify`.

`python -m export.verify_worker FORMAT ARTIFACT REQUEST RESULT`: reads the
request (JSON) and writes the answers (`.npz`). Imports nothing but what the
artifact's user would import.
"""

import json
import pathlib
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from export.answers import Answer, pack

WATCHED = ("tensorflow", "keras", "keras_attention", "pipelines")
Answering = Callable[[Sequence[str], int], list[list[Answer]]]


def main(arguments: Sequence[str]) -> int:
    """Answers a request.

    The request has `checks` (names), `sentences`, `few` (some of them),
    `targets` (one for each of the few), `long` (longer ones), `batch_size`
    and `threads`.

    Args:
        arguments: Format, artifact, request file, result file.

    Returns:
        The exit status.
    """
    kind, artifact, request_path, result_path = arguments
    request = json.loads(pathlib.Path(request_path).read_text("utf-8"))
    runner = _runner(kind)(artifact, request["threads"])
    few, size = request["few"], request["batch_size"]
    run: dict[str, Callable[[], list[list[Answer]]]] = {
        "greedy": lambda: runner.greedy(request["sentences"], size),
        "one": lambda: runner.greedy(few, 1),
        "again": lambda: runner.greedy(few, size),
        "beam": lambda: runner.beam(few, size),
        "steps": lambda: runner.steps(few, size),
        "score": lambda: runner.score(few, request["targets"], size),
        "long": lambda: runner.greedy(request["long"], size),
        "long_beam": lambda: runner.beam(request["long"], size),
    }
    arrays: dict[str, Any] = {}
    for name in request["checks"]:
        arrays.update(pack(run[name](), name))
    about = {
        "latency_ms": median_ms(runner.greedy, few),
        "modules": [name for name in WATCHED if name in sys.modules],
    }
    np.savez(result_path, about=np.array(json.dumps(about)), **arrays)
    return 0


def _runner(kind: str) -> Any:
    # Imported here: a LiteRT file must run where TensorFlow is not.
    if kind in ("litert", "litert_buckets"):
        from export.verify_litert import LiteRTRunner

        return LiteRTRunner
    from export.verify_saved_model import SavedModelRunner

    return SavedModelRunner


def median_ms(answer: Answering, sentences: Sequence[str]) -> float:
    """Returns the median milliseconds per sentence at batch size 1."""
    # All of them first: each length may be compiled when it is met first.
    for sentence in sentences:
        answer([sentence], 1)
    times = []
    for sentence in sentences:
        start = time.perf_counter()
        answer([sentence], 1)
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
