"""Averaged weights, accumulated gradients, mixed precision, a tied output."""

import functools
import io
import types

import keras
import numpy as np
import pytest
import tensorflow as tf
from rich.console import Console

from pipelines import recipe as recipes
from pipelines import run as runs
from pipelines.errors import UserError
from pipelines.models.build import build_model
from pipelines.recipe_sections import ModelRecipe, TrainingRecipe
from pipelines.train import train
from pipelines.training.averaging import ValidateAverages, averaged
from pipelines.training.callbacks import (
    Checkpoints,
    PlateauRate,
    lower_after_plateau,
)
from pipelines.training.checkpoints import Progress, load_training
from pipelines.training.last_epochs import LastEpochs
from tests.pipelines.command_line import good_lines

MOMENTUM = 0.6


class Recorder(keras.callbacks.Callback):
    """Keeps the trained weights of every step, and those validated."""

    def __init__(self):
        super().__init__()
        self.steps, self.validated, self.rates = [], [], []

    def on_train_batch_begin(self, batch, logs=None):
        self.rates.append(float(self.model.optimizer.learning_rate))

    def on_train_batch_end(self, batch, logs=None):
        self.steps.append(self.trained())

    def on_test_begin(self, logs=None):
        self.validated.append(self.trained())

    def trained(self):
        return [one.numpy() for one in self.model.trainable_variables]


def run_training(folder, *assignments, callback=None, pairs=40):
    folder.mkdir(exist_ok=True)
    text = "".join(f"{line}\n" for line in good_lines(pairs))
    (folder / "pairs.tsv").write_text(text, encoding="utf-8")
    recipe = recipes.from_dict(
        {
            "name": "tiny",
            "data": {
                "folder": str(folder),
                "train": "pairs.tsv",
                "source_vocabulary": 40,
                "target_vocabulary": 40,
                "max_source_len": 16,
                "max_target_len": 16,
            },
            "model": {"units": 8, "embedding_dim": 8},
            "training": {
                "epochs": 2,
                "batch_size": 16,
                "num_buckets": 1,
                "jit_compile": False,
            },
            "monitoring": {"tensorboard": False},
        }
    )
    recipe = recipes.override(recipe, assignments)
    recorder = callback or Recorder()
    run = train(recipe, folder / "run", extra_callbacks=[recorder])
    return run, recorder


