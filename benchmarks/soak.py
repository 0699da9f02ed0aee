"""Does a training's memory grow? Over steps, and with the size of the data.

    python benchmarks/soak.py                    # 2,000 steps, and a picture
    python benchmarks/soak.py --stream 1 200     # a file, and 200 times that

The first trains a tiny model over many epochs, with checkpoints, validation
and TensorBoard, and plots the resident memory. The second trains for 100
steps on a streamed file (`data.stream`) of so many times 10,000 lines, each
in a process of its own, and beside it with all of the file in memory. Exit
status 1 if memory grew by more than 5% after the first fifth of the steps.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

MEGABYTE = 2**20
LINES = 10_000  # of the streamed file, once
STREAMED_STEPS = 100
GROWTH = 1.05  # at most


def resident() -> float:
    """Resident memory of this process, in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / MEGABYTE


def write_pairs(path: Path, number: int, copies: int = 1) -> None:
    """Writes pairs of random words, of many lengths."""
    chooser = random.Random(1)
    words = [f"word{index}" for index in range(500)]
    lines = []
    for _ in range(number):
        chosen = chooser.choices(words, k=chooser.randint(3, 12))
        lines.append(f"{' '.join(chosen)}\t{' '.join(reversed(chosen))}\n")
    text = "".join(lines)
    with open(path, "w") as file:
        for _ in range(copies):
            file.write(text)


def make_recipe(folder: Path, assignments: list[str]):
    from pipelines import recipe as recipes

    recipe = recipes.from_dict(
        {
            "name": "soak",
            "data": {
                "folder": str(folder),
                "train": "train.tsv",
                "validation": "few.tsv",
                "test": "few.tsv",
                "tokenizer": "whitespace",
            },
            "model": {"units": 16, "embedding_dim": 16},
            "training": {
                "batch_size": 16,
                "num_buckets": 2,
                "patience": 0,
                "save_every_steps": 50,
                "jit_compile": False,
            },
            "monitoring": {"sentences": 8, "images": 1, "samples": 2},
        }
    )
    return recipes.override(recipe, assignments)


def train(folder: Path, assignments: list[str], most_steps: int):
    """Trains so many steps; returns (step, MiB) pairs and the most MiB."""
    import resource

    import keras

    from pipelines.train import train as train_run

    points: list[tuple[int, float]] = []

    class Watch(keras.callbacks.Callback):
        step = 0

        def on_train_batch_end(self, batch, logs=None):
            self.step += 1
            if self.step % 10 == 0:
                points.append((self.step, resident()))
            if self.step == most_steps:
                raise KeyboardInterrupt

    try:
        train_run(
            make_recipe(folder, assignments),
            folder / "run",
            extra_callbacks=[Watch()],
        )
    except KeyboardInterrupt:
        pass
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return points, peak


def soak(steps: int, picture: Path) -> bool:
    """Trains over many epochs; draws the memory; says whether it stayed."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_pairs(folder / "train.tsv", 16 * 100)
        write_pairs(folder / "few.tsv", 32)
        points, _ = train(folder, [f"training.epochs={steps}"], steps)
    draw(points, picture)
    settled = [mib for step, mib in points if step >= steps / 5]
    grown = settled[-1] / settled[0]
    print(
        f"{steps:,} steps, {steps // 100} epochs: {points[0][1]:,.0f} MiB "
        f"after 10 steps, {settled[0]:,.0f} after a fifth of them, "
        f"{settled[-1]:,.0f} at the end: {grown - 1:+.1%}. See {picture}."
    )
    return grown <= GROWTH


def draw(points: list[tuple[int, float]], picture: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(*zip(*points, strict=True))
    axes.set(xlabel="step", ylabel="resident memory (MiB)", ylim=(0, None))
    axes.grid(alpha=0.3)
    figure.savefig(picture, dpi=120)


def stream_one(copies: int, stream: bool) -> None:
    """Trains on a long file; prints what memory that took, as JSON."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_pairs(folder / "train.tsv", LINES, copies)
        write_pairs(folder / "few.tsv", 32)
        size = (folder / "train.tsv").stat().st_size / MEGABYTE
        began = time.monotonic()
        _, peak = train(
            folder,
            [
                f"data.stream={str(stream).lower()}",
                "monitoring.tensorboard=false",
            ],
            STREAMED_STEPS,
        )
        seconds = time.monotonic() - began
    print(json.dumps([size, peak, seconds]))


def stream(sizes: list[int]) -> None:
    """Prints the memory of files so many times as long, in a table."""
    print("| lines | file (MiB) | streamed: peak (MiB) | in memory (MiB) |")
    print("|---|---|---|---|")
    for copies in sizes:
        found = []
        for way in ("stream", "memory"):
            ended = subprocess.run(
                [sys.executable, __file__, "--one", str(copies), way],
                stdout=subprocess.PIPE,
                text=True,
                check=True,
            )
            found.append(json.loads(ended.stdout.splitlines()[-1]))
        (size, peak, _), (_, whole, _) = found
        print(
            f"| {copies * LINES:,} | {size:,.0f} | {peak:,.0f} | "
            f"{whole:,.0f} |",
            flush=True,
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--out", type=Path, default=Path("soak.png"))
    parser.add_argument("--stream", type=int, nargs="+", metavar="TIMES")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        stream_one(int(options.one[0]), options.one[1] == "stream")
        return 0
    if options.stream:
        stream(options.stream)
        return 0
    return int(not soak(options.steps, options.out))


if __name__ == "__main__":
    sys.exit(main())
