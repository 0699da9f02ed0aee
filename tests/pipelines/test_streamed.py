"""Batches of a file that is read anew in each epoch."""

import gzip

import keras
import numpy as np
import pytest

from pipelines import evaluate, tokenizers
from pipelines import recipe as recipes
from pipelines.data import streamed_corpus
from pipelines.data.batches import EpochBatches
from pipelines.data.corpus import read_parallel
from pipelines.data.streamed_batches import StreamedBatches
from pipelines.data.streamed_corpus import LineCounts, read_stream
from pipelines.errors import UserError
from pipelines.train import train
from tests.pipelines.tiny_run import make_run

NUM_LINES = 53
OPTIONS = {"batch_size": 4, "max_source_len": 7, "max_target_len": 9}


@pytest.fixture
def path(tmp_path):
    """Numbered pairs of many lengths; some lines are bad or too long."""
    lines = [
        f"{number} {'a ' * (number % 5)}\t{'b ' * (number % 3)}{number}"
        for number in range(1, NUM_LINES + 1)
    ]
    lines[6] = ""
    lines[7] = "no tab"
    lines[8] = "9\t9\t9"
    lines[30] = "a " * 40 + "\t31"
    file = tmp_path / "pairs.tsv"
    file.write_bytes("\n".join(lines).encode() + b"\n\xff\tx\n")
    return file


def make(kind, corpus, **options):
    words = " ".join(["a", "b", *map(str, range(NUM_LINES + 1))])
    tokenizer = tokenizers.train([words], 70, "whitespace")
    data = kind(corpus, tokenizer, tokenizer, **OPTIONS | options)
    return data, tokenizer


def batches(dataset):
    return [
        [inputs["source"].numpy(), labels.numpy(), weights.numpy()]
        for inputs, labels, weights in dataset
    ]


def pairs(some_batches):
    """All pairs, without padding, in an order of their own."""
    return sorted(
        (tuple(source[source > 0]), tuple(target[target > 0]))
        for sources, targets, _ in some_batches
        for source, target in zip(sources, targets, strict=True)
        if source.any()
    )


@pytest.mark.parametrize("kind", [StreamedBatches, EpochBatches])
def test_repeats_are_whole_batches_one_after_the_other(kind, path):
    corpus = (read_stream if kind is StreamedBatches else read_parallel)(path)
    once, _ = make(kind, corpus)
    twice, _ = make(kind, corpus, repeats=2)
    size = OPTIONS["batch_size"]
    for single, double in zip(
        batches(once.epoch(1)), batches(twice.epoch(1)), strict=True
    ):
        for one, other in zip(single, double, strict=True):
            np.testing.assert_array_equal(other[:size], one)
            np.testing.assert_array_equal(other[size:], one)
    assert twice.num_target_tokens == once.num_target_tokens
    assert twice.lines(1, 2) == once.lines(1, 2)
    assert "each pair 2 times" in twice.report()


def test_an_epoch_holds_what_one_in_memory_holds(path):
    streamed, _ = make(StreamedBatches, read_stream(path))
    whole, _ = make(EpochBatches, read_parallel(path))
    found, expected = (batches(data.epoch(3)) for data in (streamed, whole))
    assert pairs(found) == pairs(expected)
    assert len(found) == streamed.num_batches
    for name in ("num_pairs", "num_dropped", "num_target_tokens"):
        assert getattr(streamed, name) == getattr(whole, name)
    assert {one[0].shape[1:] + one[1].shape[1:] for one in found} <= set(
        streamed.boundaries
    )
    assert all(len(one[0]) == OPTIONS["batch_size"] for one in found)
    report = streamed.report()
    assert "Left out 4 of 54 lines" in report
    assert "too few tabs (line 8)" in report and "UTF-8 (line 54)" in report
    assert "1 pairs were too long" in report


def test_nothing_is_tuned_that_an_end_could_wait_for(path):
    dataset = make(StreamedBatches, read_stream(path))[0].epoch(0)
    assert dataset.options().autotune.enabled is False


def test_epochs_differ_and_begin_anywhere(path):
    data, _ = make(StreamedBatches, read_stream(path))
    first, second = batches(data.epoch(0)), batches(data.epoch(1))
    assert [one[0].tolist() for one in first] != [
        one[0].tolist() for one in second
    ]
    skip = data.num_batches + 2
    again, _ = make(StreamedBatches, read_stream(path))
    rest = batches(again.all_epochs(0, 2).skip(skip))
    assert len(rest) == data.num_batches - 2
    for found, expected in zip(rest, second[2:], strict=True):
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("seed", [0, 2**31 - 1])
def test_seeds_that_are_none_to_tensorflow(path, seed):
    keras.utils.set_random_seed(seed)
    try:
        data, _ = make(StreamedBatches, read_stream(path))
        first, again = batches(data.epoch(0)), batches(data.epoch(0))
    finally:
        keras.utils.set_random_seed(1)
    assert len(first) == data.num_batches
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one[0], other[0])


