"""The example reads digit strings, and looks at what it reads."""

import importlib
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "read_digits"
MODULES = ("main", "digit_strings", "picture")


@pytest.fixture
def example(monkeypatch):
    """The example's modules, by their names, as its folder has them."""
    pytest.importorskip("sklearn")
    monkeypatch.syspath_prepend(str(FOLDER))
    yield {name: importlib.import_module(name) for name in MODULES}
    for name in MODULES:
        del sys.modules[name]


def test_no_digit_is_in_both_halves(example):
    halves = example["digit_strings"].split_digits()
    train, test = (
        {image.tobytes() for image in images} for images, _ in halves
    )
    assert len(train) > 1000 and len(test) > 300
    assert not train & test


def test_the_boxes_hold_the_digits(example):
    strings = example["digit_strings"]
    train, _ = strings.make_strings(64, 1)
    for row, tokens in enumerate(train.tokens):
        length = int((tokens >= strings.FIRST_DIGIT).sum())
        assert list(tokens[length:]) == [strings.END] + [0] * (4 - length)
        outside = train.images[row, :, :, 0].copy()
        for top, left in train.corners[row, :length]:
            box = outside[top : top + 8, left : left + 8]
            assert box.shape == (8, 8) and box.max() > 0.8
            box[:] = 0.0
        assert outside.max() < 0.8  # noise
        # From left to right, one beside the other.
        assert (np.diff(train.corners[row, :length, 1]) >= 8).all()


def test_the_peak_is_in_the_box_or_not(example):
    strings = example["digit_strings"]
    alignments = np.zeros((1, 2, 5, 12))
    alignments[0, :, 2, 3] = 1.0  # rows 8 to 11, columns 12 to 15
    for corner, expected in (
        ((8, 8), True),
        ((3, 12), True),
        ((2, 12), False),  # ends where the cell's centre is
        ((8, 15), False),
    ):
        corners = np.array([[corner, (10, 14)]])
        found = strings.lies_on_digit(alignments, corners)
        assert found.tolist() == [[expected, True]], corner


@pytest.mark.slow
def test_it_reads_and_looks_at_what_it_reads(example, tmp_path):
    picture = tmp_path / "picture.png"
    results = example["main"].main(
        ["--quick", "--attentions", "soft", "gumbel", "--picture", str(picture)]
    )
    soft = results["soft"]
    # By chance a digit is right one time in ten, and a peak on it less than
    # one time in two.
    assert soft.digits > 0.6, soft[:4]
    assert soft.on_digit > 0.8, soft[:4]
    for result in results.values():
        looked = result.alignments.sum((2, 3))
        said = result.tokens != 0
        np.testing.assert_allclose(looked, said, atol=1e-5)
        assert not np.isnan(result.alignments).any()
    hard = results["gumbel"].alignments
    assert set(np.unique(hard)) == {0.0, 1.0}
    assert picture.stat().st_size > 10_000
    keras.utils.clear_session()
