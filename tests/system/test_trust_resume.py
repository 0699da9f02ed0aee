"""A training that goes on from any checkpoint ends as if left alone."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from tensorflow.python.framework.config import disable_op_determinism

from pipelines import recipe as recipes
from pipelines.errors import UserError
from pipelines.run import BEST, LAST, load
from pipelines.train import train
from pipelines.training.checkpoints import load_training
from tests.pipelines.command_line import good_lines

pytestmark = pytest.mark.slow  # They train, several times each.

ROOT = Path(__file__).resolve().parents[2]
EPOCHS, BATCHES = 2, 4


@pytest.fixture(autouse=True)
def no_determinism_afterwards():
    """It is a switch of the whole process."""
    yield
    disable_op_determinism()


class KeepCheckpoint(keras.callbacks.Callback):
    """Keeps a copy of the run folder as it was after a batch."""

    def __init__(self, folder, copy, after):
        super().__init__()
        self.folder, self.copy, self.after = folder, copy, after

    def on_train_batch_end(self, batch, logs=None):
        self.after -= 1
        if not self.after:
            shutil.copytree(self.folder, self.copy)


def make_recipe(folder, *assignments):
    lines = good_lines(8 * BATCHES)
    (folder / "pairs.tsv").write_text("\n".join(lines) + "\n")
    recipe = recipes.from_dict(
        {
            "data": {
                "folder": str(folder),
                "train": "pairs.tsv",
                "validation": "pairs.tsv",
                "test": "pairs.tsv",
                "tokenizer": "whitespace",
            },
            "model": {"units": 5, "embedding_dim": 3, "dropout": 0.3},
            "training": {
                "epochs": EPOCHS,
                "batch_size": 8,
                "num_buckets": 1,
                "learning_rate": 0.01,
                "warmup_steps": 2,
                "save_every_steps": 1,
                "deterministic": True,
                "jit_compile": False,
            },
            "monitoring": {"tensorboard": False},
        }
    )
    return recipes.override(recipe, assignments)


def all_states(run_dir):
    model, progress = load_training(run_dir / LAST)
    variables = (*model.variables, *model.optimizer.variables)
    arrays = [keras.ops.convert_to_numpy(one) for one in variables]
    return arrays, progress


@pytest.mark.parametrize(
    ("assignments", "after"),
    [
        # Dropout's random numbers, in mid-epoch.
        ([], 3),
        # Half of an accumulated step, and its moving average.
        (["training.accumulate=2", "training.average=0.6"], 5),
        # All of the epoch but its validation, after which the rate falls,
        # and samples of hard attention.
        (
            [
                "model.normalizer=reinforce",
                "training.schedule=plateau",
                "training.average_last=2",
            ],
            BATCHES,
        ),
        # Two optimizers, of which the inner one keeps the average.
        (["training.precision=mixed_float16", "training.average=0.6"], 3),
        # A file that is read anew, with a buffer smaller than the file.
        (["data.stream=true", "data.shuffle_buffer=7"], BATCHES + 2),
    ],
    ids=["dropout", "averages", "plateau", "float16", "stream"],
)
def test_a_resumed_training_ends_with_the_same_bits(
    assignments, after, tmp_path
):
    recipe = make_recipe(tmp_path, *assignments)
    alone, resumed = tmp_path / "alone", tmp_path / "resumed"
    left_alone = train(
        recipe,
        alone,
        extra_callbacks=[KeepCheckpoint(alone, resumed, after)],
    )
    _, progress = load_training(resumed / LAST)
    assert (progress.epoch * BATCHES + progress.batch) == after
    keras.utils.set_random_seed(99)  # Nothing may depend on what was before.
    run = train(recipe, resumed)
    (first, one), (second, other) = all_states(alone), all_states(resumed)
    assert one.epoch == other.epoch == EPOCHS
    assert one.best_perplexity == other.best_perplexity
    assert one.best_epoch == other.best_epoch
    assert one.rate_scale == other.rate_scale
    for expected, found in zip(first, second, strict=True):
        np.testing.assert_array_equal(found, expected)
    for expected, found in zip(
        left_alone.model.get_weights(), run.model.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(found, expected)


def test_an_interrupt_waits_for_the_end_of_the_batch(tmp_path):
    """The signal comes when the step is made and not yet counted."""
    recipe = make_recipe(tmp_path)
    train(recipe, tmp_path / "alone")

    class Interrupt(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            if batch == 2:
                signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt, match="goes on with the training"):
        train(recipe, tmp_path / "run", extra_callbacks=[Interrupt()])
    _, progress = all_states(tmp_path / "run")
    assert (progress.epoch, progress.batch) == (0, 3)
    train(recipe, tmp_path / "run")
    (first, _), (second, _) = (
        all_states(tmp_path / name) for name in ("alone", "run")
    )
    for expected, found in zip(first, second, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_a_damaged_or_foreign_checkpoint_is_one_sentence(tmp_path):
    recipe = make_recipe(tmp_path, "training.epochs=1")
    train(recipe, tmp_path / "run")
    last = tmp_path / "run" / LAST
    whole = last.read_bytes()
    size = len(whole)
    foreign = keras.Sequential([keras.layers.Dense(1)])
    foreign.build((1, 1))
    foreign.save(tmp_path / "foreign.keras")
    damaged = [whole[: size * part // 7] for part in range(7)]
    damaged.append(whole[: size // 2] + b"\0" * 99 + whole[size // 2 + 99 :])
    damaged.append(b"PK\x03\x04 no archive")
    damaged.append((tmp_path / "foreign.keras").read_bytes())
    damaged.append((tmp_path / "run" / "best.keras").read_bytes())
    for content in damaged:
        last.write_bytes(content)
        with pytest.raises(UserError, match="Cannot resume from") as caught:
            train(recipe, tmp_path / "run")
        assert str(last) in str(caught.value)
        assert "\n" not in str(caught.value)
        assert last.read_bytes() == content


def test_files_of_another_run(tmp_path):
    recipe = make_recipe(tmp_path, "training.epochs=1")
    train(recipe, tmp_path / "run")
    for name, assignment in (
        ("seed", "training.seed=9"),
        ("words", "data.target_vocabulary=9"),
    ):
        other = recipes.override(recipe, [assignment])
        train(other, tmp_path / name)
        content = (tmp_path / name / LAST).read_bytes()
        shutil.copy(tmp_path / "run" / LAST, tmp_path / name / LAST)
        with pytest.raises(UserError, match="checkpoint of another training"):
            train(other, tmp_path / name)
        # A run folder that was moved is the same run.
        (tmp_path / name / LAST).write_bytes(content)
        (tmp_path / name).rename(tmp_path / f"{name}_moved")
        train(other, tmp_path / f"{name}_moved")
    best = tmp_path / "words_moved" / BEST
    shutil.copy(tmp_path / "run" / BEST, best)
    with pytest.raises(UserError, match="is of another run: its target_emb"):
        load(tmp_path / "words_moved")
    best = tmp_path / "run" / BEST
    whole = bytearray(best.read_bytes())
    for place in (len(whole) // 3, len(whole) // 2):
        whole[place] ^= 1
        best.write_bytes(whole)
        with pytest.raises(UserError, match="it is damaged or from another"):
            load(tmp_path / "run")
        whole[place] ^= 1
    best.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="it is damaged or from another"):
        load(tmp_path / "run")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--kills=2"],
        # With XLA, as users train.
        ["--kills=1", "--default-mode", "--tolerance=1e-4"],
    ],
    ids=["deterministic", "default"],
)
def test_killed_trainings(arguments):
    subprocess.run(
        [sys.executable, ROOT / "tools" / "kill_trainings.py", *arguments],
        check=True,
        timeout=900,
    )
