"""Subwords that are drawn anew in each epoch."""

import collections
import json
import random
import subprocess
import sys

import numpy as np
import pytest

from pipelines import recipe as recipes
from pipelines import tokenizers
from pipelines.data.batches import EpochBatches
from pipelines.data.bpe_dropout import DroppedMerges
from pipelines.data.corpus import Corpus
from pipelines.data.streamed_corpus import StreamedCorpus
from pipelines.errors import UserError
from pipelines.subword_merges import Merges
from pipelines.tasks.translation import batches as task_batches

WORDS = ["lower", "lowest", "newer", "newest", "wider", "widest", "low", "new"]
SOURCES = [
    " ".join(WORDS[(row + step) % 8] for step in range(1 + row % 5))
    for row in range(20)
]
TARGETS = [" ".join(reversed(line.split())) for line in SOURCES]
CORPUS = Corpus(SOURCES, TARGETS)


@pytest.fixture(scope="module")
def tokenizer():
    return tokenizers.train(SOURCES, 60)


def make(tokenizer, rate=0.3, seed=1, **options):
    return EpochBatches(
        CORPUS,
        tokenizer,
        tokenizer,
        batch_size=4,
        bpe_dropout=rate,
        seed=seed,
        **options,
    )


def rows(dataset):
    """Sources and labels of all real rows, as lists of ids."""
    found = []
    for inputs, labels, _ in dataset.as_numpy_iterator():
        for source, target in zip(inputs["source"], labels, strict=True):
            if source.any():
                found.append((source[source > 0], target[target > 0]))
    return found


DRAW = """
import sys
from pipelines.text import SubwordTokenizer
tokenizer = SubwordTokenizer.load(sys.argv[1])
print(tokenizer.sample_lines(["lower newest widest"] * 20, 0.3, 7))
"""


def test_every_process_draws_the_same(tokenizer, tmp_path):
    path = tmp_path / "subwords.model"
    tokenizer.save(path)
    first, second = (
        subprocess.run(
            [sys.executable, "-c", DRAW, str(path)],
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for _ in range(2)
    )
    assert first == second
    assert len(set(map(tuple, json.loads(first)))) > 1


@pytest.mark.parametrize(
    "line",
    [
        "lower newest  widest",
        " low",
        "low▁new",
        "",
        "   ",
        "ﬁ ½",
        "漢字 low 漢 字x漢字",
        "new\udcffer",
        "\ud800",
        "low" * 3000,
    ],
)
def test_without_dropout_the_tokens_are_those_of_sentencepiece(tokenizer, line):
    wanted = tokenizer.encode_lines([line])
    assert tokenizer.sample_lines([line], 0.0, 1) == wanted


def test_merges_are_left_out_as_often_as_asked():
    """Of a word of one merge, which is tried once."""
    merges = Merges({"a": -2, "b": -1, "ab": 0})
    generator = random.Random(1)
    counts = collections.Counter(
        len(merges.split("ab", 0.3, generator)) for _ in range(5000)
    )
    # Five standard deviations of a share.
    assert abs(counts[2] / 5000 - 0.3) < 5 * (0.3 * 0.7 / 5000) ** 0.5


def num_tokens(pairs):
    return [sum(map(len, side)) for side in zip(*pairs, strict=True)]


def texts(tokenizer, pairs):
    return sorted(tuple(map(tokenizer.decode, pair)) for pair in pairs)


def test_the_text_stays_and_the_tokens_change(tokenizer):
    data = make(tokenizer)
    usual = make(tokenizer, 0.0)
    wanted = texts(tokenizer, rows(usual.epoch(0)))
    assert wanted == sorted(zip(SOURCES, TARGETS, strict=True))
    counts = []
    for epoch in range(3):
        pairs = rows(data.epoch(epoch))
        assert texts(tokenizer, pairs) == wanted
        counts.append(
            [sum(map(len, side)) for side in zip(*pairs, strict=True)]
        )
    assert len(set(map(tuple, counts))) > 1
    assert np.all(np.array(counts) > num_tokens(rows(usual.epoch(0))))


def test_both_sides_are_drawn_for_themselves(tokenizer):
    corpus = Corpus(SOURCES, SOURCES)
    drawn = DroppedMerges(corpus, tokenizer, tokenizer, 0.3, seed=1)
    source, target = drawn.draw(0)
    assert source != target


def test_draws_depend_on_seed_and_epoch_alone(tokenizer):
    first, again, other = (
        make(tokenizer, seed=seed).all_epochs(0, 3) for seed in (1, 1, 2)
    )
    one, two, three = (
        [tuple(part.tolist() for part in pair) for pair in rows(data)]
        for data in (first, again, other)
    )
    assert one == two
    assert sorted(one) != sorted(three)
    # Resumed in mid-epoch: the batches that would have come.
    data = make(tokenizer)
    later = data.all_epochs(1, 2).skip(2)
    whole = data.all_epochs(0, 3).skip(data.num_batches + 2)
    for left, right in zip(later, whole, strict=True):
        np.testing.assert_array_equal(left[0]["source"], right[0]["source"])


@pytest.mark.parametrize("rate", [0.3, 0.9])
def test_batches_keep_their_few_shapes(tokenizer, rate):
    longest = max(len(row) for row in tokenizer.encode_lines(SOURCES)) + 1
    # There is hardly room for a token more.
    data = make(
        tokenizer,
        rate,
        max_source_len=longest,
        max_target_len=longest,
        num_buckets=3,
    )
    assert data.num_pairs == len(SOURCES)
    for epoch in range(3):
        batches = list(data.epoch(epoch).as_numpy_iterator())
        assert len(batches) == data.num_batches
        shapes = {
            (inputs["source"].shape[1], labels.shape[1])
            for inputs, labels, _ in batches
        }
        assert shapes <= set(data.boundaries)
        assert len(rows(data.epoch(epoch))) == len(SOURCES)


def recipe(**data):
    data["train"] = "pairs.tsv"
    return recipes.from_dict({"data": data, "training": {"batch_size": 4}})


def test_a_recipe_draws_for_training_only(tokenizer):
    settings = recipe(bpe_dropout=0.5)
    training = task_batches(settings, CORPUS, tokenizer, tokenizer)
    validation = task_batches(settings, CORPUS, tokenizer, tokenizer, training)
    plain = [[*row, 2] for row in tokenizer.encode_lines(SOURCES)]
    held = [source.tolist() for source, _ in rows(validation.epoch(0))]
    drawn = [source.tolist() for source, _ in rows(training.epoch(0))]
    assert sorted(held) == sorted(plain)
    assert sorted(drawn) != sorted(plain)


def test_other_tokens_have_no_merges():
    words = tokenizers.train(SOURCES, 60, "whitespace")
    with pytest.raises(UserError, match="needs subwords"):
        make(words)


def test_streams_are_refused(tokenizer):
    stream = StreamedCorpus.__new__(StreamedCorpus)
    with pytest.raises(UserError, match="drawn anew"):
        task_batches(recipe(bpe_dropout=0.5), stream, tokenizer, tokenizer)
