import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_attention.encoder_decoder import Memory
from pipelines.data.corpus import Corpus
from pipelines.errors import UserError
from pipelines.evaluate import compare_widths, evaluate, swap_memories
from pipelines.evaluation import likelihood as likelihoods
from pipelines.evaluation.likelihood import Likelihood, likelihood
from pipelines.evaluation.results import results_table, widths_table
from pipelines.search_options import SearchOptions
from tests.pipelines.tiny_run import (
    SOURCES,
    TARGETS,
    fake_translation,
    make_run,
)

GREEDY = SearchOptions(beam_size=1)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    keras.utils.set_random_seed(3)
    return make_run(tmp_path_factory.mktemp("run"))


@pytest.fixture
def perfect(run, tmp_path, monkeypatch):
    """A run that says the references."""
    answers = dict(zip(SOURCES, TARGETS, strict=True))

    def translate(texts, options, progress=None, **further):
        if progress:
            progress(len(texts))
        return [fake_translation(text, answers[text]) for text in texts]

    def no_model(run, corpus):
        return Likelihood(num_tokens=len(corpus), nats=0.0, num_correct=0)

    monkeypatch.setattr(run, "translate", translate)
    monkeypatch.setattr(run, "folder", tmp_path)
    monkeypatch.setattr(likelihoods, "likelihood", no_model)
    return run


def test_a_perfect_translation(perfect, tmp_path):
    done = []
    results, translations = evaluate(
        perfect, options=GREEDY, progress=done.append
    )
    assert results.bleu == pytest.approx(100)
    assert results.chrf == pytest.approx(100)
    assert "tok:13a" in results.bleu_signature
    assert "case:mixed" in results.bleu_signature
    assert results.num_sentences == len(SOURCES) == sum(done)
    assert [one.text for one in translations] == TARGETS
    written = (tmp_path / "translations.test.greedy.txt").read_text("utf-8")
    assert written == "".join(f"{line}\n" for line in TARGETS)


def test_results_are_kept_by_split_and_settings(perfect, tmp_path):
    for options in ({}, {"options": GREEDY}, {"limit": 3}, {"options": GREEDY}):
        evaluate(perfect, **options)
    evaluate(perfect, "validation", SearchOptions(length_penalty=0.5))
    content = json.loads((tmp_path / "results.json").read_text("utf-8"))
    assert content["recipe"] == "tiny"
    assert list(content["evaluations"]) == [
        "test, 7 sentences, beam 5, length penalty 1",
        "test, 7 sentences, greedy",
        "test, 3 sentences, beam 5, length penalty 1",
        "validation, 7 sentences, beam 5, length penalty 0.5",
    ]
    entry = content["evaluations"]["test, 7 sentences, greedy"]
    assert entry["bleu"] == pytest.approx(100)
    assert entry["date"].endswith("+00:00")
    assert set(entry["versions"]) == {
        "keras_attention",
        "keras",
        "sacrebleu",
        "tensorflow",
    }
    assert entry["sentences_per_second"] > 0
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {
        "results.json",
        "translations.test.txt",
        "translations.test.greedy.txt",
        "translations.test.first_3.txt",
        "translations.validation.beam_5_length_penalty_0.5.txt",
    }


def test_perplexity_of_a_model_that_knows_nothing(run):
    kernel, bias = run.model.output_layer.weights
    before = kernel.numpy()
    kernel.assign(0 * before)
    try:
        found = likelihood(run, run.corpus("test"))
    finally:
        kernel.assign(before)
    assert np.all(bias.numpy() == 0)
    size = run.target_tokenizer.vocabulary_size
    assert found.perplexity == pytest.approx(size, rel=1e-6)
    rows = run.target_tokenizer.encode_lines(TARGETS)
    assert found.num_tokens == sum(len(row) + 1 for row in rows)


def test_likelihood_token_by_token(run, monkeypatch):
    monkeypatch.setattr(likelihoods, "TOKENS_PER_BATCH", 20)
    found = likelihood(run, run.corpus("test"))
    nats = correct = 0
    for source, target in zip(SOURCES, TARGETS, strict=True):
        [ids] = run.source_tokenizer.encode_lines([source])
        [said] = run.target_tokenizer.encode_lines([target])
        logits = run.model(
            {
                "source": np.array([[*ids, 2]]),
                "target": np.array([[1, *said]]),
            }
        ).numpy()[0]
        for label, row in zip([*said, 2], logits, strict=True):
            nats += np.log(np.exp(row).sum()) - row[label]
            correct += row.argmax() == label
    assert found.nats == pytest.approx(nats, rel=1e-5)
    assert found.num_correct == correct
    assert found.accuracy == pytest.approx(correct / found.num_tokens)


