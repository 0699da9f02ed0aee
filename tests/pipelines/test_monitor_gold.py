"""Links between words that people drew."""

import gzip

import numpy as np
import pytest

from pipelines.data.corpus import Corpus, Problem
from pipelines.errors import UserError
from pipelines.tensorboard import gold

CORPUS = Corpus(["a b c", "d"], ["x y", "z"], [Problem(2, "empty source")])


def write(folder, text):
    path = folder / "links.txt"
    path.write_text(text)
    return path


def test_a_file(tmp_path):
    path = write(tmp_path, "0-0 2-1 1?1\nleft out\n\n")
    first, second = gold.read_links(path, CORPUS)
    assert first == ({(0, 0), (2, 1)}, {(1, 1)})
    assert second == (set(), set())
    packed = tmp_path / "links.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert gold.read_links(packed, CORPUS) == [first, second]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0-0\n\n", "has 2 lines, the validation set 3"),
        ("0-0\n\n0:0\n", "Line 3 of .*SOURCE-TARGET.*'0:0'"),
        ("0-2\n\n\n", "links 0-2, but the pair has 3 and 2 words"),
        ("3p0\n\n\n", "links 3-0, but the pair has 3 and 2 words"),
    ],
)
def test_a_file_that_does_not_fit(tmp_path, text, message):
    with pytest.raises(UserError, match=message):
        gold.read_links(write(tmp_path, text), CORPUS)


def test_a_file_that_is_missing(tmp_path):
    with pytest.raises(UserError):
        gold.read_links(tmp_path / "none", CORPUS)


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("un chat", ["▁un", "▁cha", "t", "</s>"]),
        ("un chat", ["u", "n", "▁", "c", "h", "</s>"]),
        ("un chat", ["un", "<unk>", "</s>"]),
        ("chat", ["chat", "</s>"]),
    ],
)
def test_words_of_tokens(text, pieces):
    random = np.random.default_rng(0)
    alignments = random.dirichlet(np.ones(len(pieces)), 3)
    # Subwords and characters: a word begins at the mark; else each is one.
    begins = [n for n, one in enumerate(pieces) if one.startswith("▁")]
    ends = [*begins, len(pieces) - 1] if begins else range(len(pieces))
    ends = sorted({0, *ends})
    found = gold.between_words(
        alignments, (text, pieces), ("one two", ["▁one", "▁t", "wo"])
    )
    columns = [
        alignments[:, start:end].sum(1)
        for start, end in zip(ends[:-1], ends[1:], strict=True)
    ]
    expected = [
        [column[0] for column in columns],
        [column[1:].mean() for column in columns],
    ]
    assert found.shape == (2, len(text.split()))
    np.testing.assert_allclose(found, expected)


def test_tokens_that_are_no_words():
    pieces = ["▁a", "▁b", "▁c", "</s>"]
    alignments = np.ones((1, 4))
    one = "x", ["▁x"]
    assert gold.between_words(alignments, ("a b", pieces), one) is None
    assert gold.between_words(alignments.T, one, ("", [])) is None


def test_links_of_alignments():
    alignments = np.array([[0.1, 0.9], [0.0, 0.0], [0.6, 0.4]])
    assert gold.best_links(alignments) == {(1, 0), (0, 2)}


def test_no_links_are_no_errors():
    assert gold.error_rate([frozenset()], [gold.parse_links("")]) == 0
