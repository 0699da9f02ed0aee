"""Attention layers beside those of Keras: time and peak memory.

    python benchmarks/attention_layers.py                  # all, 4 minutes
    python benchmarks/attention_layers.py --quick          # a first look
    python benchmarks/attention_layers.py --section growth --plot cost.png
    python benchmarks/attention_layers.py --check          # fail on a bar

Time: both sides in one process, called in turn after a warm-up, each compiled
with XLA or not, whichever is faster for it; the median and the quartiles of
the rounds' ratios. Memory: each side in a process of its own, the peak of the
resident set in a call, above what it was before, with everything imported,
built and compiled. `benchmarks/README.md` says more.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import bars as bars_module
import keras
import measure
import sides
import steps
import tensorflow as tf

KINDS = ("forward", "training")
TITLES = {"forward": "forward", "training": "forward + backward"}
MODES = {True: "XLA", False: "graph"}
MEGABYTE = 2**20

LARGE = sides.Shape(8, 512, 512, 256)
WIDE = sides.Shape(64, 32, 64, 512)
SQUARE = sides.Shape(8, 1024, 1024, 256)
BATCH = sides.Shape(512, 32, 64, 512)  # of a decoder that is taught
CASES = {
    "additive": [
        ("additive", LARGE),
        ("additive", WIDE),
    ],
    "luong": [
        ("luong_dot", SQUARE),
        ("luong_dot", BATCH),
        ("luong_general", SQUARE),
        ("luong_general", BATCH),
    ],
}
GROWTH_SHAPE = sides.Shape(4, 128, 0, 256)
GROWTH_LENGTHS = (32, 128, 512, 1024, 2048, 4096)
GROWTH_LAYERS = ("additive", "luong_general")
SECTIONS = ("additive", "luong", "step", "growth")


def compare(name, shape, kind, budget):
    """Returns the `Ratio` of one case, and each side's faster mode."""
    modes, chosen = {}, {}
    for side in sides.SIDES:
        candidates = {
            jit: sides.functions(name, side, shape, jit)[kind] for jit in MODES
        }
        modes[side] = measure.fastest(candidates, budget / 4)
        chosen[side] = candidates[modes[side]]
    return measure.interleaved(*chosen.values(), budget), modes


def peak(name, side, shape, kind, jit_compile, threads):
    """Returns the peak memory of one call, in a process of its own."""
    if not sys.platform.startswith("linux"):
        return None
    job = json.dumps([name, side, shape, kind, jit_compile])
    command = [sys.executable, __file__, "--job", job]
    answer = subprocess.run(
        [*command, "--threads", str(threads)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return int(answer.stdout.splitlines()[-1])


def run_job(job):
    name, side, shape, kind, jit_compile = json.loads(job)
    function = sides.functions(name, side, sides.Shape(*shape), jit_compile)
    print(measure.peak_memory(function[kind], jit_compile))


def one_case(name, shape, kind, arguments):
    """Returns the row of a case as a dictionary."""
    ratio, modes = compare(name, shape, kind, arguments.budget)
    keras.backend.clear_session()
    ours, peer = (
        peak(name, side, shape, kind, modes[side], arguments.threads)
        for side in sides.SIDES
    )
    share = ours / max(1, peer) if ours is not None else None
    return {
        "name": name,
        "shape": tuple(shape),
        "kind": kind,
        "ratio": ratio,
        "modes": modes,
        "memory": (ours, peer),
        "share": share,
    }


def print_rows(rows):
    print(
        "| layer | batch, target, source, units | pass | ours | Keras "
        "| times as fast (quartiles) | ours, peak | Keras, peak | share |\n"
        "|---|---|---|---|---|---|---|---|---|"
    )
    for row in rows:
        ratio, modes = row["ratio"], row["modes"]
        cells = [
            row["name"],
            ", ".join(str(one) for one in row["shape"]),
            TITLES[row["kind"]],
            f"{1e3 * ratio.ours:.0f} ms ({MODES[modes['ours']]})",
            f"{1e3 * ratio.peer:.0f} ms ({MODES[modes['peer']]})",
            f"**{ratio.median:.2f}** ({ratio.low:.2f}-{ratio.high:.2f})",
            *(megabytes(one) for one in row["memory"]),
            "-" if row["share"] is None else f"**{row['share']:.3f}**",
        ]
        print("| " + " | ".join(cells) + " |")
    print(flush=True)


def megabytes(count):
    return "-" if count is None else f"{count / MEGABYTE:.0f} MB"


def run_cases(cases, arguments):
    rows = [
        one_case(name, shape, kind, arguments)
        for name, shape in cases
        for kind in KINDS
    ]
    print_rows(rows)
    return rows


def run_growth(arguments):
    lengths = GROWTH_LENGTHS[::2] if arguments.quick else GROWTH_LENGTHS
    rows = run_cases(
        [
            (name, GROWTH_SHAPE._replace(source_len=length))
            for name in GROWTH_LAYERS
            for length in lengths
        ],
        arguments,
    )
    if arguments.plot:
        import plot

        plot.growth(rows, arguments.plot, KINDS, TITLES)
        print(f"Plotted to {arguments.plot}.\n")
    return rows


def parse(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--section", action="append", choices=SECTIONS, help="default: all"
    )
    parser.add_argument(
        "--quick", action="store_true", help="less time for each case"
    )
    parser.add_argument(
        "--check", action="store_true", help="exit with 1 if a bar is missed"
    )
    parser.add_argument("--plot", help="where to draw the growth section")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--budget",
        type=float,
        help="seconds of measuring for each case (default 4; quick 1)",
    )
    parser.add_argument("--job", help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if arguments.budget is None:
        arguments.budget = 1.0 if arguments.quick else 4.0
    return arguments


def main(argv=None):
    arguments = parse(argv)
    tf.config.threading.set_intra_op_parallelism_threads(arguments.threads)
    if arguments.job:
        run_job(arguments.job)
        return 0
    print(measure.circumstances(arguments.threads) + "\n", flush=True)
    bars = bars_module.Bars()
    for section in arguments.section or SECTIONS:
        print(f"## {section}\n", flush=True)
        if section == "growth":
            bars.of_growth(run_growth(arguments))
        elif section == "step":
            bars.of_steps(*steps.run(arguments))
        else:
            rows = run_cases(CASES[section], arguments)
            differences = [
                (name, shape, sides.difference(name, shape, jit_compile=True))
                for name, shape in CASES[section]
            ]
            bars.of_cases(section, rows, differences)
    bars.show()
    return 1 if arguments.check and bars.missed else 0


if __name__ == "__main__":
    sys.exit(main())
