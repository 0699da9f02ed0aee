"""What counts as agreement, and how it is reported."""

import json

import numpy as np
import pytest

from export.answers import Answer, pack, unpack
from export.compare import NEAR_TIE
from export.compare import compare as compare_answers
from export.errors import ExportError
from export.fresh_process import run_module
from export.report import Report
from export.verify import _refuse_modules


class Gap:
    """Stands for the reference: every difference has the same gap."""

    def __init__(self, gap):
        self.gap = gap

    def greedy_gap(self, sentence, expected, found):
        return self.gap


def answer(*tokens, text="text", score=-1.5, alignments=0.5):
    if alignments is not None:
        alignments = np.full((len(tokens), 3), alignments, np.float32)
    return Answer(text, score, np.array(tokens, np.int32), alignments)


def compare(expected, found, gap=1.0):
    return compare_answers("check", ["source"], [expected], [found], Gap(gap))


def test_the_same_answer_agrees():
    agreement, differences = compare(answer(5, 2), answer(5, 2, score=-1.501))
    assert agreement.num_identical == agreement.num_agreeing == 1
    assert agreement.max_score_difference == pytest.approx(1e-3)
    assert agreement.max_alignment_difference == 0.0
    assert differences == []


@pytest.mark.parametrize(
    "found",
    [
        answer(5, 2, text="other"),
        answer(5, 2, score=-2.0),
        answer(5, 2, score=float("nan")),
        answer(5, 2, alignments=0.6),
        answer(5, 2, alignments=float("nan")),
        answer(5, 2, alignments=None),
    ],
)
def test_identical_tokens_alone_do_not_agree(found):
    agreement, differences = compare(answer(5, 2), found)
    assert agreement.num_identical == 1
    assert agreement.num_agreeing == 0
    assert len(differences) == 1


@pytest.mark.parametrize(
    "gap, near", [(0.0, True), (NEAR_TIE / 2, True), (0.1, False)]
)
def test_other_tokens_agree_only_on_a_near_tie(gap, near):
    agreement, (difference,) = compare(answer(5, 2), answer(6, 2), gap)
    assert agreement.num_identical == 0
    assert agreement.num_agreeing == near
    assert difference.near_tie is near
    assert difference.score_gap == gap


def test_answers_travel(tmp_path):
    answers = [
        answer(5, 7, 2, text="où ça ?"),
        answer(text=""),
        answer(4, alignments=None),
    ]
    path = tmp_path / "answers.npz"
    np.savez(path, **pack(answers, "a"), **pack([], "none"))
    with np.load(path) as arrays:
        assert unpack(arrays, "none") == []
        for one, other in zip(answers, unpack(arrays, "a"), strict=True):
            assert one.text == other.text
            assert one.score == other.score
            np.testing.assert_array_equal(one.tokens, other.tokens)
            if one.alignments is None:
                assert other.alignments is None
            else:
                assert one.alignments.shape == other.alignments.shape
                np.testing.assert_array_equal(one.alignments, other.alignments)


def test_report_is_json_a_line_and_a_table():
    agreement, differences = compare(answer(5, 2), answer(6, 2), gap=0.1)
    report = Report(
        "litert",
        "model.tflite",
        1_500_000,
        [agreement],
        differences,
        {"1 thread": 3.25},
        [],
    )
    values = json.loads(json.dumps(report.to_json()))
    assert values["identical_share"] == 0.0
    assert values["differences"][0]["score_gap"] == 0.1
    assert "1.5 MB; 0 of 1 answers identical" in report.to_line()
    assert "\n" not in report.to_line()
    assert "different (gap 1.0e-01): 'source'" in report.to_markdown()


def test_packages_that_an_artifact_must_do_without():
    _refuse_modules("saved_model", ["tensorflow", "keras"])
    for format, module in [
        ("saved_model", "keras_attention"),
        ("litert", "tensorflow"),
    ]:
        with pytest.raises(ExportError, match=f"imported {module}"):
            _refuse_modules(format, [module])


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
