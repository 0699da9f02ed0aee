"""Data and ways to run the command line, for its tests."""

import os
import random
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WORDS = {
    "un": "one",
    "deux": "two",
    "trois": "three",
    "rouge": "red",
    "vert": "green",
    "chat": "cat",
    "chien": "dog",
    "mange": "eats",
    "voit": "sees",
}
TINY = [
    f"--set={assignment}"
    for assignment in (
        "model.units=8",
        "model.embedding_dim=8",
        "training.epochs=2",
        "training.num_buckets=1",
        "training.jit_compile=false",
        "data.max_source_len=16",
        "data.max_target_len=16",
        "data.source_language=French",
        "data.target_language=English",
        "monitoring.images=1",
    )
]


def good_lines(number=60):
    chooser = random.Random(1)
    lines = set()
    while len(lines) < number:
        words = [chooser.choice(list(WORDS)) for _ in range(4)]
        target = " ".join(WORDS[word] for word in words)
        lines.add(f"{' '.join(words)}\t{target}")
    return sorted(lines)


def command(*arguments, **options):
    """Starts the command line in a process of its own."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    environment.pop("TF_CPP_MIN_LOG_LEVEL", None)
    return subprocess.Popen(
        [sys.executable, "-m", "pipelines", *map(str, arguments)],
        env=environment,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options},
    )


def finish(process, status=0, timeout=900):
    """Waits; returns what it printed, if it ended as it should."""
    output, error = (
        (text or b"").decode() for text in process.communicate(timeout=timeout)
    )
    assert process.returncode == status, error
    assert "Traceback" not in error
    return output, error
