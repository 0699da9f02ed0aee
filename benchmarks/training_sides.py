"""The sides of `training.py`, each in a process of its own."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import NamedTuple

from pipe import Pipe


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


class Side(Pipe):
    """A process that trains when it is asked to, and waits otherwise.

    Args:
        name: of `SCRIPTS`.
        python: the environment's Python; None for this one.
    """

    def __init__(self, name, python=None):
        script = Path(__file__).with_name(SCRIPTS[name])
        self.started = time.time()
        super().__init__(
            name,
            [python or sys.executable, str(script)],
            # Threads of OpenMP that wait must not keep the others' cores busy.
            env={**os.environ, "OMP_WAIT_POLICY": "PASSIVE"},
        )
        self.about = {}

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
