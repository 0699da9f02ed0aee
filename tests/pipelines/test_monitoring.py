import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.util import event_pb2

from pipelines import monitoring
from pipelines.errors import UserError
from pipelines.monitoring import Monitor
from pipelines.recipe import Recipe, override
from tests.pipelines.tiny_run import SOURCES, TARGETS, fake_translation

STEPS, BATCH = 4, 2


def recipe(*assignments):
    return override(
        Recipe(data=dataclasses.replace(Recipe().data, train="pairs.tsv")),
        ["monitoring.images=2", "monitoring.samples=3", *assignments],
    )


def make_monitor(folder, *assignments, translate=None, **options):
    def say_the_same(texts):
        return [fake_translation(text, text) for text in texts]

    return Monitor(
        folder,
        translate or say_the_same,
        SOURCES,
        TARGETS,
        recipe(*assignments),
        num_target_tokens=100,
        **options,
    )


@pytest.fixture(scope="module")
def data():
    random = np.random.default_rng(1)
    x = random.normal(size=(STEPS * BATCH, 3)).astype("float32")
    return x, x.sum(1, keepdims=True)


@pytest.fixture
def model():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.0), "mse", jit_compile=False)
    return model


def fit(model, data, monitor, epochs=1, **options):
    model.fit(
        *data,
        batch_size=BATCH,
        epochs=epochs,
        validation_data=data,
        callbacks=[monitor],
        shuffle=False,
        verbose=0,
        **options,
    )


def read(folder):
    """Returns {tag: [(step, value), ...]} of all event files of a folder."""
    found = {}
    for path in sorted(folder.glob("events*")):
        for record in tf.data.TFRecordDataset(str(path)):
            event = event_pb2.Event.FromString(record.numpy())
            for value in event.summary.value:
                one = (event.step, tf.make_ndarray(value.tensor))
                found.setdefault(value.tag, []).append(one)
    return found


def test_scalars(tmp_path, model, data, monkeypatch):
    monkeypatch.setattr(monitoring, "STEPS_BETWEEN_LOSSES", 2)
    fit(model, data, make_monitor(tmp_path), epochs=2)
    train, validation = (
        read(tmp_path / name) for name in ("train", "validation")
    )
    assert set(train) == {
        "loss",
        "loss_by_step",
        "learning_rate",
        "target_tokens_per_second",
    }
    for tag in ("loss", "learning_rate", "target_tokens_per_second"):
        assert [step for step, _ in train[tag]] == [STEPS, 2 * STEPS]
    assert [step for step, _ in validation["loss"]] == [STEPS, 2 * STEPS]
    assert {"bleu", "chrf"} < set(validation)
    assert train["target_tokens_per_second"][0][1] > 0
    # The rate is 0: each batch has the loss that the first weights give it.
    errors = (model.predict(data[0], verbose=0) - data[1]) ** 2
    by_two_steps = errors.reshape(2, -1).mean(1).tolist() * 2
    assert [step for step, _ in train["loss_by_step"]] == [2, 4, 6, 8]
    np.testing.assert_allclose(
        [value for _, value in train["loss_by_step"]], by_two_steps, rtol=1e-4
    )


def test_translations_and_pictures(tmp_path, model, data):
    fit(model, data, make_monitor(tmp_path))
    found = read(tmp_path / "validation")
    [(step, text)] = found["translations"]
    table = text.item().decode()
    assert step == STEPS
    assert table.startswith("| source | target | reference |\n| --- |")
    assert len(table.split("\n")) == 2 + 3
    assert f"| {SOURCES[0]} | {SOURCES[0]} | {TARGETS[0]} |" in table
    pictures = [tag for tag in found if tag.startswith("alignments/")]
    assert len(pictures) == 2
    [(_, picture)] = found[pictures[0]]
    pixels = tf.io.decode_png(picture[2]).numpy()
    assert pixels.shape[2] == 3 and pixels.std() > 1


def test_marks_of_markdown_are_shown(tmp_path, model, data):
    def translate(texts):
        return [fake_translation(text, "a|b <b> _c_ \n d") for text in texts]

    fit(model, data, make_monitor(tmp_path, translate=translate))
    [(_, text)] = read(tmp_path / "validation")["translations"]
    assert r"| a\|b \<b> \_c\_ d |" in text.item().decode()


def test_every_so_many_epochs(tmp_path, model, data):
    monitor = make_monitor(tmp_path, "monitoring.every_epochs=2")
    fit(model, data, monitor, epochs=3)
    found = read(tmp_path / "validation")
    assert [step for step, _ in found["bleu"]] == [2 * STEPS]
    assert len(found["loss"]) == 3


def test_goes_on_by_step(tmp_path, model, data):
    fit(model, data, make_monitor(tmp_path))
    fit(model, data, make_monitor(tmp_path), epochs=2, initial_epoch=1)
    steps = [step for step, _ in read(tmp_path / "train")["loss"]]
    assert sorted(steps) == [STEPS, 2 * STEPS]


def test_nothing_to_look_at(tmp_path, model, data):
    """A model without attention, blank answers, and nothing asked for."""

    def translate(texts):
        answers = [fake_translation(text, "") for text in texts]
        return [dataclasses.replace(a, alignments=None) for a in answers]

    fit(model, data, make_monitor(tmp_path / "a", translate=translate))
    found = read(tmp_path / "a" / "validation")
    assert not [tag for tag in found if tag.startswith("alignments")]
    none = ("monitoring.images=0", "monitoring.samples=0")
    fit(model, data, make_monitor(tmp_path / "b", *none))
    assert set(read(tmp_path / "b" / "validation")) == {"loss", "bleu", "chrf"}


def test_logs_that_cannot_be_written(tmp_path, model, data):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="Cannot write TensorBoard logs"):
        fit(model, data, make_monitor(tmp_path / "file"))
