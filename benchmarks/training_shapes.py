"""Training's speed over the batch size, and over the source's length.

    python benchmarks/training_shapes.py               # a table
    python benchmarks/training_shapes.py --plot shapes.png
    python benchmarks/training_shapes.py --quick       # a first look

The model of `training.py`, ours alone, on random tokens without any padding.
Each shape is trained in a process of its own, one after the other.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import measure
import numpy as np
import training_worker
from training_sides import Side, Sizes

TARGET_LENGTH = 16
USUAL = (64, 16)  # batch size, source length
BATCH_SIZES = (8, 16, 32, 64, 128, 256)
SOURCE_LENGTHS = (8, 16, 32, 64, 128, 256)
QUICK = slice(None, 2)


def random_batch(batch_size, source_len, sizes, seed=0):
    """A batch without padding."""
    rng = np.random.default_rng(seed)
    special = 4

    def tokens(length, vocabulary):
        shape = (batch_size, length)
        return rng.integers(special, vocabulary, shape, dtype="int32")

    return training_worker.Batch(
        tokens(source_len, sizes.source_vocabulary),
        tokens(TARGET_LENGTH, sizes.target_vocabulary),
    )


def run_shape(batch_size, source_len, arguments):
    """Trains one shape.

    Returns:
        `{"batch_size", "source_len", "tokens": target tokens a second in each
        round, "memory": peak in bytes, "first": seconds to the first step}`.
    """
    sizes = Sizes()
    batch = random_batch(batch_size, source_len, sizes)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "batch.npz"
        training_worker.save_batches(path, [batch])
        side = Side("ours")
        try:
            first = side.prepare(
                path, sizes, arguments.score, arguments.threads, 1e-3
            )
            side.train([0, 0])
            # Small batches take many steps, for a round that can be timed.
            steps = max(4, arguments.tokens // batch.tokens)
            rates = [
                steps * batch.tokens / side.train([0] * steps)["seconds"]
                for _ in range(arguments.rounds)
            ]
            memory = side.memory()
        finally:
            side.close()
    return {
        "batch_size": batch_size,
        "source_len": source_len,
        "tokens": rates,
        "memory": memory,
        "first": first,
    }


def table(rows):
    lines = [
        "| batch size | source length | target tokens/s (lowest, highest "
        "round) | step, ms | peak memory | seconds to the first step |",
        "|---:|---:|---|---:|---:|---:|",
    ]
    for row in rows:
        rate = statistics.median(row["tokens"])
        step = 1e3 * row["batch_size"] * TARGET_LENGTH / rate
        lines.append(
            f"| {row['batch_size']} | {row['source_len']} "
            f"| **{rate:,.0f}** ({min(row['tokens']):,.0f} to "
            f"{max(row['tokens']):,.0f}) | {step:,.0f} "
            f"| {row['memory'] / 2**20:,.0f} MiB | {row['first']:.0f} |"
        )
    return "\n".join(lines)


def draw(studies, path):
    """Draws `{title: (key, rows)}`, a plot each."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(
        1, len(studies), figsize=(9, 3.5), sharey=True, squeeze=False
    )
    for axis, (title, (key, rows)) in zip(
        axes[0], studies.items(), strict=True
    ):
        sizes = [row[key] for row in rows]
        axis.plot(
            sizes, [statistics.median(row["tokens"]) for row in rows], "o-"
        )
        axis.fill_between(
            sizes,
            [min(row["tokens"]) for row in rows],
            [max(row["tokens"]) for row in rows],
            alpha=0.2,
        )
        axis.set_xscale("log", base=2)
        axis.set_xticks(sizes, [str(one) for one in sizes])
        axis.set_xlabel(title)
        axis.set_ylim(bottom=0)
        axis.grid(alpha=0.3)
    axes[0][0].set_ylabel("target tokens a second")
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def parse(argv):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--plot", type=Path, help="write this picture")
    parser.add_argument("--quick", action="store_true", help="two sizes each")
    parser.add_argument("--score", default="additive")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--tokens", type=int, default=8192, help="of a round, at least"
    )
    arguments = parser.parse_args(argv)
    if min(arguments.threads, arguments.rounds, arguments.tokens) < 1:
        parser.error("--threads, --rounds and --tokens must be positive")
    return arguments


def main(argv=None):
    arguments = parse(argv)
    part = QUICK if arguments.quick else slice(None)
    print(measure.circumstances(arguments.threads), flush=True)
    print(f"{Sizes()}, {arguments.score}, target length {TARGET_LENGTH}.")
    studies = {
        f"batch size (source length {USUAL[1]})": (
            "batch_size",
            [(one, USUAL[1]) for one in BATCH_SIZES[part]],
        ),
        f"source length (batch size {USUAL[0]})": (
            "source_len",
            [(USUAL[0], one) for one in SOURCE_LENGTHS[part]],
        ),
    }
    done = {}
    for title, (key, shapes) in studies.items():
        for shape in shapes:
            if shape not in done:
                done[shape] = run_shape(*shape, arguments)
        rows = [done[shape] for shape in shapes]
        studies[title] = (key, rows)
        print(f"\nBy {title}:\n\n{table(rows)}", flush=True)
    if arguments.plot:
        draw(studies, arguments.plot)
    return 0


if __name__ == "__main__":
    sys.exit(main())
