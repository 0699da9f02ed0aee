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

from export.answers import Answer, from_outputs, pack

WATCHED = ("tensorflow", "keras", "keras_attention", "pipelines")
NUM_WARM_UP = 3
Answering = Callable[[Sequence[str], int], list[Answer]]


def main(arguments: Sequence[str]) -> int:
    """Answers a request.

    Args:
        arguments: Format, artifact, request file, result file.

    Returns:
        The exit status.
    """
    kind, artifact, request_path, result_path = arguments
    request = json.loads(pathlib.Path(request_path).read_text("utf-8"))
    sentences, few = request["sentences"], request["few"]
    batch_size = request["batch_size"]
    run = {"litert": run_litert, "saved_model": run_saved_model}[kind]
    arrays: dict[str, Any] = {}
    latency: dict[str, float] = {}

    def check(
        name: str, answer: Answering, texts: list[str], size: int
    ) -> None:
        arrays.update(pack(answer(texts, size), name))

    run(artifact, sentences, sentences[:few], batch_size, check, latency)
    modules = [name for name in WATCHED if name in sys.modules]
    arrays["about"] = np.array(
        json.dumps({"latency_ms": latency, "modules": modules})
    )
    np.savez(result_path, **arrays)
    return 0


def run_litert(
    artifact: str,
    sentences: list[str],
    few: list[str],
    batch_size: int,
    check: Callable[..., None],
    latency: dict[str, float],
) -> None:
    """Runs a LiteRT file; arguments as in `main`."""
    from export.runtime import Translator

    def answering(translator: Translator) -> Answering:
        def answer(texts: Sequence[str], size: int) -> list[Answer]:
            return [
                Answer(t.text, t.score, t.tokens, t.alignments)
                for t in translator.translate(texts, size)
            ]

        return answer

    answer = answering(Translator(artifact))
    check("greedy", answer, sentences, batch_size)
    check("one", answer, few, 1)
    check("again", answer, few, batch_size)
    latency["1 thread"] = median_ms(answer, few)
    two = answering(Translator(artifact, num_threads=2))
    latency["2 threads"] = median_ms(two, few)


def run_saved_model(
    artifact: str,
    sentences: list[str],
    few: list[str],
    batch_size: int,
    check: Callable[..., None],
    latency: dict[str, float],
) -> None:
    """Runs a SavedModel; arguments as in `main`."""
    import tensorflow as tf
    import tensorflow_text  # noqa: F401  registers the tokenizer's operators

    loaded = tf.saved_model.load(artifact)

    def answering(name: str) -> Answering:
        signature = loaded.signatures[name]

        def answer(texts: Sequence[str], size: int) -> list[Answer]:
            answers = []
            for first in range(0, len(texts), size):
                batch = tf.constant(list(texts[first : first + size]))
                outputs = {k: v.numpy() for k, v in signature(batch).items()}
                words = [
                    text.decode("utf-8", "replace") for text in outputs["text"]
                ]
                source = outputs["source_tokens"]
                answers += from_outputs(outputs, words, source)
            return answers

        return answer

    greedy = answering("serving_default")
    check("greedy", greedy, sentences, batch_size)
    check("one", greedy, few, 1)
    check("again", greedy, few, batch_size)
    check("beam", answering("beam"), few, batch_size)
    latency["default threads"] = median_ms(greedy, few)


def median_ms(answer: Answering, sentences: Sequence[str]) -> float:
    """Returns the median milliseconds per sentence at batch size 1."""
    for sentence in sentences[:NUM_WARM_UP]:
        answer([sentence], 1)
    times = []
    for sentence in sentences:
        start = time.perf_counter()
        answer([sentence], 1)
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