def test_batches_know_their_lines(path):
    data, tokenizer = make(StreamedBatches, read_stream(path))
    for number, (sources, _, _) in enumerate(batches(data.epoch(1))):
        words = [tokenizer.pieces([row[0]])[0] for row in sources if row.any()]
        assert data.lines(1, number) == sorted(map(int, words))


def test_a_limit_and_a_small_buffer(path):
    limited = make(StreamedBatches, read_stream(path, limit=11))[0]
    whole = make(EpochBatches, read_parallel(path).first(11))[0]
    assert pairs(batches(limited.epoch(0))) == pairs(batches(whole.epoch(0)))
    data = make(StreamedBatches, read_stream(path), shuffle_buffer=1)[0]
    # Without mixing the pairs of a batch are those that were read together.
    assert max(data.lines(0, 0)) < 20


def test_bad_lines_behind_a_limit_are_not_reported(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text("a\tb\n\nc\td\nno tab\n\te\n", "utf-8")
    for limit, problems in ((1, 0), (2, 1), (0, 3)):
        counts = LineCounts()
        pieces = list(read_stream(path, limit=limit).pieces(counts))
        assert sum(len(numbers) for numbers, *_ in pieces) == (limit or 2)
        assert sum(number for number, _ in counts.kinds.values()) == problems


def test_gzip_and_parallel_files(path, tmp_path):
    packed = tmp_path / "packed"
    packed.write_bytes(gzip.compress(b"\xef\xbb\xbf" + path.read_bytes()))
    expected = read_parallel(path)
    sides = tmp_path / "a", tmp_path / "b"
    sides[0].write_text("\n".join(expected.sources) + "\n")
    sides[1].write_text("\r\n".join(expected.targets) + "\r\n")
    for paths in (packed, sides):
        corpus = read_stream(paths)
        assert corpus.sources == expected.sources
        assert corpus.targets == expected.targets
    sides[1].write_text("one\n")
    with pytest.raises(UserError, match="equally many lines"):
        read_stream(sides)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "No usable sentence pair"),
        (b"no tab\n" * 20, "No usable sentence pair"),
        ("a\tb\n".encode("utf-16"), "UTF-16"),
        (b"\x1f\x8bno", "cannot be read"),
        (None, "No such file"),
    ],
)
def test_files_that_cannot_be_streamed(content, said, tmp_path):
    file = tmp_path / "pairs.tsv"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UserError, match=said):
        read_stream(file)


@pytest.mark.parametrize("fault", ["unequal", "truncated"])
def test_a_fault_behind_the_beginning_is_one_sentence(
    fault, path, tmp_path, monkeypatch
):
    monkeypatch.setattr(streamed_corpus, "HEAD", 100)
    lines = [f"{number % 50}\n" for number in range(30_000)]
    if fault == "unequal":
        paths = tmp_path / "a", tmp_path / "b"
        paths[0].write_text("".join(lines))
        paths[1].write_text("".join(lines[:-1]))
        said = "equally many lines"
    else:
        paths = tmp_path / "packed"
        text = "".join(f"{line[:-1]}\t{line}" for line in lines)
        paths.write_bytes(gzip.compress(text.encode())[:-50])
        said = "cannot be read"
    corpus = read_stream(paths)
    with pytest.raises(UserError, match=said):
        make(StreamedBatches, corpus)


def test_a_fault_while_training_is_one_sentence(tmp_path):
    source, target = tmp_path / "a", tmp_path / "b"
    for file in (source, target):
        file.write_text("un chat\n" * 40)
    recipe = recipes.from_dict(
        {
            "data": {
                "folder": str(tmp_path),
                "train": ["a", "b"],
                "validation": ["a", "b"],
                "tokenizer": "whitespace",
                "stream": True,
            },
            "model": {"units": 4, "embedding_dim": 4},
            "training": {"batch_size": 8, "jit_compile": False},
            "monitoring": {"tensorboard": False},
        }
    )

    class Cut(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            target.write_text("un chat\n")

    with pytest.raises(UserError, match="equally many lines"):
        train(recipe, tmp_path / "run", extra_callbacks=[Cut()])


def test_only_the_beginning_can_be_evaluated(path, tmp_path, monkeypatch):
    run = make_run(tmp_path / "run", f"data.train={path}", "data.stream=true")
    assert len(evaluate._prepare(run, "train", 0, evaluate.USUAL)[1]) > 40
    monkeypatch.setattr(evaluate, "HEAD", 20)
    with pytest.raises(UserError, match="--limit"):
        evaluate._prepare(run, "train", 0, evaluate.USUAL)
    assert len(evaluate._prepare(run, "train", 7, evaluate.USUAL)[1]) == 7


def test_no_pair_is_short_enough(path):
    with pytest.raises(UserError, match="at most 1 source"):
        make(StreamedBatches, read_stream(path), max_source_len=1)


def test_counts_keep_the_first_lines_only():
    counts = LineCounts()
    counts.total = 1000
    for number in range(1, 501):
        counts.add("empty line", number)
    assert counts.report() == (
        " Left out 500 of 1,000 lines: 500 empty line "
        "(lines 1, 2, 3, 4, 5, ...)."
    )
