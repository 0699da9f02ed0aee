import logging
import unicodedata

import pytest
import tensorflow as tf

from pipelines.data.corpus import read_parallel
from pipelines.errors import UserError
from pipelines.recipe import load_recipe
from pipelines.text import SubwordTokenizer

ODD_LINES = [
    "",
    "   ",
    "a",
    "tab\there",
    "<s> </s> <pad> <unk>",
    "\u2581marked",
    "😀 👩‍👩‍👧 ok",
    "e\u0301te\u0301",
    "ﬁn",
    "مرحبا 世界",
    "\u200b",
    "x" * 10_000,
]


@pytest.fixture(scope="module")
def lines():
    return read_parallel(load_recipe("demo").data.paths("train")).sources[::41]


@pytest.fixture(scope="module")
def tokenizer(lines):
    return SubwordTokenizer.train(lines, 1000)


def test_ids_and_size(tokenizer):
    assert tokenizer.vocabulary_size == 1000
    assert tokenizer.pieces([0, 1, 2, 3]) == ["<pad>", "<s>", "</s>", "<unk>"]


def test_graph_and_library_agree(tokenizer, lines):
    batch = lines + ODD_LINES
    tokens = tokenizer.tokenize(tf.constant(batch))
    assert tokens.dtype == tf.int32
    assert tokens.to_list() == tokenizer.encode_lines(batch)
    texts = [text.decode() for text in tokenizer.detokenize(tokens).numpy()]
    assert texts == [tokenizer.decode(row) for row in tokens.to_list()]


def test_text_comes_back(tokenizer, lines):
    rows = tokenizer.encode_lines(lines)
    for line, row in zip(lines, rows, strict=True):
        normal = " ".join(unicodedata.normalize("NFKC", line).split())
        assert tokenizer.decode(row) == normal
        assert min(row) > 3


def test_invalid_bytes_are_unknown_and_agree(tokenizer):
    rows = [b"a\xff b", b"\xc3", b"\xed\xa0\x80", b"\xfe\xff"]
    in_graph = tokenizer.tokenize(tf.constant(rows)).to_list()
    assert all(3 in row for row in in_graph)
    as_text = [row.decode("utf-8", "surrogateescape") for row in rows]
    assert tokenizer.encode_lines(as_text) == in_graph
    assert 3 in tokenizer.encode_lines(["\ud800"])[0]


def test_detokenize_drops_padding_start_and_end(tokenizer):
    [row] = tokenizer.encode_lines(["C'est la vie."])
    dense = tf.constant([[1, *row, 2, 0, 0], [0] * (len(row) + 4)])
    texts = tokenizer.detokenize(dense).numpy().tolist()
    assert texts == [b"C'est la vie.", b""]
    assert tokenizer.decode([1, *row, 2, 0]) == "C'est la vie."
    assert tokenizer.decode([]) == ""
    assert tokenizer.detokenize(tf.zeros([2, 0], tf.int32)).shape == (2,)


def test_unknown_characters(tokenizer):
    [row] = tokenizer.encode_lines(["le 😀 chat"])
    assert row.count(3) == 1
    assert "⁇" in tokenizer.decode(row)


def test_training_is_deterministic_and_quiet(lines, tokenizer, capfd):
    again = SubwordTokenizer.train(lines, 1000)
    assert again.model == tokenizer.model
    assert capfd.readouterr() == ("", "")


def test_case_is_kept(tokenizer):
    upper, lower = tokenizer.encode_lines(["LE", "le"])
    assert upper != lower


@pytest.mark.parametrize("wanted", [8000, 1, 4, 12])
def test_impossible_sizes_are_changed_with_a_warning(wanted, caplog):
    with caplog.at_level(logging.WARNING):
        tokenizer = SubwordTokenizer.train(["abc abc", "def", ""], wanted)
    used = tokenizer.vocabulary_size
    # 4 special tokens, 6 letters and the mark of a word's beginning.
    assert used == {1: 11, 4: 11, 12: 12}.get(wanted, used)
    assert 11 <= used < 30
    assert bool(caplog.records) == (wanted != used)
    if caplog.records:
        assert f"; {used} are used" in caplog.text


def test_no_text_to_learn_from():
    for lines in ([], ["", "  "]):
        with pytest.raises(UserError, match="every line is empty"):
            SubwordTokenizer.train(lines, 100)
    with pytest.raises(UserError, match="could not be trained"):
        SubwordTokenizer.train(["\u200b"], 100)


def test_long_lines_are_learned_from():
    tokenizer = SubwordTokenizer.train(["é" * 10_000], 20)
    assert 3 not in tokenizer.encode_lines(["é"])[0]


def test_save_and_load(tokenizer, tmp_path):
    path = tmp_path / "source.model"
    tokenizer.save(path)
    loaded = SubwordTokenizer.load(path)
    assert loaded.encode_lines(["Va !"]) == tokenizer.encode_lines(["Va !"])
    path.write_bytes(tokenizer.model[:1000])
    with pytest.raises(UserError, match="source.model.*no SentencePiece"):
        SubwordTokenizer.load(path)
    with pytest.raises(UserError, match="no SentencePiece model"):
        SubwordTokenizer(b"")
    with pytest.raises(UserError, match="Cannot read the tokenizer"):
        SubwordTokenizer.load(tmp_path / "none")
    with pytest.raises(UserError, match="Cannot write"):
        tokenizer.save(tmp_path / "none" / "source.model")


def test_inside_a_saved_model(tokenizer, tmp_path):
    fresh = SubwordTokenizer(tokenizer.model)

    class RoundTrip(tf.Module):
        def __init__(self):
            super().__init__()
            self.tokenizer = fresh.in_graph

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
        def serve(self, text):
            return fresh.detokenize(fresh.tokenize(text).to_tensor())

    module = RoundTrip()
    tf.saved_model.save(module, str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path))
    texts = loaded.serve(tf.constant(["Va !", ""])).numpy().tolist()
    assert texts == [b"Va !", b""]


def test_made_inside_a_traced_function(tokenizer):
    fresh = SubwordTokenizer(tokenizer.model)
    traced = tf.function(lambda text: fresh.tokenize(text).to_tensor())
    first = traced(tf.constant(["Va !"])).numpy().tolist()
    assert first == fresh.tokenize(tf.constant(["Va !"])).to_list()


def test_lives_through_setting_the_seed(tokenizer):
    fresh = SubwordTokenizer(tokenizer.model)
    expected = fresh.tokenize(tf.constant(["Va !"])).to_list()
    tf.random.set_seed(1)  # Frees the resource.
    assert fresh.tokenize(tf.constant(["Va !"])).to_list() == expected
    tf.random.set_seed(1)
    assert fresh.detokenize(tf.constant(expected)).numpy() == [b"Va !"]
