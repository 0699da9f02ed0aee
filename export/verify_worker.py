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

    The request has `checks`, each with `key`, `how` (a method of the runner),
    `sentences` and `batch_size`; `timed`, the sentences whose time is taken,
    `targets` to score, one for each of these, and `threads`.

    Args:
        arguments: Format, artifact, request file, result file.

    Returns:
        The exit status.
    """
    kind, artifact, request_path, result_path = arguments
    request = json.loads(pathlib.Path(request_path).read_text("utf-8"))
    runner = _runner(kind)(artifact, request["threads"])
    arrays: dict[str, Any] = {}
    for check in request["checks"]:
        sentences, size = check["sentences"], check["batch_size"]
        targets = [request["targets"]] if check["how"] == "score" else []
        answers = getattr(runner, check["how"])(sentences, *targets, size)
        arrays.update(pack(answers, check["key"]))
    about = {
        "latency_ms": median_ms(runner.greedy, request["timed"]),
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
