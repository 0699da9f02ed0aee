"""What artifacts are held to, and how their answers are asked for."""

import dataclasses
import sys

import numpy as np
import pytest

from export import verify
from export.answers import Answer
from export.errors import ExportError
from export.fresh_process import run_module
from export.reference import Reference
from export.score_errors import mean_score_error
from export.verify_checks import (
    NUM_FEW,
    Check,
    checks_of,
    comparisons,
    few_of,
    long_sources,
)
from export.verify_process import refuse_modules
from export.verify_steps import greedy_by_steps
from tests.export import tiny


def test_a_loop_over_steps_says_the_likeliest():
    """By hand: token 4, then the end; a row without room says nothing."""
    likely = {1: 4, 4: 2}

    def decode_step(token, state_0):
        rows = np.full((2, 5), -9.0)
        rows[:, 0] = 0.0  # padding is likeliest, and no token
        for row, last in zip(rows, token, strict=True):
            row[likely.get(int(last), 3)] = -0.5
        return {"log_probabilities": rows, "state_0": state_0 + 1}

    found = greedy_by_steps(
        {"state_0": np.zeros(2), "other": np.zeros(2)},
        np.array([4, 0]),
        decode_step,
        {"token", "state_0"},
    )
    assert found["tokens"].tolist() == [[4, 2, 0, 0], [0, 0, 0, 0]]
    assert found["lengths"].tolist() == [2, 0]
    assert found["scores"].tolist() == [-1.0, 0.0]
    assert "alignments" not in found


def test_bleu_of_a_copy_is_perfect():
    corpus_bleu = verify._corpus_bleu()
    lines = ["the cat sleeps on the mat", "where is the station ?"]
    assert corpus_bleu(lines, lines) == pytest.approx(100)
    assert corpus_bleu(["no", "nothing"], lines) < 1


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sacrebleu", None)
    with pytest.raises(ImportError, match="pip install sacrebleu"):
        verify._corpus_bleu()


def test_references_must_be_as_many_as_the_sentences():
    for sentences, references in [([], None), (["a", "b"], ["c"])]:
        with pytest.raises(ExportError, match="must hold"):
            verify.verify_litert(
                None,
                "none",
                source_tokenizer=None,
                target_tokenizer=None,
                settings=tiny.SETTINGS,
                sentences=sentences,
                references=references,
            )


@pytest.fixture(scope="module")
def reference():
    settings = tiny.SETTINGS
    model = tiny.model(**tiny.MODELS["lstm_additive_before"])
    return Reference(model, *tiny.tokenizers(), settings)


@pytest.mark.parametrize("coverage_penalty", [0.0, 0.3])
def test_gaps_are_the_models_own(reference, coverage_penalty):
    """Of its own n best the model ranks each as high as its search did."""
    sentence = "le chat dort"
    settings = dataclasses.replace(
        tiny.SETTINGS, coverage_penalty=coverage_penalty
    )
    judge = Reference(reference._model, *tiny.tokenizers(), settings)
    [several] = judge.beam([sentence], 1)
    first, second = several[0], several[1]
    gap = judge.beam_gap(sentence, first.tokens, second.tokens)
    assert gap == pytest.approx(first.score - second.score, abs=1e-4)
    assert gap > 0
    nothing = judge.beam_gap(sentence, first.tokens, first.tokens[:0])
    assert nothing == float("inf")


@pytest.mark.parametrize("coverage_penalty", [0.0, 0.3])
def test_score_errors_are_of_log_probabilities(reference, coverage_penalty):
    """Of the model's own answers there are none, however they are ranked."""
    settings = dataclasses.replace(
        tiny.SETTINGS, coverage_penalty=coverage_penalty
    )
    judge = Reference(reference._model, *tiny.tokenizers(), settings)
    sentences = ["le chat dort", "", "tu"]
    for ranked, found in ((False, judge.greedy), (True, judge.beam)):
        answers = [best for best, *_ in found(sentences, 2)]

        def error(answers, ranked=ranked):
            return mean_score_error(
                judge, sentences, answers, settings, ranked, 2
            )

        assert error(answers) == pytest.approx(0, abs=1e-5)
        number = len(answers[0].tokens) + len(answers[2].tokens)
        first = answers[0]
        penalty = ((5 + len(first.tokens)) / 6) ** settings.length_penalty
        changed = first._replace(score=first.score + 0.7)
        nats = 0.7 * (penalty if ranked else 1) / number
        assert error([changed, *answers[1:]]) == pytest.approx(nats, abs=1e-5)
        # Another answer's tokens are likelier than they are said to be.
        claimed = answers[2]._replace(tokens=first.tokens)
        assert error([first, answers[1], claimed]) > 0.1
        assert error([answers[1]] * 3) == 0
        broken = first._replace(score=float("nan"))
        assert np.isnan(error([broken, *answers[1:]]))


