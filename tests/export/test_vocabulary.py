"""Vocabularies in a graph of core operators, against the Python tokenizer."""

import gzip
import json
import pathlib

import pytest
import tensorflow as tf

import pipelines
from export import vocabulary
from export.errors import ExportError
from export.text_tokenizers import tokenizer_of
from pipelines.vocabulary import VocabularyTokenizer

SAMPLE = pathlib.Path(pipelines.__file__).parent / "sample"
# Every character that Python takes for white space.
SPACES = "".join(chr(i) for i in range(0x110000) if chr(i).isspace())
ODD = [
    "",
    SPACES,
    f"a{SPACES}b c",
    *(f"x{space}y" for space in SPACES),
    "\U0001f600\U0001f1eb\U0001f1f7 שלום \u200b\ufeff x\x00y",
    "e\u0301 é",
    "x" * 10_000,
]


@pytest.fixture(scope="module")
def lines():
    with gzip.open(SAMPLE / "fra-eng.test.tsv.gz", "rt", "utf-8") as file:
        return [line.rstrip("\n").split("\t")[0] for line in file] + ODD


@pytest.mark.parametrize("kind", vocabulary.KINDS)
def test_the_same_tokens_and_texts_as_in_python(lines, kind):
    own = VocabularyTokenizer.train(lines[:400], 300, kind)
    in_graph = tokenizer_of(own.model)
    expected = own.encode_lines(lines)
    assert any(3 in row for row in expected)  # some are unknown
    ids = in_graph.tokenize(tf.constant(lines))
    assert ids.dtype == tf.int32
    assert ids.to_list() == expected
    texts = [text.decode() for text in in_graph.detokenize(ids).numpy()]
    assert texts == [own.decode(row) for row in expected]
    known = list(range(own.vocabulary_size))
    names = in_graph.id_to_string(tf.constant(known)).numpy()
    assert [name.decode() for name in names] == own.pieces(known)


@pytest.mark.parametrize(
    "change, reason",
    [
        ({"format": "other"}, "format"),
        ({"kind": "bytes"}, "kind 'bytes'"),
        ({"tokens": []}, "no tokens"),
        ({"tokens": ["a", ""]}, "empty"),
        ({"tokens": ["a", 3]}, "no string"),
        ({"tokens": ["a", "a"]}, "twice"),
        ({"tokens": None}, "no tokens"),
    ],
)
def test_what_is_no_vocabulary_is_refused(change, reason):
    content = {
        "format": vocabulary.FORMAT,
        "kind": "character",
        "tokens": ["a", "b"],
    }
    assert vocabulary.read(json.dumps(content).encode()).tokens == ("a", "b")
    model = json.dumps({**content, **change}).encode()
    assert vocabulary.is_vocabulary(model)
    with pytest.raises(ExportError, match=reason):
        tokenizer_of(model)


def test_what_is_no_tokenizer_is_refused():
    with pytest.raises(ExportError, match="cannot be read"):
        tokenizer_of(b"{")
    with pytest.raises(ExportError, match="neither a SentencePiece model"):
        tokenizer_of(b"abc")
