"""The sides of `training.py`, each in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple


class Sizes(NamedTuple):
    """Sizes of the model; the encoder's is that of each direction."""

    encoder: int = 256
    decoder: int = 512
    embedding: int = 256
    attention: int = 512
    source_vocabulary: int = 5921
    target_vocabulary: int = 7859


SCRIPTS = {
    "ours": "training_ours.py",
    "tensorflow-addons": "training_peer_addons.py",
    "JoeyNMT": "training_peer_joeynmt.py",
    "OpenNMT-tf": "training_peer_opennmt.py",
}


class Side:
    """A process that trains when it is asked to, and waits otherwise.

    Args:
        name: of `SCRIPTS`.
        python: the environment's Python; None for this one.
    """

    def __init__(self, name, python=None):
        self.name = name
        script = Path(__file__).with_name(SCRIPTS[name])
        self.started = time.time()
        self._process = subprocess.Popen(
            [python or sys.executable, str(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            # Threads of OpenMP that wait must not keep the others' cores busy.
            env={**os.environ, "OMP_WAIT_POLICY": "PASSIVE"},
        )
        self.about = {}

    def ask(self, **request):
        """Sends a request; returns the answer.

        Raises:
            RuntimeError: If the side failed.
        """
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        answer = json.loads(line) if line else {"error": "it ended"}
        if "error" in answer:
            raise RuntimeError(f"{self.name}: {answer['error']}")
        return answer

    def prepare(self, data, sizes, score, threads, learning_rate):
        """Makes the model, and trains one step.

        Returns:
            Seconds from the start of the process to the end of that step.
        """
        self.about = self.ask(
            data=str(data),
            sizes=sizes._asdict(),
            score=score,
            threads=threads,
            learning_rate=learning_rate,
        )
        return self.train([0])["ended"] - self.started

    def train(self, numbers):
        """Trains on some batches; `seconds`, and the mean `loss`."""
        return self.ask(run=[int(one) for one in numbers])

    def memory(self):
        """Peak of the resident set so far, bytes."""
        return self.ask(memory=0)["bytes"]

    def close(self):
        self._process.stdin.close()
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()  # What it measured is known by then.
            self._process.wait()