def test_a_greedy_gap_is_the_difference_of_logits(reference):
    sentence = "le chat dort"
    [[own]] = reference.greedy([sentence], 16)
    model, tokens = reference._model, own.tokens
    memory, states = model.encode(reference._source_ids([sentence]))
    logits = model.decode_step(np.array([1]), states, memory)[0][0].numpy()
    other = np.array([5 if tokens[0] != 5 else 6, *tokens[1:]])
    gap = reference.greedy_gap(sentence, tokens, other)
    assert gap == pytest.approx(logits[tokens[0]] - logits[other[0]], abs=1e-4)
    assert gap > 0
    later = np.array([*tokens[:-1], 5 if tokens[-1] != 5 else 6])
    assert reference.greedy_gap(sentence, tokens, later) > 0
    shorter = reference.greedy_gap(sentence, tokens, tokens[:-1])
    assert shorter == float("inf")


def test_scores_of_given_targets(reference):
    """The steps' log-probabilities, added up by hand."""
    import tensorflow as tf

    [[found], [blank]] = reference.scores(
        ["le chat", " "], ["the cat", "hello"], 2
    )
    assert found.text == "the cat" and found.tokens[-1] == 2
    assert len(blank.tokens) == 0 and blank.score == 0.0
    memory, states = reference._model.encode(reference._source_ids(["le chat"]))
    total, last = 0.0, 1
    for token in found.tokens:
        logits, states, _ = reference._model.decode_step(
            tf.constant([last]), states, memory
        )
        total += float(tf.nn.log_softmax(logits)[0, token])
        last = int(token)
    assert found.score == pytest.approx(total, abs=1e-4)


@pytest.mark.parametrize("count", [1, 7, 200])
def test_the_few_are_of_all_lengths(count):
    sentences = ["x" * (37 * i % 101) for i in range(count)]
    rows = few_of(sentences)
    assert len(rows) == len(set(rows)) == min(count, NUM_FEW)
    assert rows == sorted(rows)
    lengths = sorted(map(len, sentences))
    chosen = sorted(len(sentences[i]) for i in rows)
    assert (chosen[0], chosen[-1]) == (lengths[0], lengths[-1])


NUM_WRITTEN = 7  # of the sentences


@pytest.mark.parametrize(
    "longest, sizes", [(13, [13]), (32, [16, 32]), (40, [16, 32, 40])]
)
def test_long_sources_fill_every_size(reference, longest, sizes):
    found = long_sources(reference, tiny.SENTENCES, longest, True)
    *names, cut = found
    assert names == [f"sources of {size} tokens" for size in sizes]
    assert cut == "sources that are cut"
    for name, size in zip(names, sizes, strict=True):
        assert len(set(found[name])) == len(found[name]) == NUM_WRITTEN
        for source in found[name]:
            assert size - 2 <= reference.num_tokens(source) <= size
    for short, long in zip(found[names[0]], found[cut], strict=True):
        assert long.startswith(short)
        assert reference.num_tokens(long) > longest
    assert found[cut][0].startswith("le chat dort bonjour je ne")
    free = long_sources(reference, tiny.SENTENCES, longest, False)
    assert free == {name: found[name] for name in (names[-1], cut)}


def test_no_more_long_sources_than_it_takes(reference):
    sentences = [f"tu dors {number}" for number in range(20)]
    found = long_sources(reference, sentences, 13, False)
    assert [len(set(one)) for one in found.values()] == [8, 8]


