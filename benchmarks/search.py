"""Search beside that of tensorflow-addons: sentences per second.

    python benchmarks/search.py --peer-python PATH          # all, 5 minutes
    python benchmarks/search.py --peer-python PATH --quick  # a first look
    python benchmarks/search.py --peer-python PATH --check  # fail on a bar
    python benchmarks/search.py                             # ours alone

PATH is the Python of an environment with tensorflow-addons; README.md says
how to make one. Both sides have the same random weights, whose model never
ends a sentence, and search the same sources for exactly 20 steps; the tokens
of both are compared. Each side runs in a process of its own and waits while
the other one is timed, in turn; what counts is the median of the rounds'
ratios, each side in the fastest of its modes: a `tf.function`, with XLA or
without. Ours returns alignments too, the peer does not.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import bars as bars_module
import measure
import numpy as np
import search_sides as sides
import tensorflow as tf

MODES = {"graph": False, "XLA": True}
QUANTIZED = {"LiteRT": "none", "LiteRT int8": "int8"}
STEPS, SOURCE_LEN, BEAM = 20, 20, 5
CASES = [
    sides.Case(beam, batch, STEPS, SOURCE_LEN)
    for batch in (32, 1)
    for beam in (1, BEAM)
]
# At least so many times as fast as the peer.
AHEAD, AHEAD_ON_DEVICE = 1.0, 3.0
LEAST_ROUND = 0.1  # seconds; shorter calls are timed several at a time


class Side:
    """The modes of one side in one case: names to functions of a number of
    calls, which return the seconds that these take."""

    def __init__(self, modes):
        self.modes = modes

    def fastest(self, names, budget):
        """Returns the name of the fastest mode, warm."""
        if len(names) == 1:
            return names[0]
        times = {name: [] for name in names}
        while sum(map(sum, times.values())) < budget or not all(
            len(one) > 1 for one in times.values()
        ):
            for name in names:
                times[name].append(self.modes[name](1))
        return min(times, key=lambda name: min(times[name]))


def our_side(model, case, source, files, threads):
    """Returns our `Side`, and the tokens of each mode."""
    functions = {
        name: sides.our_function(model, case, source, jit_compile)
        for name, jit_compile in MODES.items()
    }
    if case.batch == 1:
        for name, path in files.items():
            function = sides.lite_rt_function(path, case, source, threads)
            if function is not None:
                functions[name] = function
    tokens = {name: function() for name, function in functions.items()}
    modes = {
        name: lambda calls, function=function: sides.seconds(function, calls)
        for name, function in functions.items()
    }
    return Side(modes), tokens


def peer_side(peer, case, source):
    """Returns the peer's `Side`, and its tokens."""
    modes = {}
    for name, jit_compile in MODES.items():
        key = f"{case.name}, {name}"
        try:
            tokens = peer.prepare(key, case, source, jit_compile)
        except RuntimeError as error:
            if not jit_compile:
                raise
            print(f"{case.name}: no XLA. {error}"[:200], file=sys.stderr)
            continue
        modes[name] = lambda calls, key=key: peer.seconds(key, calls)
    return Side(modes), tokens


def compare(ours, ours_mode, peer, peer_mode, budget):
    """Returns the `Ratio` of two modes, timed in turn."""
    run, peer_run = ours.modes[ours_mode], peer.modes[peer_mode]
    calls = max(1, round(LEAST_ROUND / min(run(1), peer_run(1))))
    return measure.in_turn(
        lambda: run(calls) / calls, lambda: peer_run(calls) / calls, budget
    )


def same(tokens, other):
    """Share of the sentences whose tokens are all the same."""
    return float(np.mean((np.array(tokens) == np.array(other)).all(axis=1)))


