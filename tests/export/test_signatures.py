"""The functions behind every artifact, called in this process."""

import numpy as np
import pytest
import tensorflow as tf

from export.errors import ExportError
from export.reference import Reference
from export.settings import ExportSettings
from export.signatures import output_limits, save
from export.text_signatures import TextSignatures
from export.token_signatures import TokenSignatures
from keras_attention.search import GreedySearch
from tests.export import tiny


@pytest.fixture(scope="module")
def model():
    return tiny.model(**tiny.MODELS["lstm_additive_before"])


@pytest.fixture(scope="module")
def greedy(model):
    return TokenSignatures(model, GreedySearch(), tiny.SETTINGS).greedy


@pytest.fixture(scope="module")
def translate(model):
    source, target = tiny.tokenizers()
    module = TextSignatures(
        model,
        {"serving_default": GreedySearch()},
        source.model,
        target.model,
        tiny.SETTINGS,
    )

    def call(*texts):
        function = module.functions["serving_default"]
        return function(tf.constant(list(texts), tf.string))

    return call


def test_limits_follow_the_formula():
    settings = ExportSettings(
        max_target_len=7, max_length_factor=1.5, max_length_extra=2
    )
    source = tf.constant([[0, 0, 0, 0, 0]] * 6)
    source = tf.where(tf.sequence_mask(range(6), 5), 9, source)
    # min(7, floor(1.5 n) + 2), and none where there is nothing to say.
    expected = [0, 3, 5, 6, 7, 7]
    assert output_limits(source, settings).numpy().tolist() == expected


def test_a_row_does_not_depend_on_its_batch(greedy):
    rows = [[9, 8, 7, 5, 2], [4, 2], [], [11, 6, 2]]
    padded = np.zeros((4, 13), "int32")
    for row, ids in enumerate(rows):
        padded[row, : len(ids)] = ids
    together = greedy(padded)
    permuted = greedy(padded[::-1])
    for row, ids in enumerate(rows):
        length = int(together["lengths"][row])
        alone = greedy(np.array([ids or [0]], "int32"))
        for other, index in ((alone, 0), (permuted, len(rows) - 1 - row)):
            assert int(other["lengths"][index]) == length
            np.testing.assert_array_equal(
                other["tokens"][index, :length],
                together["tokens"][row, :length],
            )
            np.testing.assert_allclose(
                other["scores"][index], together["scores"][row], atol=1e-4
            )
            np.testing.assert_allclose(
                other["alignments"][index, :length, : len(ids)],
                together["alignments"][row, :length, : len(ids)],
                atol=1e-5,
            )


def test_alignments_sum_to_one_over_the_source_read(greedy):
    outputs = greedy(np.array([[9, 8, 7, 5, 2], [4, 2, 0, 0, 0]], "int32"))
    for row, source_len in enumerate((5, 2)):
        length = int(outputs["lengths"][row])
        alignments = outputs["alignments"][row].numpy()
        np.testing.assert_allclose(
            alignments[:length, :source_len].sum(-1), 1.0, atol=1e-5
        )
        assert not alignments[length:].any()
        assert not alignments[:, source_len:].any()


def test_empty_and_blank_text_give_empty_text(translate):
    outputs = translate("", "  \t", "tu", "\u3000")
    texts = outputs["text"].numpy()
    lengths = outputs["lengths"].numpy()
    for row in (0, 1, 3):
        assert texts[row] == b""
        assert lengths[row] == 0
        assert outputs["scores"][row] == 0.0
    assert lengths[2] > 0
    assert np.isfinite(outputs["alignments"]).all()
    only = translate("", " ")
    assert only["text"].numpy().tolist() == [b"", b""]
    assert translate()["text"].shape == (0,)


def test_a_long_source_is_cut_and_says_so(translate):
    outputs = translate("tu " * 3333, "tu", " ".join(["tu"] * 12))
    assert outputs["truncated"].numpy().tolist() == [True, False, False]
    source = outputs["source_tokens"].numpy()
    assert source.shape == (3, tiny.SETTINGS.max_source_len)
    # Cut to the same tokens: the same answer.
    np.testing.assert_array_equal(source[0], source[2])
    assert outputs["text"][0] == outputs["text"][2]
    assert source[0, -1] == 2


def test_bytes_that_are_no_text_are_read_as_replacement_characters(translate):
    outputs = translate(b"tu \xff\xfe tu", "tu \ufffd\ufffd tu")
    np.testing.assert_array_equal(*outputs["source_tokens"])
    assert outputs["text"][0] == outputs["text"][1]


def test_pieces_are_named_and_padding_is_not(translate):
    outputs = translate("le chat", "tu")
    pieces = outputs["source_pieces"].numpy()
    source, _ = tiny.tokenizers()
    ids = outputs["source_tokens"].numpy()
    for row in range(2):
        known = [i for i in ids[row] if i]
        names = [piece.decode() for piece in pieces[row] if piece]
        assert names == source.pieces(known)


def test_a_model_without_weights_is_refused(model):
    unbuilt = type(model).from_config(model.get_config())
    with pytest.raises(ExportError, match="no weights yet"):
        TokenSignatures(unbuilt, GreedySearch(), tiny.SETTINGS)


def test_what_the_disk_refuses_is_one_clear_error(model, tmp_path):
    module = TokenSignatures(model, GreedySearch(), tiny.SETTINGS)
    (tmp_path / "file").write_text("")
    with pytest.raises(ExportError, match="TensorFlow cannot write") as error:
        save(module, tmp_path / "file" / "model")
    assert "[Op" not in str(error.value)


def test_reference_measures_gaps(model):
    """The gap of two first tokens is the difference of their logits."""
    reference = Reference(model, *tiny.tokenizers(), tiny.SETTINGS)
    (own,) = reference.answers(["le chat dort"], GreedySearch(), 16)
    tokens = own.tokens
    memory, states = model.encode(reference._source_ids(["le chat dort"]))
    logits = model.decode_step(np.array([1]), states, memory)[0][0].numpy()
    other = np.array([5 if tokens[0] != 5 else 6, *tokens[1:]])
    gap = reference.greedy_gap("le chat dort", tokens, other)
    assert gap == pytest.approx(logits[tokens[0]] - logits[other[0]], abs=1e-4)
    assert gap > 0
    later = np.array([*tokens[:-1], 5 if tokens[-1] != 5 else 6])
    assert reference.greedy_gap("le chat dort", tokens, later) > 0
    shorter = reference.greedy_gap("le chat dort", tokens, tokens[:-1])
    assert shorter == float("inf")