def test_blank_sentences_make_no_long_sources(reference):
    assert long_sources(reference, ["", "  "], 13, True) == {}
    checks = checks_of("litert", reference, ["", " "], tiny.SETTINGS)
    assert [one.key for one in checks] == [
        "greedy", "one", "again", "steps", "beam",
    ]  # fmt: skip


@pytest.mark.parametrize("quantize", ["none", "int8"])
def test_some_of_the_long_sources_of_each_size_must_agree(reference, quantize):
    least = {"none": 0.5, "int8": 0.125}[quantize]
    settings = dataclasses.replace(
        tiny.SETTINGS, quantize=quantize, max_source_len=18
    )
    judge = Reference(reference._model, *tiny.tokenizers(), settings)
    checks = [
        one
        for one in checks_of("litert_buckets", judge, ["le chat"], settings)
        if one.key.startswith("sources")
    ]
    assert [one.name for one in checks] == [
        f"{kind}, {how}"
        for kind in (
            "sources of 16 tokens",
            "sources of 18 tokens",
            "sources that are cut",
        )
        for how in ("greedy", "beam of 3")
    ]
    for check in checks:
        assert check.batch_size == 1 and len(check.sentences) == 1
        first, *rest = comparisons(check, check.expected, settings, 0.995)
        assert first.threshold == least
        searched = check.how == "beam" and quantize == "none"
        assert [one.threshold for one in rest] == [least] * searched
        [first, *_] = comparisons(check, check.expected, settings, 0.1)
        assert first.threshold == 0.1


def test_packages_that_an_artifact_must_do_without():
    refuse_modules("saved_model", ["tensorflow", "keras"])
    for format, module in [
        ("saved_model", "keras_attention"),
        ("litert", "tensorflow"),
    ]:
        with pytest.raises(ExportError, match=f"imported {module}"):
            refuse_modules(format, [module])


def test_a_process_that_fails_says_why(tmp_path, monkeypatch):
    (tmp_path / "crashing.py").write_text(
        "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n"
    )
    (tmp_path / "raising.py").write_text("raise ValueError('no such thing')\n")
    (tmp_path / "fine.py").write_text("print('fine')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert run_module("crashing") == "ended by SIGSEGV"
    assert run_module("raising") == "ValueError: no such thing"
    assert run_module("fine") == ""


@pytest.mark.parametrize(
    "quantize, threshold, passes",
    [
        ("none", None, False),
        ("none", 0.0, True),
        ("int8", None, True),  # of those only the best answer counts
        ("int8", 1.0, True),
    ],
)
def test_a_comparison_that_fails_is_an_error(
    monkeypatch, tmp_path, quantize, threshold, passes
):
    """The second best of a beam is another one, and no near tie."""
    best, own, other = (
        Answer(text, -1.0, np.array([token, 2], np.int32), None)
        for text, token in (("a", 4), ("b", 5), ("c", 6))
    )
    greedy = Check("greedy", "greedy", ["s"], [[best]], lambda *_: 1.0)
    beam = Check("beam", "beam", ["s"], [[best, own]], lambda *_: 1.0, "beam")
    found = {"greedy": [[best]], "beam": [[best, other]]}

    class Model:
        def __init__(self, *arguments):
            pass

        def source_lengths(self, sentences):
            return 1, 1

        def log_probabilities(self, sentences, rows, batch_size):
            return [best.score for _ in rows]

    monkeypatch.setattr("export.reference.Reference", Model)
    monkeypatch.setattr(verify, "checks_of", lambda *_: [greedy, beam])
    monkeypatch.setattr(verify, "run_checks", lambda *_: (found, {}, []))
    settings = dataclasses.replace(
        tiny.SETTINGS, quantize=quantize, length_penalty=0
    )

    def run():
        return verify.verify(
            "litert", None, tmp_path, (None, None), settings, ["s"], threshold
        )

    if passes:
        report = run()
        assert report.quantize == quantize
        assert report.identical_share == 1.0
        assert report.failed == []
        assert len(report.agreements) == (2 if quantize == "int8" else 3)
        assert report.agreeing_share == (quantize == "int8")
    else:
        with pytest.raises(ExportError, match="beam: all 3"):
            run()
