"""What all sides of `training.py` have in common: they answer requests.

Each side runs in a process, and where it is a peer in an environment, of its
own; so this file needs NumPy and nothing else. One line of JSON in, one out:

    {"data": PATH, "sizes": {...}, "score": NAME, "threads": n, ...}
                          -> {"versions": {...}, "mode": ..., "weights": n}
    {"run": [batch, ...]} -> {"seconds": of these steps, "busy": seconds of
                              all threads together, "loss": mean, "ended":
                              time of the clock}
    {"memory": 0}         -> {"bytes": the peak of the resident set}
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from typing import NamedTuple

import numpy as np

PAD, UNKNOWN, START, END = 0, 3, 1, 2


class Batch(NamedTuple):
    """Token ids, int32, zeros where there is padding.

    Attributes:
        source: `(batch, source_len)`, each with an end token.
        labels: `(batch, target_len)`, each with an end token.
    """

    source: np.ndarray
    labels: np.ndarray

    def trimmed(self):
        """Without the columns, and the rows, that are padding throughout."""
        source = self.source[(self.source != PAD).any(axis=1)]
        labels = self.labels[(self.labels != PAD).any(axis=1)]
        return Batch(
            source[:, (source != PAD).any(axis=0)],
            labels[:, (labels != PAD).any(axis=0)],
        )

    @property
    def decoder_inputs(self):
        """`(batch, target_len)`: the start token, then the labels."""
        shifted = np.roll(self.labels, 1, axis=1)
        shifted[:, 0] = START
        return np.where(self.labels != PAD, shifted, PAD)

    @property
    def tokens(self):
        """Number of real target tokens, end tokens included."""
        return int(np.count_nonzero(self.labels))


def save_batches(path, batches):
    arrays = {}
    for index, batch in enumerate(batches):
        arrays[f"source/{index}"] = batch.source
        arrays[f"labels/{index}"] = batch.labels
    np.savez(path, **arrays)


def load_batches(path):
    with np.load(path) as arrays:
        return [
            Batch(arrays[f"source/{index}"], arrays[f"labels/{index}"])
            for index in range(len(arrays.files) // 2)
        ]


def serve(make_trainer, trim=True):
    """Answers requests until there are no more.

    Args:
        make_trainer: a function `(batches, request)` that returns an object
            with `train(numbers of batches) -> losses` and `about`, a
            dictionary of what the first answer says.
        trim: whether batches come without padding that all rows share.
    """
    # What libraries print must not get between the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    trainer = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if "data" in request:
                batches = load_batches(request["data"])
                if trim:
                    batches = [one.trimmed() for one in batches]
                trainer = make_trainer(batches, request)
                answer = trainer.about
            elif "run" in request:
                start, busy = time.perf_counter(), time.process_time()
                losses = trainer.train(request["run"])
                answer = {
                    "seconds": time.perf_counter() - start,
                    "busy": time.process_time() - busy,
                    "loss": float(np.mean(losses)),
                    "ended": time.time(),
                }
            elif "memory" in request:
                usage = resource.getrusage(resource.RUSAGE_SELF)
                answer = {"bytes": usage.ru_maxrss * 1024}
            else:
                answer = trainer.answer(request)
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"[:2000]}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