def run_case(model, case, peer, files, arguments):
    """Returns the rows of one case: (case, our mode, ratio, ...)."""
    source = case.source(model.source_embedding.input_dim)
    ours, tokens = our_side(model, case, source, files, arguments.threads)
    chosen = ours.fastest(list(MODES), arguments.budget / 4)
    rest = [name for name in ours.modes if name not in MODES]
    if peer is None:
        return [
            (case, name, ours.modes[name](3) / 3, None, None, 1.0)
            for name in [*MODES, *rest]
        ]
    theirs, peer_tokens = peer_side(peer, case, source)
    peer_mode = theirs.fastest(list(theirs.modes), arguments.budget / 4)
    rows = []
    for name in [chosen, *rest]:
        ratio = compare(ours, name, theirs, peer_mode, arguments.budget)
        agreement = same(tokens[name], peer_tokens)
        rows.append((case, name, ratio.ours, peer_mode, ratio, agreement))
    return rows


def print_head():
    print(
        "| search | ours | sentences/s | peer | sentences/s "
        "| times as fast (quartiles) | same tokens |\n"
        "|---|---|---|---|---|---|---|"
    )


def print_rows(rows):
    for case, name, seconds, peer_mode, ratio, agreement in rows:
        cells = [case.name, name, f"{case.batch / seconds:.1f}"]
        if ratio is None:
            cells += ["-"] * 4
        else:
            cells += [
                peer_mode,
                f"{case.batch / ratio.peer:.1f}",
                f"**{ratio.median:.2f}** ({ratio.low:.2f}-{ratio.high:.2f})",
                f"{agreement:.0%}",
            ]
        print("| " + " | ".join(cells) + " |", flush=True)


def check(rows):
    """Returns the bars, kept or missed."""
    bars = bars_module.Bars()
    for case, name, _, _, ratio, _ in rows:
        if ratio is None:
            continue
        if name in MODES:
            bars.at_least(case.name, ratio.median, AHEAD)
        elif name == "LiteRT":
            what = f"{case.name}, {name}"
            bars.at_least(what, ratio.median, AHEAD_ON_DEVICE)
    return bars


def parse(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--peer-python",
        help="Python of an environment with tensorflow-addons",
    )
    parser.add_argument(
        "--case", action="append", help="such as 'greedy, batch 1'; may recur"
    )
    parser.add_argument(
        "--quick", action="store_true", help="less time for each case"
    )
    parser.add_argument(
        "--check", action="store_true", help="exit with 1 if a bar is missed"
    )
    parser.add_argument(
        "--no-litert", action="store_true", help="without the LiteRT files"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--budget",
        type=float,
        help="seconds of measuring for each row (default 20; quick 4)",
    )
    arguments = parser.parse_args(argv)
    if arguments.budget is None:
        arguments.budget = 4.0 if arguments.quick else 20.0
    names = [case.name for case in CASES]
    for name in arguments.case or ():
        if name not in names:
            parser.error(f"--case {name!r}: choose from {names}")
    if arguments.check and not arguments.peer_python:
        parser.error("--check needs --peer-python")
    return arguments


def main(argv=None):
    arguments = parse(argv)
    threads = arguments.threads
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    sizes = sides.Sizes()
    model = sides.make_model(sizes)
    print(measure.circumstances(threads), flush=True)
    peer, files, rows = None, {}, []
    with tempfile.TemporaryDirectory() as folder:
        if not arguments.no_litert:
            for name, quantize in QUANTIZED.items():
                files[name] = Path(folder) / f"{quantize}.tflite"
                one = sides.Case(BEAM, 1, STEPS, SOURCE_LEN)
                sides.export_lite_rt(model, files[name], one, quantize)
        if arguments.peer_python:
            weights = Path(folder) / "weights.npz"
            np.savez(weights, **sides.weights_for_the_peer(model))
            peer = sides.Peer(arguments.peer_python, threads)
            print(f"Peer: {peer.load(weights, sizes)}.", flush=True)
        print(f"{sizes}, {STEPS} steps, random weights.\n", flush=True)
        print_head()
        try:
            for case in CASES:
                if arguments.case is None or case.name in arguments.case:
                    found = run_case(model, case, peer, files, arguments)
                    print_rows(found)
                    rows += found
        finally:
            if peer is not None:
                peer.close()
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    print(f"\nLoad averages after: {load}.\n")
    if peer is None:
        return 0
    bars = check(rows)
    bars.show()
    return 1 if arguments.check and bars.missed else 0


if __name__ == "__main__":
    sys.exit(main())