@pytest.mark.parametrize("precision", ["float32", "mixed_float16"])
def test_the_average_of_the_weights_is_validated_and_kept(precision, tmp_path):
    run, recorder = run_training(
        tmp_path,
        f"training.average={MOMENTUM}",
        f"training.precision={precision}",
    )
    average = recorder.steps[0]
    after = []
    for number, weights in enumerate(recorder.steps[1:], start=2):
        average = [
            MOMENTUM * old + (1 - MOMENTUM) * new
            for old, new in zip(average, weights, strict=True)
        ]
        if number % (len(recorder.steps) // 2) == 0:
            after.append(average)
    for expected, validated in zip(after, recorder.validated, strict=True):
        for one, other in zip(expected, validated, strict=True):
            np.testing.assert_allclose(other, one, atol=1e-5)
    kept = [one.numpy() for one in run.model.trainable_variables]
    _, progress = load_training(tmp_path / "run" / "last.keras")
    for one, other in zip(kept, after[progress.best_epoch], strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    # The training itself goes on with the weights as they were.
    last, _ = load_training(tmp_path / "run" / "last.keras")
    for one, other in zip(
        last.trainable_variables, recorder.steps[-1], strict=True
    ):
        np.testing.assert_array_equal(one.numpy(), other)


def test_a_validation_cut_short_leaves_the_trained_weights():
    model = keras.Sequential([keras.layers.Dense(1, use_bias=False)])
    model.compile(
        keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=MOMENTUM), "mse"
    )
    for _ in range(3):
        model.train_on_batch(np.ones((4, 1)), np.full((4, 1), 5.0))
    trained = model.get_weights()
    callback = ValidateAverages()
    callback.set_model(model)
    callback.on_test_begin()
    assert np.abs(model.get_weights()[0] - trained[0]).max() > 1e-4
    callback.restore()
    np.testing.assert_array_equal(model.get_weights()[0], trained[0])
    with averaged(model):
        assert np.abs(model.get_weights()[0] - trained[0]).max() > 1e-4
    np.testing.assert_array_equal(model.get_weights()[0], trained[0])


def test_accumulated_batches_make_one_step(tmp_path):
    _, recorder = run_training(
        tmp_path, "training.accumulate=2", "training.epochs=1"
    )
    changed = [
        any((old != new).any() for old, new in zip(*pair, strict=True))
        for pair in zip(recorder.steps, recorder.steps[1:], strict=False)
    ]
    assert changed == [index % 2 == 0 for index in range(len(changed))]


@pytest.mark.parametrize("accumulate", [1, 3])
@pytest.mark.parametrize("schedule", ["cosine", "plateau"])
def test_the_learning_rate_goes_by_batches(schedule, accumulate, tmp_path):
    _, recorder = run_training(
        tmp_path,
        f"training.accumulate={accumulate}",
        f"training.schedule={schedule}",
        "training.epochs=4",
        "training.warmup_steps=4",
        "training.learning_rate=0.1",
        "training.plateau_epochs=9",
    )
    number = len(recorder.rates)
    rising = [0.025, 0.05, 0.075, 0.1]
    assert recorder.rates[:4] == pytest.approx(rising)
    if schedule == "plateau":
        assert recorder.rates[4:] == pytest.approx([0.1] * (number - 4))
        return
    rest = np.arange(1, number - 3) / (number - 4)
    cosine = 0.001 + 0.099 * (1 + np.cos(np.pi * rest)) / 2
    np.testing.assert_allclose(recorder.rates[4:], cosine, rtol=1e-3)


@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
def test_a_model_trained_in_mixed_precision_translates_in_float32(
    precision, tmp_path
):
    before = keras.config.dtype_policy().name
    run, recorder = run_training(
        tmp_path, f"training.precision={precision}", "training.epochs=1"
    )
    assert recorder.model.compute_dtype == precision.removeprefix("mixed_")
    assert keras.config.dtype_policy().name == before
    layers = [
        layer
        for layer in run.model._flatten_layers()
        if isinstance(layer, keras.layers.Layer)
    ]
    assert {layer.compute_dtype for layer in layers} == {"float32"}
    score = runs.load(tmp_path / "run").translate(["un chat"])[0].score
    assert np.isfinite(score) and score < 0


def test_r_drop_without_dropout_changes_nothing(tmp_path):
    """Two equal halves have the mean loss of one, and nothing to agree on."""
    found = []
    for name, alpha in (("once", 0), ("twice", 4)):
        _, recorder = run_training(
            tmp_path / name, f"training.r_drop={alpha}", "model.dropout=0"
        )
        _, progress = load_training(tmp_path / name / "run" / "last.keras")
        found.append((recorder.steps, progress.best_perplexity))
    (once, perplexity), (twice, other_perplexity) = found
    assert len(once) == len(twice) > 2
    for weights, others in zip(once, twice, strict=True):
        for one, other in zip(weights, others, strict=True):
            np.testing.assert_allclose(other, one, atol=2e-5)
    assert other_perplexity == pytest.approx(perplexity, rel=1e-5)


def test_r_drop_weighs_what_dropout_makes_of_a_sentence(tmp_path):
    losses = {}

    class Losses(Recorder):
        def on_train_batch_end(self, batch, logs=None):
            losses.setdefault(alpha, []).append(logs["loss"])

        def on_test_end(self, logs=None):
            losses[alpha, "validation"] = logs["loss"]

    for alpha in (1, 1001):
        run_training(
            tmp_path / str(alpha),
            f"training.r_drop={alpha}",
            "training.epochs=1",
            "training.learning_rate=1e-9",
            "model.dropout=0.5",
            callback=Losses(),
        )
    divergence = (losses[1001][0] - losses[1][0]) / 250
    assert 1e-6 < divergence < 1
    # Without dropout, the two halves say the same.
    assert losses[1001, "validation"] == pytest.approx(
        losses[1, "validation"], rel=1e-5
    )


def test_a_tied_output_trains_and_needs_equal_widths(tmp_path):
    run, _ = run_training(
        tmp_path,
        "model.tied_embeddings=true",
        "model.output_units=8",
        "training.epochs=1",
    )
    names = [weight.path for weight in run.model.weights]
    assert not [name for name in names if name.endswith("output/kernel")]
    with pytest.raises(UserError, match="`output_units` equal to"):
        build_model(ModelRecipe(tied_embeddings=True, units=9), 20, 20)


def test_the_mean_of_the_last_epochs_is_kept_if_it_is_better(tmp_path):
    _, recorder = run_training(
        tmp_path, "training.average_last=2", "training.epochs=3"
    )
    run_dir = tmp_path / "run"
    _, progress = load_training(run_dir / "last.keras")
    assert progress.averaged
    num_batches = len(recorder.steps) // 3
    ends = recorder.steps[num_batches - 1 :: num_batches]
    expected = [
        (one + other) / 2 for one, other in zip(*ends[-2:], strict=True)
    ]
    last = LastEpochs(run_dir, 2)
    assert len(last.paths()) == 2
    for found, mean in zip(last.weights(), expected, strict=True):
        np.testing.assert_allclose(found, mean, atol=1e-7)
    # The same once more, against losses that are known beforehand.
    model, ids = recorder.model, np.ones((2, 3), "int32")
    trained = model.get_weights()
    batch = ({"source": ids, "target": ids}, ids, np.ones((2, 3), "float32"))
    data = tf.data.Dataset.from_tensors(batch)
    before = (run_dir / "best.keras").read_bytes()
    assert "not better" in last.finish(
        model, data, Progress(best_perplexity=0.0)
    )
    assert (run_dir / "best.keras").read_bytes() == before
    progress = Progress(best_perplexity=9e9, best_epoch=1)
    assert "is the best model now" in last.finish(model, data, progress)
    kept = runs.load(run_dir).model
    for found, mean in zip(kept.get_weights(), expected, strict=True):
        np.testing.assert_allclose(found, mean, atol=1e-7)
    logits = kept({"source": ids, "target": ids}).numpy().astype("float64")
    likelihoods = np.exp(logits[..., 1]) / np.exp(logits).sum(-1)
    expected = np.exp(-np.log(likelihoods).mean())
    assert progress.mean_perplexity == pytest.approx(expected, rel=1e-5)
    # What the next epochs must beat is still that of an epoch.
    assert (progress.best_perplexity, progress.best_epoch) == (9e9, 1)
    for one, other in zip(model.get_weights(), trained, strict=True):
        np.testing.assert_array_equal(one, other)
    assert last.finish(model, data, progress) == ""


def test_epochs_after_a_mean_are_compared_with_epochs(tmp_path):
    """A mean is hard to beat by one epoch; it stays what is translated with."""
    _, recorder = run_training(tmp_path, "training.epochs=1")
    best = tmp_path / "run" / "best.keras"
    before = best.read_bytes()
    progress = Progress(best_perplexity=9.0, best_epoch=0, mean_perplexity=7.0)
    batches = types.SimpleNamespace(num_batches=1)
    callback = Checkpoints(
        best.parent, progress, TrainingRecipe(patience=2), batches
    )
    callback.set_model(recorder.model)
    for epoch, (perplexity, stays) in enumerate(
        ((8.0, True), (7.5, True), (6.0, False)), start=1
    ):
        progress.batch = 1
        # Saved twice in one second, equal weights are equal bytes.
        weights = recorder.model.get_weights()
        recorder.model.set_weights([one + 1 for one in weights])
        callback.on_epoch_end(epoch, {"val_perplexity": perplexity})
        assert (progress.best_perplexity, progress.best_epoch) == (
            perplexity,
            epoch,
        )
        assert (best.read_bytes() == before) == stays
        assert progress.mean_perplexity == (7.0 if stays else np.inf)
    assert not progress.finished


def test_epochs_of_a_training_begun_again_are_deleted(tmp_path):
    run_training(tmp_path, "training.average_last=2", "training.epochs=3")
    run_dir = tmp_path / "run"
    last = LastEpochs(run_dir, 2)
    assert [path.name for path in last.paths()] == [
        "00002.keras",
        "00003.keras",
    ]
    (run_dir / "last.keras").unlink()
    names = []

    class Names(Recorder):
        def on_epoch_end(self, epoch, logs=None):
            names.append([path.name for path in last.paths()])

    run_training(
        tmp_path,
        "training.average_last=2",
        "training.epochs=3",
        callback=Names(),
    )
    assert names[:2] == [["00001.keras"], ["00001.keras", "00002.keras"]]
    # Nor does one from an earlier checkpoint keep later epochs.
    last.forget(2)
    assert [path.name for path in last.paths()] == ["00002.keras"]


class InterruptedValidation(keras.callbacks.Callback):
    def on_test_begin(self, logs=None):
        raise KeyboardInterrupt


def test_a_validation_after_the_time_was_up_is_not_lost(tmp_path):
    limit = "training.max_minutes=1e-9"
    with pytest.raises(KeyboardInterrupt):
        run_training(tmp_path, limit, callback=InterruptedValidation())
    _, progress = load_training(tmp_path / "run" / "last.keras")
    assert (progress.batch, progress.finished) == (1, "")
    assert progress.best_epoch == -1
    run_training(tmp_path, limit)
    _, progress = load_training(tmp_path / "run" / "last.keras")
    assert "the limit of" in progress.finished
    assert progress.best_epoch == 0


def test_the_best_model_of_a_training_begun_again_is_kept(tmp_path, capsys):
    run_training(tmp_path, "training.epochs=1")
    run_dir = tmp_path / "run"
    before = (run_dir / "best.keras").read_bytes()
    (run_dir / "last.keras").unlink()
    _, recorder = run_training(tmp_path, "training.epochs=1")
    assert len(recorder.steps) == 3
    said = " ".join(capsys.readouterr().err.split())
    assert "There is no last.keras to go on from" in said
    assert (run_dir / "best.earlier.keras").read_bytes() == before


def test_changed_data_are_noticed(tmp_path, capsys):
    with pytest.raises(KeyboardInterrupt):
        run_training(tmp_path, callback=Interrupting())
    run_training(tmp_path)
    assert "have changed" not in capsys.readouterr().err
    run_training(tmp_path / "more", "training.max_minutes=1e-9")
    run_training(tmp_path / "more", pairs=60)
    said = " ".join(capsys.readouterr().err.split())
    assert "The training data have changed: 33 pairs in 3 batches" in said


def test_a_first_try_leaves_no_vocabulary(tmp_path):
    with pytest.raises(UserError, match="No pair"):
        run_training(tmp_path, "data.max_source_len=2", pairs=60)
    left = (tmp_path / "run" / "source.model").read_bytes()
    run_training(tmp_path, "training.epochs=1")
    run_training(tmp_path / "other", "training.epochs=1")
    found, expected = (
        (folder / "run" / "source.model").read_bytes()
        for folder in (tmp_path, tmp_path / "other")
    )
    assert found == expected != left


def test_a_folder_half_made_is_made_anew(tmp_path):
    run_dir = tmp_path / "run"
    (run_dir / "tensorboard").mkdir(parents=True)
    for name in ("source.model.partial", "recipe.toml.partial", "source.model"):
        (run_dir / name).write_bytes(b"half")
    run, _ = run_training(tmp_path, "training.epochs=1")
    assert run.translate(["un chat"])


class Stopping(Recorder):
    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training = epoch == 1


def test_a_callback_may_stop_a_training(tmp_path):
    _, recorder = run_training(
        tmp_path, "training.epochs=5", callback=Stopping()
    )
    _, progress = load_training(tmp_path / "run" / "last.keras")
    assert (progress.epoch, progress.finished) == (2, "a callback stopped it")
    assert len(recorder.steps) == 6


def test_validation_pairs_that_are_too_long_are_said(tmp_path, capsys):
    run_training(
        tmp_path, "training.epochs=1", "data.max_source_len=11", pairs=200
    )
    said = " ".join(capsys.readouterr().err.split())
    assert "pairs are too long and have no part in the validation" in said


class Interrupting(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        raise KeyboardInterrupt


def test_an_interrupted_bar_gives_the_cursor_back(tmp_path, monkeypatch):
    written = io.StringIO()
    console = Console(file=written, force_terminal=True)
    monkeypatch.setattr(
        "tests.pipelines.test_ways_to_train.train",
        functools.partial(train, console=console),
    )
    with pytest.raises(KeyboardInterrupt):
        run_training(tmp_path, callback=Interrupting())
    shown = written.getvalue()
    assert "\x1b[?25l" in shown
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")


def test_a_plateau_lowers_the_learning_rate():
    settings = TrainingRecipe(
        learning_rate=0.8, warmup_steps=4, plateau_epochs=2, plateau_factor=0.5
    )
    progress = Progress()
    callback = PlateauRate(progress, settings, num_batches=3)
    optimizer = types.SimpleNamespace(learning_rate=None)
    callback.set_model(types.SimpleNamespace(optimizer=optimizer))
    rates = []
    losses = [5.0, 4.0, 4.0, 4.5, 4.2, 4.1, 3.0, 3.5]
    for epoch, loss in enumerate(losses):
        for batch in range(3):
            progress.epoch, progress.batch = epoch, batch
            callback.on_train_batch_begin(batch)
            rates.append(optimizer.learning_rate)
        if loss < progress.best_perplexity:
            progress.best_perplexity, progress.best_epoch = loss, epoch
        lower_after_plateau(progress, epoch, settings)
    warming, falling = [0.2, 0.4, 0.6], [0.8] * 9 + [0.4] * 6 + [0.2] * 6
    assert rates == pytest.approx(warming + falling)
