"""Training beside that of other toolkits: real target tokens per second.

    python benchmarks/training.py --data DIR --peer tensorflow-addons=PYTHON \\
        --peer JoeyNMT=PYTHON --peer OpenNMT-tf=PYTHON
    python benchmarks/training.py --data DIR --quick     # a first look, ours
    python benchmarks/training.py --data DIR ... --check # fail on a bar

DIR holds Multi30k (`train.lc.norm.tok.en.gz` and `.de.gz`), PYTHON is the
Python of an environment with that peer; README.md says how to make one. All
sides train one model from random weights with Adam: a bidirectional LSTM, an
LSTM decoder with input feeding and an attentional layer, over words that occur
twice at least. Which sentences make a batch is each toolkit's own affair:
ours are of similar lengths, OpenNMT-tf's of lengths within 5, the others' are
random; `--batches same` gives our batches to all. Ours are padded to a few
lengths, a peer's to the longest of each batch. Each side runs in a process of
its own, and waits while another one is timed, in turn; what counts is the
median of the rounds' ratios to the fastest peer.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import bars as bars_module
import measure
import training_data
import training_reckoning as reckoning
import training_worker
from training_sides import SCRIPTS, Side, Sizes

OURS = "ours"
SCORES = ("additive", "general")
AHEAD = 2.2  # at least so many times as fast as the fastest peer
LEARNING_RATE = 1e-3
# OpenNMT-tf's own setting for models of sequences to sequences.
WIDTH = 5


def own_batches(name, data, batch_size):
    """An epoch as a toolkit makes it where its users say nothing else."""
    if name == OURS:
        return data
    if name == "OpenNMT-tf":
        return training_data.by_width(data, batch_size, WIDTH)
    return training_data.randomly(data, batch_size)


def run_score(score, epochs, folder, sizes, arguments):
    """Trains all sides with one score.

    Args:
        score: one of `SCORES`.
        epochs: the `Data` of each side.
        folder: where their batches are, by the sides' names.
        sizes: those of the model.
        arguments: of the command line.

    Returns:
        `(rows, rates)`: for each side `{"name", "tokens": a second in each
        round, "first", "ready", "memory", "loss", "about"}`; and the rates of
        `reckoning`, in the same run.
    """
    sides, rows = [], {}
    try:
        for name, python in arguments.sides.items():
            side = Side(name, python)
            sides.append(side)
            first = side.prepare(
                folder / f"{name}.npz",
                sizes,
                score,
                arguments.threads,
                LEARNING_RATE,
            )
            # Twice: a function that has seen several shapes may be traced
            # anew with free sizes, and compiled again.
            warm = side.train(2 * warm_up(epochs[name]))
            rows[name] = {
                "name": name,
                "first": first,
                "ready": warm["ended"] - side.started,
                "tokens": [],
                "losses": [],
                "about": side.about,
            }
            print(f"{score}, {name}: {side.about}", file=sys.stderr)
        size = -(-arguments.steps // arguments.rounds)
        rates = []
        for start in range(0, arguments.steps, size):
            for side in sides:
                epoch = epochs[side.name]
                numbers = training_data.sample(epoch, arguments.steps)
                part = numbers[start : start + size]
                answer = side.train(part)
                tokens = epoch.tokens(part) / answer["seconds"]
                rows[side.name]["tokens"].append(tokens)
                rows[side.name]["losses"].append(answer["loss"])
                print(f"{side.name}: {tokens:,.0f} tokens/s", file=sys.stderr)
            for side in sides:
                # Before `rates`, which takes some memory itself.
                rows[side.name].setdefault("memory", side.memory())
            if sides[0].name == OURS:
                rates.append(sides[0].ask(rates=0))
            sides = (
                sides[1:] + sides[:1]
                if len(sides) < 2
                else [sides[0], *sides[2:], sides[1]]
            )
    finally:
        for side in sides:
            side.close()
    return list(rows.values()), rates


def warm_up(epoch):
    """Numbers of batches: one of each shape, if they are few."""
    shapes = list(epoch.shapes.values())
    return shapes if len(shapes) <= 16 else shapes[:5]


def ratios(row, other):
    """`(median, low, high)` of how many times as fast a row is, by rounds."""
    found = [
        one / two
        for one, two in zip(row["tokens"], other["tokens"], strict=True)
    ]
    if len(found) < 2:
        return found[0], found[0], found[0]
    low, _, high = statistics.quantiles(found, n=4)
    return statistics.median(found), low, high


def fastest_peer(rows):
    peers = [row for row in rows if row["name"] != OURS]
    return max(
        peers, key=lambda row: statistics.median(row["tokens"]), default=None
    )


def print_rows(score, rows):
    ours = next((row for row in rows if row["name"] == OURS), None)
    print(
        f"\n| {score} | tokens/s | ours is ... times as fast (quartiles) | "
        "seconds to first step | to all shapes | peak memory | last loss |\n"
        "|---|---|---|---|---|---|---|"
    )
    for row in rows:
        ratio = "-"
        if ours is not None and row is not ours:
            median, low, high = ratios(ours, row)
            ratio = f"**{median:.2f}** ({low:.2f}-{high:.2f})"
        cells = [
            f"{row['name']} ({row['about']['mode']})",
            f"{statistics.median(row['tokens']):,.0f}",
            ratio,
            f"{row['first']:.0f}",
            f"{row['ready']:.0f}",
            f"{row['memory'] / 2**20:,.0f} MiB",
            f"{row['losses'][-1]:.2f}",
        ]
        print("| " + " | ".join(cells) + " |", flush=True)


def parse(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", required=True, help="folder of Multi30k")
    parser.add_argument(
        "--peer",
        action="append",
        default=[],
        metavar="NAME=PYTHON",
        help=f"NAME of {[name for name in SCRIPTS if name != OURS]}; may recur",
    )
    parser.add_argument(
        "--sides", help="only these, separated by commas (such as ours,JoeyNMT)"
    )
    parser.add_argument(
        "--score", action="append", choices=SCORES, help="may recur"
    )
    parser.add_argument(
        "--steps", type=int, help="after warm-up (default 60; quick 12)"
    )
    parser.add_argument(
        "--quick", action="store_true", help="fewer steps, additive only"
    )
    parser.add_argument(
        "--check", action="store_true", help="exit with 1 if a bar is missed"
    )
    parser.add_argument(
        "--batches",
        choices=("own", "same"),
        default="own",
        help="each side's own (the default), or ours for all",
    )
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=6)
    arguments = parser.parse_args(argv)
    arguments.sides = _sides(parser, arguments)
    if arguments.steps is None:
        arguments.steps = 12 if arguments.quick else 60
    if arguments.steps < 1 or arguments.rounds < 1:
        parser.error("--steps and --rounds must be positive")
    if arguments.score is None:
        arguments.score = SCORES[:1] if arguments.quick else SCORES
    if arguments.check and len(arguments.sides) < 2:
        parser.error("--check needs ours and a --peer")
    return arguments


def _sides(parser, arguments):
    """Returns the sides to run: names to Pythons, ours first."""
    sides = {OURS: None}
    for peer in arguments.peer:
        name, found, python = peer.partition("=")
        if name not in SCRIPTS or name == OURS or not found:
            parser.error(f"--peer {peer!r} is not NAME=PYTHON of a known NAME")
        sides[name] = python
    if arguments.sides is not None:
        wanted = arguments.sides.split(",")
        for name in wanted:
            if name not in sides:
                parser.error(f"--sides {name!r}: choose from {list(sides)}")
        sides = {name: sides[name] for name in sides if name in wanted}
    return sides


def main(argv=None):
    arguments = parse(argv)
    print(measure.circumstances(arguments.threads), flush=True)
    data = training_data.read(arguments.data, arguments.batch_size)
    sizes = Sizes(
        source_vocabulary=data.source_vocabulary,
        target_vocabulary=data.target_vocabulary,
    )
    print(f"{sizes}, Adam, float32.")
    epochs = {
        name: own_batches(name, data, arguments.batch_size)
        if arguments.batches == "own"
        else data
        for name in arguments.sides
    }
    for name, epoch in epochs.items():
        print(f"{name}: {epoch.describe()}.", flush=True)
    bars = bars_module.Bars()
    with tempfile.TemporaryDirectory() as folder:
        for name, epoch in epochs.items():
            path = Path(folder) / f"{name}.npz"
            training_worker.save_batches(path, epoch.batches)
        for score in arguments.score:
            rows, rates = run_score(
                score, epochs, Path(folder), sizes, arguments
            )
            print_rows(score, rows)
            if rates:
                reckoning.show(score, sizes, data, rows[0], rates)
            peer = fastest_peer(rows)
            if peer is not None and OURS in arguments.sides:
                median, _, _ = ratios(rows[0], peer)
                what = f"{score}, beside {peer['name']}"
                bars.at_least(what, median, AHEAD)
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    print(f"\nLoad averages after: {load}.\n")
    if len(arguments.sides) < 2:
        return 0
    bars.show()
    return 1 if arguments.check and bars.missed else 0


if __name__ == "__main__":
    sys.exit(main())
