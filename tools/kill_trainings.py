"""Kills trainings at random times and compares what becomes of them.

    python tools/kill_trainings.py --kills 20

One training is left alone. Others of the same recipe get SIGKILL at random
times, every other time while a checkpoint is being written, and are resumed;
each that ends must have the weights, optimizer and random states of the
first, bit for bit.
`--default-mode` trains as users do, with XLA, and says how far apart they are.
Exit status 1 where they are further apart than `--tolerance`.
"""

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import numpy as np  # noqa: E402

import pipelines.tasks  # noqa: E402, F401 (now, not in each process)
from pipelines import recipe as recipes  # noqa: E402
from pipelines.train import train  # noqa: E402
from pipelines.training.checkpoints import load_training  # noqa: E402
from tests.pipelines.command_line import good_lines  # noqa: E402


def make_recipe(folder: Path, assignments: list[str], default_mode: bool):
    """A recipe with dropout, a moving average, and several lengths."""
    lines = good_lines(48)
    for index in range(0, len(lines), 3):  # Some shorter, for a second bucket.
        source, target = lines[index].split("\t")
        lines[index] = f"{source.split()[0]} {index}\t{target.split()[0]}"
    (folder / "pairs.tsv").write_text("\n".join(lines) + "\n")
    recipe = recipes.from_dict(
        {
            "name": "kills",
            "data": {
                "folder": str(folder),
                "train": "pairs.tsv",
                "validation": "pairs.tsv",
                "test": "pairs.tsv",
                "tokenizer": "whitespace",
            },
            "model": {"units": 8, "embedding_dim": 8, "dropout": 0.3},
            "training": {
                "epochs": 4,
                "learning_rate": 0.01,
                "warmup_steps": 3,
                "batch_size": 8,
                "num_buckets": 2,
                "average": 0.9,
                "patience": 0,
                "save_every_steps": 1,
                "deterministic": not default_mode,
            },
            "monitoring": {"tensorboard": False},
        }
    )
    return recipes.override(recipe, assignments)


def start(recipe, run_dir: Path) -> int:
    """Trains in a process of its own, which has all imported already."""
    process = os.fork()
    if process:
        return process
    status = 1
    try:
        with open(run_dir.with_suffix(".log"), "a") as log:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
        train(recipe, run_dir)
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def wait(process: int, seconds: float) -> int | None:
    """Returns the exit status, or None if it is running still."""
    end = time.monotonic() + seconds
    while True:
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > end:
            return None
        time.sleep(0.005)


def wait_for_writing(process: int, run_dir: Path, number: int) -> int | None:
    """Waits until a checkpoint is being written, for the so-manieth time."""
    seen = False
    while number:
        status = wait(process, 0)
        if status is not None:
            return status
        half = writes(run_dir)
        number -= half and not seen
        seen = half
    return None


def writes(run_dir: Path) -> bool:
    """Whether a checkpoint is being written, or was."""
    return any(
        (run_dir / f".writing.{name}.keras").exists()
        for name in ("last", "best")
    )


def read(run_dir: Path) -> dict[str, np.ndarray]:
    """All that a training leaves behind, as arrays."""
    import keras

    model, progress = load_training(run_dir / "last.keras")
    best = keras.saving.load_model(run_dir / "best.keras", compile=False)
    arrays = {"best perplexity": np.array(progress.best_perplexity)}
    for part, variables in (
        ("last", model.variables),
        ("optimizer", model.optimizer.variables),
        ("best", best.weights),
    ):
        for number, one in enumerate(variables):
            name = f"{part} {number} {one.path}"
            arrays[name] = keras.ops.convert_to_numpy(one)
    return arrays


def largest_difference(one: np.ndarray, other: np.ndarray) -> float:
    """Infinite where it is not a number, or where shapes differ."""
    if one.shape != other.shape:
        return float("inf")
    difference = np.abs(one.astype(float) - other.astype(float))
    return float(np.nan_to_num(difference, nan=np.inf).max(initial=0.0))


def compare(run_dir: Path, left_alone: Path) -> float:
    """The largest difference of two trainings; in a process of its own."""
    reader, writer = os.pipe()
    process = os.fork()
    if not process:
        difference = float("inf")
        try:
            one, other = read(run_dir), read(left_alone)
            # Names are counted on within a process.
            difference = max(
                map(largest_difference, one.values(), other.values())
            )
            if len(one) != len(other):
                difference = float("inf")
        except BaseException:
            traceback.print_exc()
        finally:
            os.write(writer, repr(difference).encode())
            os._exit(0)
    os.waitpid(process, 0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        return float(pipe.read())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--default-mode", action="store_true")
    parser.add_argument("--tolerance", type=float, default=0.0)
    parser.add_argument("--set", action="append", default=[], dest="assign")
    options = parser.parse_args()
    chooser = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        recipe = make_recipe(folder, options.assign, options.default_mode)
        began = time.monotonic()
        alone = folder / "alone"
        if wait(start(recipe, alone), 3600):
            print(alone.with_suffix(".log").read_text())
            return 1
        seconds = time.monotonic() - began
        print(f"Left alone, a training takes {seconds:.1f} s.")
        killed = writing = ended = 0
        worst = 0.0
        while killed < options.kills or (folder / "killed").exists():
            run_dir = folder / "killed"
            process = start(recipe, run_dir)
            status = None
            if killed == options.kills:
                delay = 3600.0
            elif killed % 2:
                status = wait_for_writing(
                    process, run_dir, chooser.randint(1, 8)
                )
                delay = chooser.uniform(0, 0.1)
            else:
                delay = chooser.uniform(0, seconds)
            if status is None:
                status = wait(process, delay)
            if status is None:
                os.kill(process, signal.SIGKILL)
                os.waitpid(process, 0)
                killed += 1
                half = writes(run_dir)
                writing += half
                print(
                    f"Kill {killed}"
                    + (", in the middle of a checkpoint." if half else "."),
                    flush=True,
                )
                continue
            if status:
                print(run_dir.with_suffix(".log").read_text())
                return 1
            ended += 1
            worst = max(worst, compare(run_dir, alone))
            shutil.rmtree(run_dir)
        print(
            f"{killed} kills, {writing} of them while a checkpoint was being "
            f"written; {ended} trainings resumed and ended. The largest "
            f"difference to the one left alone: {worst:g}."
        )
        return int(not ended or worst > options.tolerance)


if __name__ == "__main__":
    sys.exit(main())
