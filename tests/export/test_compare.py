"""What counts as agreement, and how it is reported."""

import dataclasses
import json
import os

import numpy as np
import pytest

from export.answers import Answer, from_outputs, pack, unpack
from export.compare import compare as compare_answers
from export.report import Report

NEAR_TIE = 1e-3


def answer(*tokens, text="text", score=-1.5, alignments=0.5):
    if alignments is not None:
        alignments = np.full((len(tokens), 3), alignments, np.float32)
    return Answer(text, score, np.array(tokens, np.int32), alignments)


def compare(expected, found, gap=1.0):
    """Compares two answers, or two lists of the n best."""
    lists = [
        [one] if isinstance(one, Answer) else one for one in (expected, found)
    ]
    return compare_answers(
        "check",
        ["source"],
        *([one] for one in lists),
        gap=lambda *_: gap,
        tolerance=0.01,
        threshold=0.995,
        near_tie=NEAR_TIE,
    )


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


@pytest.mark.parametrize(
    "found, identical, agreeing, gap",
    [
        ([answer(5, 2), answer(6, 2)], 1, 1, 1.0),
        ([answer(5, 2), answer(7, 2)], 0, 0, 1.0),
        ([answer(5, 2), answer(7, 2)], 0, 1, 0.0),  # a near tie
        ([answer(5, 2), answer(6, 2, text="other")], 1, 0, 1.0),
        ([answer(5, 2)], 0, 0, 0.0),
    ],
)
def test_of_the_n_best_all_must_agree(found, identical, agreeing, gap):
    expected = [answer(5, 2), answer(6, 2)]
    agreement, differences = compare(expected, found, gap)
    assert agreement.num_identical == identical
    assert agreement.num_agreeing == agreeing
    assert len(differences) == (not (identical and agreeing))


def test_answers_travel(tmp_path):
    answers = [
        [answer(5, 7, 2, text="où ça ?"), answer(text="")],
        [answer(4, alignments=None)],
    ]
    path = tmp_path / "answers.npz"
    np.savez(path, **pack(answers, "a"), **pack([], "none"))
    with np.load(path) as arrays:
        assert unpack(arrays, "none") == []
        found = unpack(arrays, "a")
    assert [len(several) for several in found] == [2, 1]
    for one, other in zip(sum(answers, []), sum(found, []), strict=True):
        assert one.text == other.text
        assert one.score == other.score
        np.testing.assert_array_equal(one.tokens, other.tokens)
        if one.alignments is None:
            assert other.alignments is None
        else:
            assert one.alignments.shape == other.alignments.shape
            np.testing.assert_array_equal(one.alignments, other.alignments)


def test_only_hypotheses_that_were_found_are_answers():
    outputs = {
        "tokens": np.array([[[5, 2], [0, 0]], [[0, 0], [0, 0]]]),
        "lengths": np.array([[2, 0], [0, 0]]),
        "scores": np.array([[-1.0, -1e9], [0.0, 0.0]]),
    }
    texts = np.array([[b"a", b""], [b"", b""]], object)
    source = np.array([[7, 2], [0, 0]])
    (one,), (nothing,) = from_outputs(outputs, texts, source)
    assert one.text == "a" and one.tokens.tolist() == [5, 2]
    assert nothing.text == "" and nothing.score == 0.0


@pytest.mark.parametrize(
    "error, most, passed",
    [
        (None, None, True),  # of answers that another check has looked at
        (0.01, 0.02, True),
        (0.03, 0.02, False),
        (float("nan"), 0.02, False),
    ],
)
def test_scores_must_be_near_whatever_is_said(error, most, passed):
    agreement, _ = compare(answer(5, 2), answer(5, 2))
    agreement = dataclasses.replace(
        agreement, score_error=error, max_score_error=most
    )
    assert agreement.passed is passed
    report = report_of(agreement, [])
    assert [one.check for one in report.failed] == ["check"] * (not passed)


def report_of(agreement, differences, **options):
    return Report(
        format="litert",
        path="model.tflite",
        size_bytes=1_500_000,
        agreements=[agreement],
        differences=differences,
        latency_ms={"1 thread": 3.25},
        modules=[],
        source_lengths=(2, 17),
        **{"quantize": "none", **options},
    )


def test_report_is_json_a_line_and_a_table(tmp_path):
    compared = compare(answer(5, 2), answer(6, 2), gap=0.1)
    report = report_of(*compared)
    values = json.loads(json.dumps(report.to_json()))
    assert values["identical_share"] == 0.0
    assert values["differences"][0]["score_gap"] == 0.1
    assert values["source_lengths"] == [2, 17]
    assert "1.5 MB; 0 of 1 answers identical" in report.to_line()
    assert "BLEU" not in report.to_line()
    assert "\n" not in report.to_line()
    assert "different (gap 1.0e-01): 'source'" in report.to_markdown()
    assert "Sources of 2 to 17 tokens." in report.to_markdown()
    assert "| 0 | 99.5% |" in report.to_markdown()
    assert values["failed"] == ["check"]
    scored = report_of(
        *compared, quantize="int8", bleu={"model": 41.0, "artifact": 40.5}
    )
    assert "litert (int8): " in scored.to_line()
    assert "BLEU 40.50 (the model's 41.00)" in scored.to_line()
    files = scored.write(tmp_path / "new" / "m.report")
    assert [file.name for file in files] == ["m.report.json", "m.report.md"]
    assert json.loads(files[0].read_text("utf-8")) == scored.to_json()
    assert files[1].read_text("utf-8") == scored.to_markdown()


def test_a_report_is_json_for_strict_readers(tmp_path):
    """Also where one answer is the other's beginning."""
    report = report_of(*compare(answer(5, 2), answer(5), gap=float("inf")))
    [file, _] = report.write(tmp_path / "m.report")

    def refuse(name):
        raise AssertionError(name)

    values = json.loads(file.read_text("utf-8"), parse_constant=refuse)
    assert values["differences"][0]["score_gap"] is None


def test_a_report_is_replaced(tmp_path):
    scored = report_of(*compare(answer(5, 2), answer(6, 2), gap=0.1))
    files = scored.write(tmp_path / "new" / "m.report")
    scored.write(tmp_path / "new" / "m.report")  # replaces them
    assert sorted(os.listdir(tmp_path / "new")) == [f.name for f in files]