def test_sources_that_are_too_long(tmp_path):
    run = make_run(tmp_path, "data.max_source_len=3")
    results, translations = evaluate(run, options=GREEDY)
    rows = run.source_tokenizer.encode_lines(SOURCES)
    too_long = [i for i, row in enumerate(rows, start=1) if len(row) > 2]
    assert too_long and results.too_long == too_long
    assert len(translations[3].source_pieces) == 3
    assert results.perplexity > 1


def test_swapped_memories():
    value = np.arange(3 * 2 * 1, dtype="float32").reshape(3, 2, 1)
    mask = np.array([[True, True], [True, False], [False, False]])
    swapped = swap_memories(Memory(tf.constant(value), None, tf.constant(mask)))
    order = [2, 0, 1]
    np.testing.assert_array_equal(swapped.value, value[order])
    np.testing.assert_array_equal(swapped.mask, mask[order])
    assert swapped.keys is None


def test_shuffled_memories(run, tmp_path, monkeypatch):
    monkeypatch.setattr(run, "folder", tmp_path)
    seen = []
    translate = run.translate

    def spy(texts, options, **further):
        seen.append(further)
        return translate(texts, options, **further)

    monkeypatch.setattr(run, "translate", spy)
    results, _ = evaluate(
        run, options=GREEDY, shuffle_memories=True, batch_size=3
    )
    assert results.shuffled and results.perplexity is None
    assert results.key == "test, 7 sentences, greedy, memories shuffled"
    assert seen[-1]["memory_transform"] is swap_memories
    assert seen[-1]["batch_size"] == 4  # None of 7 is alone.
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]
    with pytest.raises(UserError, match="at least 2"):
        evaluate(run, shuffle_memories=True, limit=1)


def test_errors_come_before_the_work(perfect, tmp_path, monkeypatch):
    with pytest.raises(UserError, match="Choose one of train"):
        evaluate(perfect, "dev")
    (tmp_path / "results.json").write_text("{")
    monkeypatch.setattr(perfect, "translate", None)
    with pytest.raises(UserError, match="Cannot read the earlier results"):
        evaluate(perfect)


def test_results_that_cannot_be_written(perfect, tmp_path):
    (tmp_path / "translations.test.txt").mkdir()
    with pytest.raises(UserError, match="Cannot write"):
        evaluate(perfect)
    assert not (tmp_path / "results.json").exists()


def test_table(perfect, monkeypatch):
    from rich.console import Console

    monkeypatch.setattr(
        perfect, "corpus", lambda split: Corpus(SOURCES, TARGETS)
    )
    results, _ = evaluate(perfect)
    console = Console(width=80)
    with console.capture() as capture:
        console.print(results_table(results))
    assert "100.00" in capture.get()
    assert "nrefs:1|case:mixed" in capture.get()
    assert "cut sources" not in capture.get()


def test_words_that_no_file_name_can_hold(run, tmp_path, monkeypatch):
    monkeypatch.setattr(run, "folder", tmp_path)
    words = tuple(" ".join([text] * 30) for text in TARGETS[:2])
    for forbid in (words, (" ".join(words),)):
        evaluate(run, options=SearchOptions(beam_size=2, forbid=forbid))
    names = [path.name for path in tmp_path.glob("translations.*")]
    assert len(set(names)) == 2
    assert max(len(name.encode()) for name in names) < 128


def test_widths(run, tmp_path, monkeypatch):
    """They are what single evaluations find, which keep their perplexity."""
    monkeypatch.setattr(run, "folder", tmp_path)
    one, translations = evaluate(run, options=SearchOptions(beam_size=3))
    [translations_path] = tmp_path.glob("translations.*")
    assert translations_path.name == (
        "translations.test.beam_3_length_penalty_1.txt"
    )
    translations_path.unlink()
    greedy, three = compare_widths(run, [1, 3])
    assert three.mean_score == pytest.approx(
        np.mean([translation.score for translation in translations])
    )
    assert (three.bleu, three.chrf) == (one.bleu, one.chrf)
    assert three.perplexity == one.perplexity and greedy.perplexity is None
    content = json.loads((tmp_path / "results.json").read_text("utf-8"))
    assert list(content["evaluations"]) == [
        "test, 7 sentences, beam 3, length penalty 1",
        "test, 7 sentences, greedy",
    ]
    entry = content["evaluations"]["test, 7 sentences, greedy"]
    assert entry["mean_score"] == greedy.mean_score
    assert not translations_path.exists()
    from rich.console import Console

    console = Console(width=80)
    with console.capture() as capture:
        console.print(widths_table([greedy, three]))
    for result in (greedy, three):
        assert f"{result.mean_score:.4f}" in capture.get()
        assert result.search in capture.get()
