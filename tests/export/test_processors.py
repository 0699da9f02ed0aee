"""The same tokens on a device as in the graph, and as in training."""

import gzip
import pathlib

import numpy as np
import pytest
import tensorflow as tf

import pipelines
from export import vocabulary
from export.errors import ExportError
from export.processors import processor_of
from export.text_signatures import _tokenize
from export.text_tokenizers import tokenizer_of
from export.translation import Texts
from pipelines.text import SubwordTokenizer
from pipelines.vocabulary import VocabularyTokenizer

SAMPLE = pathlib.Path(pipelines.__file__).parent / "sample"
ODD = [
    "",
    " \t\u3000\u00a0",
    "\ufb01n\u0301e  ＡＢＣ ①½",  # what Unicode normalises
    "\U0001f600\U0001f1eb\U0001f1f7 👨‍👩‍👧",
    "אני רוצה \u200fمرحبا\u200e",
    "a\x00b\r\n\tc\u200bd\ufeff",
    "▁ <s> </s> <unk> <pad>",
    "x" * 10_000,
    "le chat " * 1500,
]


@pytest.fixture(scope="module")
def lines():
    with gzip.open(SAMPLE / "fra-eng.test.tsv.gz", "rt", "utf-8") as file:
        return [line.rstrip("\n").split("\t")[0] for line in file] + ODD


def tokenizer(kind, lines):
    if kind == "subword":
        return SubwordTokenizer.train(lines[:500], 500)
    return VocabularyTokenizer.train(lines[:500], 300, kind)


@pytest.mark.parametrize("kind", ["subword", *vocabulary.KINDS])
def test_the_same_tokens_as_in_the_graph(lines, kind):
    own = tokenizer(kind, lines)
    processor = processor_of(own.model)
    ids, truncated = _tokenize(
        tokenizer_of(own.model), tf.constant(lines), max_len=50
    )
    texts = Texts(processor, processor, max_source_len=50)
    assert ids.shape == (len(lines), 50)
    for row, line in enumerate(lines):
        found, cut = texts.tokenize(line)
        length = np.count_nonzero(ids[row])
        assert found == ids[row, :length].numpy().tolist()
        assert cut is bool(truncated[row])
    assert truncated.numpy().any()
    for row, expected in zip(lines, own.encode_lines(lines), strict=True):
        found = processor.encode(row)
        assert found == expected
        assert processor.id_to_piece(found) == own.pieces(expected)
        assert processor.decode(found) == own.decode(expected)


def test_what_is_no_tokenizer_is_refused():
    with pytest.raises(ExportError, match="no vocabulary"):
        processor_of(b"{}")
    with pytest.raises(RuntimeError):
        processor_of(b"\x01\x02")
