"""A loss that is not a number stops a training and spoils no checkpoint."""

import re
import types

import keras
import numpy as np
import pytest

from pipelines import tokenizers
from pipelines.data.batches import EpochBatches
from pipelines.data.corpus import read_parallel, split
from pipelines.errors import UserError
from pipelines.recipe_sections import TrainingRecipe
from pipelines.run import LAST
from pipelines.train import train
from pipelines.training.callbacks import Checkpoints
from pipelines.training.checkpoints import (
    Progress,
    load_training,
    not_a_number,
    save_training,
)
from tests.system.test_trust_resume import make_recipe

WORDS = "abcdefghijklmnopqrstuvw"


@pytest.fixture
def numbered(tmp_path):
    """Every line has a word of its own; two lines are bad, two too long."""
    lines = [f"{word}\t{word} {word}" for word in WORDS]
    lines[4] = "no tab"
    lines[9] = "\tno source"
    lines[11] = "l l l l l l l l\tl"
    lines[20] = "u\tu u u u u u u u"
    path = tmp_path / "pairs.tsv"
    path.write_text("\n".join(lines) + "\n")
    return path


def line_numbers(corpus, epoch, **options):
    """The lines of each batch as its tokens say, and as the batches say."""
    tokenizer = tokenizers.train([" ".join(WORDS)], 40, "whitespace")
    data = EpochBatches(
        corpus,
        tokenizer,
        tokenizer,
        batch_size=4,
        max_source_len=6,
        max_target_len=6,
        **options,
    )
    read, said = [], []
    for number, (inputs, _, _) in enumerate(data.epoch(epoch)):
        words = [
            tokenizer.pieces([row[0]])[0] for row in inputs["source"].numpy()
        ]
        read.append(sorted(WORDS.index(w) + 1 for w in words if w in WORDS))
        said.append(data.lines(epoch, number))
    return read, said


@pytest.mark.parametrize("epoch", [0, 2])
@pytest.mark.parametrize("shuffle", [False, True])
def test_batches_know_their_lines(numbered, epoch, shuffle):
    corpus = read_parallel(numbered)
    read, said = line_numbers(corpus, epoch, shuffle=shuffle)
    assert read == said
    # Lines 5 and 10 are bad, 12 and 21 too long.
    every = set(range(1, len(WORDS) + 1)) - {5, 10, 12, 21}
    assert sorted(sum(said, [])) == sorted(every)


def test_parts_of_a_file_know_their_lines(numbered):
    for part in split(read_parallel(numbered), 3, 3):
        read, said = line_numbers(part, 1)
        assert read == said and sum(said, [])
    first = read_parallel(numbered).first(5)
    read, said = line_numbers(first, 0)
    assert sorted(sum(said, [])) == [1, 2, 3, 4, 6] and read == said


class BreakWeights(keras.callbacks.Callback):
    """Makes a weight infinite before a batch; notes the words it holds."""

    def __init__(self, batch):
        super().__init__()
        self.batch = batch

    def on_train_batch_begin(self, batch, logs=None):
        if batch == self.batch:
            weights = self.model.trainable_variables[0]
            weights.assign(np.full(weights.shape, np.nan))


@pytest.mark.slow
def test_a_loss_that_is_not_a_number(tmp_path):
    # Not in the deterministic mode, which is a switch of the whole process.
    recipe = make_recipe(tmp_path, "training.deterministic=false")
    run_dir = tmp_path / "run"
    with pytest.raises(UserError) as caught:
        train(recipe, run_dir, extra_callbacks=[BreakWeights(2)])
    said = str(caught.value)
    assert "The loss is nan at step 3 (epoch 1, batch 3)" in said
    assert str(run_dir / LAST) in said
    lists = re.findall(r"lines (\d+(?:, \d+)*)", said)
    now, before = ([int(n) for n in one.split(", ")] for one in lists)
    assert len(now) == len(before) == 8 and not {*now} & {*before}
    model, progress = load_training(run_dir / LAST)
    assert (progress.epoch, progress.batch) == (0, 2)
    assert not_a_number(model) == ""


class BreakOptimizer(keras.callbacks.Callback):
    """Spoils what a batch makes of the weights, but not its loss."""

    def __init__(self, batch):
        super().__init__()
        self.batch = batch

    def on_train_batch_begin(self, batch, logs=None):
        if batch == self.batch:
            moment = self.model.optimizer.variables[-1]
            moment.assign(np.full(moment.shape, np.inf))


@pytest.mark.slow
@pytest.mark.parametrize(("batch", "every"), [(1, 2), (3, 0)])
def test_weights_that_break_at_a_checkpoint(tmp_path, batch, every):
    recipe = make_recipe(
        tmp_path,
        "training.deterministic=false",
        f"training.save_every_steps={every}",
    )
    with pytest.raises(UserError) as caught:
        train(recipe, tmp_path / "run", extra_callbacks=[BreakOptimizer(batch)])
    said = str(caught.value)
    assert f"at step {batch + 1} (epoch 1, batch {batch + 1}), with" in said
    assert "are not finite" in said and "There is no checkpoint yet" in said


def test_all_batches_of_an_accumulated_step_are_named(tmp_path):
    batches = types.SimpleNamespace(
        num_batches=9, name="pairs", lines=lambda epoch, batch: [9 - batch]
    )
    for accumulate, before in ((1, "6"), (2, "6, 7"), (8, "6, 7, 8, 9")):
        callback = Checkpoints(
            tmp_path,
            Progress(batch=4),
            TrainingRecipe(accumulate=accumulate),
            batches,
        )
        with pytest.raises(UserError) as caught:
            callback.on_train_batch_end(4, {"loss": float("nan")})
        assert "with lines 5 of the training data" in str(caught.value)
        assert f"the weights, had lines {before}. " in str(caught.value)


def test_weights_that_are_not_numbers_are_never_saved(tmp_path):
    model = keras.Sequential([keras.layers.Dense(1, name="last")])
    model.compile(keras.optimizers.Adam(), "mse")
    model.build((1, 2))
    path = tmp_path / LAST
    save_training(model, Progress(batch=7), path)
    good = path.read_bytes()
    model.optimizer.build(model.trainable_variables)
    for variables in (model.trainable_variables, model.optimizer.variables):
        variable = variables[-1]
        value = variable.numpy()
        variable.assign(np.full(variable.shape, np.inf))
        with pytest.raises(UserError, match="not finite any more"):
            save_training(model, Progress(batch=8), path)
        assert path.read_bytes() == good
        variable.assign(value)
    save_training(model, Progress(batch=8), path)
    assert load_training(path)[1].batch == 8
