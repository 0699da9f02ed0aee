"""What TensorBoard costs a training, as a share of its time.

    python benchmarks/monitoring.py runs/multi30k

Two models of a trained run train on the same batches in turn, one with
`pipelines.tensorboard.monitor.Monitor` and one without; then what the monitor
does after an epoch, and after the training, is timed by itself. From a trained
run, because translations of an untrained model are as long as they may be.
The share is of the steps alone: validation, checkpoints and compilation, which
make a training longer, are left out.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import sys
import tempfile
import time
from pathlib import Path

import bars as bars_module
import keras
import measure

BAR = 0.03  # of the training's time


class Stopwatch(keras.callbacks.Callback):
    """How long the steps of the last `fit` took, and what follows them."""

    def __init__(self, clock):
        super().__init__()
        self.clock = clock

    def on_epoch_begin(self, epoch, logs=None):
        self.start = self.clock()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds = self.clock() - self.start


def load_side(folder):
    """Returns a run whose model is compiled as training compiles it."""
    from pipelines import run as runs
    from pipelines import task as tasks
    from pipelines.train import _compile

    run = runs.load(folder)
    task = tasks.get(run.recipe.task)
    tokenizers = run.source_tokenizer, run.target_tokenizer
    batches = task.batches(run.recipe, run.corpus("train"), *tokenizers)
    _compile(run.model, run.recipe, batches)
    return run, batches


def make_monitor(run, batches, folder):
    """The monitor of a training, which looks only when it is told to."""
    from pipelines.evaluation import scoring
    from pipelines.search_options import SearchOptions
    from pipelines.tensorboard.monitor import Monitor

    class Untold(Monitor):
        def on_train_end(self, logs=None):
            """Each round of steps is a `fit`, whose end is none of these."""

    greedy = SearchOptions(beam_size=1)
    settings = dataclasses.replace(
        run.recipe.monitoring, every_epochs=10**9, embeddings=False
    )
    return Untold(
        folder,
        lambda texts: run.translate(texts, greedy),
        run.corpus("validation"),
        dataclasses.replace(run.recipe, monitoring=settings),
        score=lambda *pair: scoring.score(run, *pair),
        tokenizers=(run.source_tokenizer, run.target_tokenizer),
        num_target_tokens=batches.num_target_tokens,
    )


def time_steps(sides, steps, budget, clock):
    """Trains both sides in turn; returns the ratio of their times.

    Args:
        sides: `(run, batches, callbacks)` of the monitored and the plain one.
        steps: steps of a round.
        budget: seconds.
        clock: a function that returns seconds.
    """
    data = sides[0][1].epoch(0).take(steps).cache()
    watch = Stopwatch(clock)

    def fit(run, callbacks):
        run.model.fit(
            data, callbacks=[*callbacks, watch], shuffle=False, verbose=0
        )
        return watch.seconds

    monitored, plain = (
        lambda run=run, callbacks=callbacks: fit(run, callbacks)
        for run, _, callbacks in sides
    )
    for side in (monitored, plain):
        side()  # Compiles every shape.
    # How many times as long the monitored side takes.
    return measure.in_turn(plain, monitored, budget)


def time_looks(monitor, repeats, clock):
    """Seconds of the first look, which traces, and of a later one."""
    seconds = []
    for _ in range(repeats + 1):
        start = clock()
        monitor.look(0)
        seconds.append(clock() - start)
    return seconds[0], statistics.median(seconds[1:])


def time_embeddings(monitor, clock):
    """Seconds for what the projector shows, which comes once."""
    from pipelines.tensorboard.embeddings import token_embeddings
    from pipelines.tensorboard.log import TRAIN

    start = clock()
    found = token_embeddings(monitor.model, *monitor.tokenizers)
    monitor.log.embeddings(TRAIN, found)
    return clock() - start


def main(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("run", type=Path, help="a trained run's folder")
    parser.add_argument("--steps", type=int, default=20, help="of a round")
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--looks", type=int, default=3)
    parser.add_argument("--check", action="store_true", help="fail on the bar")
    parser.add_argument(
        "--processor-time",
        action="store_true",
        help="count what the processors did for this program alone: for a\n"
        "machine that does other work too",
    )
    arguments = parser.parse_args(argv)
    clock = time.perf_counter
    if arguments.processor_time:
        clock = time.process_time
    print(measure.circumstances("all"))
    with tempfile.TemporaryDirectory() as folder:
        run, batches = load_side(arguments.run)
        monitor = make_monitor(run, batches, folder)
        plain = (*load_side(arguments.run), [])
        ratio = time_steps(
            [(run, batches, [monitor]), plain],
            arguments.steps,
            arguments.seconds,
            clock,
        )
        first, look = time_looks(monitor, arguments.looks, clock)
        end = time_embeddings(monitor, clock)
    settings = run.recipe
    epochs = settings.training.epochs
    epoch = ratio.ours / arguments.steps * batches.num_batches
    looks = epochs // settings.monitoring.every_epochs
    training = epochs * epoch
    rows = [
        # What it seems to gain is the noise of the measuring.
        ("steps: loss and gradient norm", max(ratio.median - 1, 0.0)),
        (f"looks: {look:.1f} s, each {epoch:.0f} s", looks * look / training),
        (f"the first look: {first:.1f} s", max(first - look, 0) / training),
        (f"embeddings: {end:.1f} s", end / training),
    ]
    total = sum(share for _, share in rows)
    print(
        f"{settings.name}: {epochs} epochs of {batches.num_batches:,} steps, "
        f"{1000 * ratio.ours / arguments.steps:.0f} ms a step; with the "
        f"monitor {ratio.median:.4f} times as long (quartiles "
        f"{ratio.low:.4f} to {ratio.high:.4f})\n\n| what | share |\n|---|---|"
    )
    for what, share in [*rows, ("all", total)]:
        print(f"| {what} | {share:.2%} |")
    print()
    bars = bars_module.Bars()
    bars.at_most("monitoring, share of the training's time", total, BAR)
    bars.show()
    return 1 if arguments.check and bars.missed else 0


if __name__ == "__main__":
    sys.exit(main())
