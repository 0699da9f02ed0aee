import dataclasses
import math

import keras
import numpy as np
import pytest
import sacrebleu
import tensorflow as tf

from pipelines.data.corpus import Corpus, Problem
from pipelines.errors import UserError
from pipelines.evaluation import scoring
from pipelines.recipe import Recipe, override
from pipelines.search_options import SearchOptions
from pipelines.tensorboard.monitor import Monitor
from pipelines.training.averaging import ValidateAverages, averaged
from tests import reference
from tests.pipelines.events import read, scalars
from tests.pipelines.tiny_run import (
    SOURCES,
    TARGETS,
    fake_translation,
    make_run,
)

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
        Corpus(SOURCES, TARGETS),
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


def test_scalars(tmp_path, model, data):
    monitor = make_monitor(tmp_path, "monitoring.every_steps=2")
    fit(model, data, monitor, epochs=2)
    train, validation = (
        read(tmp_path / name) for name in ("train", "validation")
    )
    assert set(train) == {
        "gradient_norm",
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


def test_points_reach_over_the_end_of_an_epoch(tmp_path, model, data):
    monitor = make_monitor(tmp_path, "monitoring.every_steps=3")
    fit(model, data, monitor, epochs=3)
    errors = (model.predict(data[0], verbose=0) - data[1]) ** 2
    losses = np.tile(errors.reshape(STEPS, -1).mean(1), 3)
    found = read(tmp_path / "train")["loss_by_step"]
    assert [step for step, _ in found] == [3, 6, 9, 12]
    np.testing.assert_allclose(
        [value for _, value in found],
        losses.reshape(4, 3).mean(1),
        rtol=1e-4,
    )


def test_a_validation_does_not_change_the_points(tmp_path, model, data):
    """Keras counts its rows, fewer here, with the metric of the training."""
    x, y = data
    model.fit(
        *data,
        batch_size=BATCH,
        epochs=3,
        validation_data=(x[:3], y[:3]),
        callbacks=[make_monitor(tmp_path, "monitoring.every_steps=3")],
        shuffle=False,
        verbose=0,
    )
    errors = (model.predict(x, verbose=0) - y) ** 2
    losses = np.tile(errors.reshape(STEPS, -1).mean(1), 3)
    found = read(tmp_path / "train")["loss_by_step"]
    np.testing.assert_allclose(
        [value for _, value in found],
        losses.reshape(4, 3).mean(1),
        rtol=1e-4,
    )


def test_a_model_that_is_compiled_again_goes_on(tmp_path, model, data):
    monitor = make_monitor(
        tmp_path, "monitoring.every_steps=2", "monitoring.every_epochs=2"
    )
    looks = []
    monitor.look = looks.append
    fit(model, data, monitor)
    model.compile(keras.optimizers.SGD(0.0), "mse", jit_compile=False)
    fit(model, data, monitor)
    found = read(tmp_path / "train")["loss_by_step"]
    assert [step for step, _ in found] == [2, 4, 6, 8]
    assert looks[-2:] == [STEPS, 2 * STEPS]


def test_several_steps_at_a_time(tmp_path, model, data):
    model.compile(
        keras.optimizers.SGD(0.0),
        "mse",
        jit_compile=False,
        steps_per_execution=2,
    )
    fit(model, data, make_monitor(tmp_path, "monitoring.every_steps=1"))
    errors = (model.predict(data[0], verbose=0) - data[1]) ** 2
    found = read(tmp_path / "train")["loss_by_step"]
    assert [step for step, _ in found] == [2, 4]
    np.testing.assert_allclose(
        [value for _, value in found],
        errors.reshape(2, -1).mean(1),
        rtol=1e-4,
    )


def test_the_first_step_can_be_said(tmp_path, model, data):
    fit(model, data, make_monitor(tmp_path, first_step=lambda: 70))
    [(step, _)] = read(tmp_path / "train")["loss"]
    assert step == 70 + STEPS


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


@pytest.mark.parametrize(("tokenize", "bleu"), [("13a", 100), ("none", None)])
def test_bleu_of_texts_that_are_tokenised(
    tmp_path, model, data, tokenize, bleu
):
    said, reference = "a b c d e .", "a b c d e."
    monitor = Monitor(
        tmp_path,
        lambda texts: [fake_translation(text, said) for text in texts],
        Corpus(["x"], [reference]),
        recipe(f"monitoring.tokenize={tokenize}"),
    )
    fit(model, data, monitor)
    [(_, value)] = read(tmp_path / "validation")["bleu"]
    score = sacrebleu.corpus_bleu([said], [[reference]], tokenize=tokenize)
    assert value == pytest.approx(bleu or score.score, rel=1e-5)
    assert (value > 99) == bool(bleu)


def test_every_so_many_epochs(tmp_path, model, data):
    monitor = make_monitor(tmp_path, "monitoring.every_epochs=2")
    fit(model, data, monitor, epochs=3)
    found = read(tmp_path / "validation")
    # And at the model that the training ends with.
    assert [step for step, _ in found["bleu"]] == [2 * STEPS, 3 * STEPS]
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
    found = read(tmp_path / "b" / "validation")
    assert {"loss", "bleu", "chrf"} < set(found)
    assert not [tag for tag in found if tag.startswith(("align", "trans"))]
    fit(model, data, make_monitor(tmp_path / "c", "monitoring.sentences=0"))
    assert set(read(tmp_path / "c" / "validation")) == {"loss"}


def test_bleu_of_all_and_by_length(tmp_path, model, data):
    answers = dict(zip(SOURCES, ["a dog sees", *TARGETS[1:]], strict=True))

    def translate(texts):
        return [fake_translation(text, answers[text]) for text in texts]

    fit(model, data, make_monitor(tmp_path, translate=translate))
    found = scalars(tmp_path / "validation")
    said = [answers[one] for one in SOURCES]
    for name, score in (
        ("bleu", sacrebleu.BLEU()),
        ("chrf", sacrebleu.CHRF()),
    ):
        expected = score.corpus_score(said, [TARGETS]).score
        assert found[name] == pytest.approx([expected])
        assert expected < 99
    groups = {
        tag.removeprefix("bleu_by_source_length/"): value
        for tag, value in found.items()
        if tag.startswith("bleu_by")
    }
    # Of 1, 2, 3, 3, 4, 5 and 6 words; the first of three words is wrong.
    assert list(groups) == [
        "01_words",
        "02_words",
        "03_to_04_words",
        "05_to_06_words",
    ]
    middle = sacrebleu.corpus_bleu(
        [said[n] for n in (0, 1, 4)], [[TARGETS[n] for n in (0, 1, 4)]]
    )
    assert groups["03_to_04_words"] == pytest.approx([middle.score])
    assert groups["05_to_06_words"] == pytest.approx([100.0])


def test_the_alignments_in_numbers(tmp_path, model, data):
    fit(model, data, make_monitor(tmp_path))
    found = read(tmp_path / "validation")
    # All positions alike, the end token's among them.
    sizes = [len(source.split()) + 1 for source in SOURCES]
    rows = sum(sizes)
    entropy = sum(size * math.log(size) for size in sizes) / rows
    for name, expected in (
        ("entropy", entropy),
        ("peak", len(sizes) / rows),
        ("coverage", 1.0),
        ("monotonicity", 1.0),
    ):
        [(step, value)] = found[f"attention/{name}"]
        assert step == STEPS and value == pytest.approx(expected, rel=1e-5)
    buckets = found["attention_histograms/peak"][0][1]
    assert buckets[:, 2].sum() == rows


@pytest.fixture(scope="module")
def gold_run(tmp_path_factory):
    """A run, and links that fit its validation set, whose line 3 was bad."""
    run = make_run(
        tmp_path_factory.mktemp("gold") / "run",
        "monitoring.gold_alignments=links.txt",
    )
    lines = [
        " ".join(f"{n}-{n}" for n in range(len(target.split())))
        for target in TARGETS
    ]
    lines[1] += " 0?1"
    lines.insert(2, "of the bad line")
    (run.folder / "links.txt").write_text("".join(f"{x}\n" for x in lines))
    problems = [Problem(3, "empty target")]
    return run, Corpus(SOURCES, TARGETS, problems)


def gold_monitor(gold_run, log_dir, score, **options):
    run, corpus = gold_run
    return Monitor(
        log_dir,
        lambda texts: run.translate(texts, SearchOptions(beam_size=1)),
        corpus,
        run.recipe,
        score=score,
        **options,
    )


def test_alignment_error_rate(gold_run, tmp_path, model, data):
    run, _ = gold_run

    def score(sources, targets):
        return scoring.score(run, sources, targets)

    fit(model, data, gold_monitor(gold_run, tmp_path, score))
    links, sure = set(), set()
    for pair, one in enumerate(score(SOURCES, TARGETS)):
        words = []  # The sum over a source word's pieces, the mean over rows.
        for pieces in (one.source_pieces[:-1], one.target_pieces[:-1]):
            begins = [piece.startswith("▁") for piece in pieces]
            words.append(np.cumsum(begins) - 1)
        for row in range(words[1][-1] + 1):
            means = [
                one.alignments[:-1, :-1][words[1] == row][:, words[0] == column]
                .sum(1)
                .mean()
                for column in range(words[0][-1] + 1)
            ]
            links.add((pair, int(np.argmax(means)), row))
            sure.add((pair, row, row))
    expected = reference.alignment_error_rate(links, sure, {(1, 0, 1)})
    assert 0 < expected < 1
    found = scalars(tmp_path / "validation")
    assert found["attention/alignment_error_rate"] == pytest.approx([expected])


def test_sentences_without_words_are_counted(gold_run, tmp_path, model, data):
    """Pieces that no word begins with cannot be told apart into words."""
    run, _ = gold_run

    def score(sources, targets):
        first, *others = scoring.score(run, sources, targets)
        pieces = ["x"] * 19
        return [dataclasses.replace(first, target_pieces=pieces), *others]

    said = []
    monitor = gold_monitor(gold_run, tmp_path, score, say=said.append)
    fit(model, data, monitor)
    fit(model, data, monitor)
    [text] = said
    assert text.startswith("1 of the 7 sentences looked at are left out")


def test_links_need_a_model_that_looks(gold_run, tmp_path):
    run, corpus = gold_run
    blind = override(run.recipe, ["model.attention=none"])
    with pytest.raises(UserError, match="a model without attention has none"):
        Monitor(tmp_path, run.translate, corpus, blind)


def test_links_that_do_not_fit(gold_run, tmp_path):
    run, corpus = gold_run
    with pytest.raises(UserError, match="has 8 lines, the validation set 7"):
        Monitor(tmp_path, None, Corpus(SOURCES, TARGETS), run.recipe)


def test_embeddings_and_hard_attention(tmp_path):
    run = make_run(
        tmp_path / "run",
        "model.normalizer=reinforce",
        "monitoring.images=1",
        "monitoring.every_steps=1",
    )
    log_dir = tmp_path / "logs"
    monitor = Monitor(
        log_dir,
        lambda texts: run.translate(texts, SearchOptions(beam_size=1)),
        Corpus(SOURCES, TARGETS),
        run.recipe,
        tokenizers=(run.source_tokenizer, run.target_tokenizer),
    )
    ids = np.ones((2, 3), "int32")
    run.model.compile(
        keras.optimizers.SGD(use_ema=True, ema_momentum=0.5),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    run.model.fit(
        {"source": ids, "target": ids},
        ids,
        # As in a training: what is validated and kept is the average.
        callbacks=[ValidateAverages(), monitor],
        verbose=0,
    )
    train = scalars(log_dir / "train")
    # The first loss is all that the baseline has seen.
    baseline = run.model.decoder.cell.attention.normalizer.baseline
    assert train["attention/baseline"] == pytest.approx([float(baseline)])
    assert train["attention/reward"] == pytest.approx(
        [float(baseline) - train["loss_by_step"][0]]
    )
    assert "decoder_samples/1" in read(log_dir / "validation")
    reader = tf.train.load_checkpoint(str(log_dir / "train"))
    for side in ("source", "target"):
        vectors = reader.get_tensor(
            f"{side}_embedding/.ATTRIBUTES/VARIABLE_VALUE"
        )
        layer = getattr(run.model, f"{side}_embedding")
        with averaged(run.model):
            np.testing.assert_array_equal(vectors, layer.get_weights()[0])
        labels = (log_dir / "train" / f"{side}_embedding.tsv").read_text()
        tokenizer = getattr(run, f"{side}_tokenizer")
        assert labels.splitlines() == tokenizer.pieces(range(len(vectors)))


def test_logs_that_cannot_be_written(tmp_path, model, data):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="Cannot write TensorBoard logs"):
        fit(model, data, make_monitor(tmp_path / "file"))
