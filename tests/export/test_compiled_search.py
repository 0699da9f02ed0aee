"""Searches that XLA compiles: the same answers, for few shapes."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from export import exporters
from export.compiled_search import CompiledSearch, answering
from export.errors import ExportError
from export.settings import ExportSettings
from export.signatures import beam_search, decode
from export.text_signatures import TextSignatures
from keras_attention.search import GreedySearch
from tests.export import tiny

KIND = "lstm_additive_before"
COMPILED = dataclasses.replace(tiny.SETTINGS, xla=True)


@pytest.fixture(scope="module")
def model():
    return tiny.model(**tiny.MODELS[KIND])


def ids(batch, source_len):
    """Sources of several lengths, one of them without tokens."""
    rows = np.random.default_rng(source_len).integers(
        3, 40, (batch, source_len), "int32"
    )
    rows[-1, source_len // 2 :] = 0
    rows[1:2] = 0
    return tf.constant(rows)


def test_few_shapes_are_compiled(model):
    """Sources are padded to the next bucket, whatever their length."""
    search = CompiledSearch(model, GreedySearch(), tiny.SETTINGS, (4, 8, 90))
    seen = []

    def run(source):
        seen.append(tuple(source.shape))
        assert not source.numpy()[:, source_len:].any()
        return {"tokens": source}

    search._run = run
    for source_len in (1, 3, 4, 5, 8, 9, 13):
        given = ids(2, source_len)
        found = search(given)["tokens"]
        np.testing.assert_array_equal(found[:, :source_len], given)
    assert seen == [(2, n) for n in (4, 4, 4, 8, 8, 13, 13)]


@pytest.mark.slow
def test_what_is_returned_is_what_the_graph_returns():
    model = tiny.model(**tiny.MODELS["coverage_local_m_sparsemax_after"])
    source = ids(3, 6)
    for search in (GreedySearch(), beam_search(tiny.SETTINGS)):
        compiled = CompiledSearch(model, search, tiny.SETTINGS, (8,))
        expected = decode(model, search, source, tiny.SETTINGS)
        found = compiled(source)
        assert set(found) == set(expected)
        # More padding, but no longer alignments.
        width = expected["tokens"].shape[-1]
        assert not found["tokens"][..., width:].numpy().any()
        found["tokens"] = found["tokens"][..., :width]
        if "alignments" in found:
            assert not found["alignments"][..., width:, :].numpy().any()
            found["alignments"] = found["alignments"][..., :width, :]
        for name, own in expected.items():
            assert found[name].shape == own.shape, name
            np.testing.assert_allclose(found[name], own, atol=1e-4)


@pytest.mark.slow
def test_signatures_give_the_same_of_any_batch(model):
    """Names, shapes and values; of sentences, and of no sentence."""
    tokenizers = [one.model for one in tiny.tokenizers()]
    plain, compiled = (
        TextSignatures(model, *tokenizers, settings)
        for settings in (tiny.SETTINGS, COMPILED)
    )
    for name, texts in (
        ("serving_default", ["le chat dort", "", "tu"]),
        ("serving_default", []),
        ("beam", ["le chat dort", "", "tu"]),
    ):
        strings = tf.constant(texts, tf.string)
        own = getattr(plain, name)(strings)
        found = getattr(compiled, name)(strings)
        assert set(own) == set(found)
        for key, one in own.items():
            assert found[key].shape == one.shape, key
            if one.dtype == tf.float32:
                np.testing.assert_allclose(found[key], one, atol=1e-4)
            else:
                np.testing.assert_array_equal(found[key], one)


def test_only_what_asks_for_it_is_compiled(model):
    assert isinstance(answering(model, None, COMPILED), CompiledSearch)
    plain = answering(model, None, tiny.SETTINGS)
    assert not isinstance(plain, CompiledSearch)


@pytest.mark.parametrize("name", ["litert", "litert_buckets"])
def test_a_litert_file_is_not_compiled_with_it(name, tmp_path):
    with pytest.raises(ExportError, match="not compiled with XLA"):
        exporters.check(name, xla=True)
    with pytest.raises(ExportError, match="not compiled with XLA"):
        exporters.get(name).export(
            None,
            tmp_path / "m.tflite",
            source_tokenizer=None,
            target_tokenizer=None,
            settings=COMPILED,
        )
    exporters.check("saved_model", xla=True)


def test_the_setting_is_true_or_false():
    with pytest.raises(ExportError, match="`xla` must be True or False"):
        ExportSettings(xla=1)
