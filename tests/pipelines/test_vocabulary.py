"""Vocabularies of characters and of words, against Python's own splitting."""

import json

import pytest
import tensorflow as tf

from pipelines import tokenizers
from pipelines.errors import UserError
from pipelines.text import SubwordTokenizer
from pipelines.vocabulary import VocabularyTokenizer

LINES = ["the cat  sleeps", "the dog", "", "the cat\u3000eats"]


def trained(kind, size=100):
    return VocabularyTokenizer.train(LINES, size, kind)


def test_words_are_kept_by_frequency():
    tokenizer = trained("whitespace", 7)
    assert tokenizer.vocabulary_size == 7
    # the: 3, cat: 2, then the first in the alphabet.
    assert tokenizer.pieces(range(7)) == [
        *("<pad>", "<s>", "</s>", "<unk>"),
        *("the", "cat", "dog"),
    ]
    assert tokenizer.encode_lines(["the  dog\tsleeps", " "]) == [[4, 6, 3], []]


def test_characters_are_kept_by_frequency():
    tokenizer = trained("character")
    text = "".join(" ".join(line.split()) for line in LINES)
    assert tokenizer.vocabulary_size == 4 + len(set(text))
    ids = range(4, tokenizer.vocabulary_size)
    shown = [piece.replace("▁", " ") for piece in tokenizer.pieces(ids)]
    counts = [text.count(one) for one in shown]
    assert counts == sorted(counts, reverse=True)


@pytest.mark.parametrize("kind", ["character", "whitespace"])
def test_text_comes_back(kind):
    tokenizer = trained(kind)
    rows = tokenizer.encode_lines(LINES)
    for line, row in zip(LINES, rows, strict=True):
        assert tokenizer.decode([1, *row, 2, 0]) == " ".join(line.split())
    in_graph = tokenizer.tokenize(tf.constant(LINES))
    assert in_graph.dtype == tf.int32
    assert in_graph.to_list() == rows
    texts = tokenizer.detokenize(in_graph.to_tensor(0)).numpy()
    expected = [" ".join(line.split()) for line in LINES]
    assert [text.decode() for text in texts] == expected
    assert tokenizer.tokenize(tf.constant([], tf.string)).to_list() == []


def test_what_is_unknown_is_shown_so():
    tokenizer = trained("character")
    [ids] = tokenizer.encode_lines(["té"])
    assert tokenizer.pieces(ids) == ["t", "<unk>"]
    assert tokenizer.decode(ids) == "t\u2047"
    # Bytes that were no text, however they came.
    assert tokenizer.encode_lines(["t\udcff"]) == [[ids[0], 3]]


@pytest.mark.parametrize("kind", ["sentencepiece", "character", "whitespace"])
def test_a_file_says_of_what_kind_it_is(tmp_path, kind):
    tokenizer = tokenizers.train(LINES, 30, kind)
    tokenizer.save(tmp_path / "a.model")
    loaded = tokenizers.load(tmp_path / "a.model")
    assert type(loaded) is type(tokenizer)
    assert isinstance(loaded, SubwordTokenizer) == (kind == "sentencepiece")
    assert loaded.encode_lines(LINES) == tokenizer.encode_lines(LINES)
    assert loaded.vocabulary_size == tokenizer.vocabulary_size


@pytest.mark.parametrize(
    "model",
    [
        b"",
        b"{",
        json.dumps({"kind": "character", "tokens": []}).encode(),
        json.dumps(
            {
                "format": "keras_attention.vocabulary",
                "kind": "bytes",
                "tokens": ["a"],
            }
        ).encode(),
    ],
)
def test_what_is_no_vocabulary_is_refused(model):
    with pytest.raises(UserError, match="no vocabulary"):
        VocabularyTokenizer(model)


def test_errors_name_the_file(tmp_path):
    (tmp_path / "a.model").write_bytes(b"{}")
    with pytest.raises(UserError, match="a.model: This is no vocabulary"):
        tokenizers.load(tmp_path / "a.model")
    with pytest.raises(UserError, match="Cannot read the tokenizer"):
        tokenizers.load(tmp_path / "none")
    with pytest.raises(UserError, match="every line is empty"):
        tokenizers.train(["", " "], 30, "character")
