"""The functions of a SavedModel, called in this process."""

import numpy as np
import pytest
import tensorflow as tf

from export.reference import Reference
from export.text_signatures import SIGNATURES, TextSignatures
from tests.export import tiny

# What anybody may send, and whether it is too long.
TEXTS = {
    "empty": (b"", False),
    "blank": (b" \t\n\xe3\x80\x80\xc2\x85", False),
    "long": (("tu " * 3334).encode()[:10_000], True),
    "long_word": (b"et" * 5_000, True),
    "emoji": ("\U0001f600\U0001f1eb\U0001f1f7 oui".encode(), False),
    "right_to_left": ("שלום לך".encode(), False),
    "no_utf8": (b"tu \xff\xfe dors \xc3", False),
    "null": (b"tu\x00dors", False),
    "ordinary": (b"le chat dort", False),
}
BEAM = tiny.SETTINGS.beam_size


@pytest.fixture(scope="module")
def model():
    return tiny.model(**tiny.MODELS["lstm_additive_before"])


@pytest.fixture(scope="module")
def ask(model):
    """Calls a signature with lists of strings; NumPy arrays come back."""
    tokenizers = [one.model for one in tiny.tokenizers()]
    module = TextSignatures(model, *tokenizers, tiny.SETTINGS)

    def call(signature, *texts):
        strings = [tf.constant(list(one), tf.string) for one in texts]
        outputs = getattr(module, signature)(*strings)
        return {name: tensor.numpy() for name, tensor in outputs.items()}

    call.module = module
    return call


@pytest.fixture(scope="module")
def reference(model):
    return Reference(model, *tiny.tokenizers(), tiny.SETTINGS)


@pytest.mark.parametrize("name", TEXTS)
def test_any_text_has_the_models_answer(ask, reference, name):
    text, is_long = TEXTS[name]
    readable = text.decode("utf-8", "replace")
    [[own]] = reference.greedy([readable], 1)
    outputs = ask("serving_default", [text, b"tu"])
    assert outputs["text"][0].decode() == own.text
    assert outputs["truncated"].tolist() == [is_long, False]
    length = outputs["lengths"][0]
    np.testing.assert_array_equal(outputs["tokens"][0, :length], own.tokens)
    assert outputs["scores"][0] == pytest.approx(own.score, abs=1e-4)
    if name in ("empty", "blank"):
        assert length == 0 and own.text == ""
        assert outputs["scores"][0] == 0.0
        assert not outputs["source_tokens"][0].any()
    if is_long:
        source = outputs["source_tokens"][0]
        assert source.all() and source[-1] == 2
        assert len(source) == tiny.SETTINGS.max_source_len
    [several] = reference.beam([readable], 1)
    outputs = ask("beam", [b"tu", text])
    for rank, one in enumerate(several):
        assert outputs["text"][1, rank].decode() == one.text
        assert outputs["scores"][1, rank] == pytest.approx(one.score, abs=1e-4)
    outputs = ask("score", [text], [b"the cat sleeps"])
    assert np.isfinite(outputs["scores"]).all()
    assert (outputs["scores"] < 0).all() == bool(several[0].text)
    outputs = ask("encode", [text])
    assert outputs["truncated"].tolist() == [is_long]
    assert all(
        np.isfinite(one).all()
        for name, one in outputs.items()
        if name.startswith(("memory", "state"))
    )


@pytest.mark.parametrize("name", TEXTS)
def test_any_target_has_a_score(ask, name):
    text, is_long = TEXTS[name]
    outputs = ask("score", [b"tu"], [text])
    assert outputs["target_truncated"].tolist() == [is_long]
    length = outputs["lengths"][0]
    assert outputs["tokens"][0, length - 1] == 2  # an end, also of nothing
    assert (length == 1) == (name in ("empty", "blank"))
    assert length <= tiny.SETTINGS.max_target_len
    assert np.isfinite(outputs["scores"]).all()


def test_an_empty_batch_has_an_empty_answer(ask):
    for name in ("serving_default", "beam", "encode"):
        for output in ask(name, []).values():
            assert output.shape[0] == 0
    assert ask("score", [], [])["scores"].shape == (0,)
    assert ask("beam", [])["text"].shape == (0, BEAM)


def test_nothing_but_blanks(ask):
    for name, shape in [("serving_default", (2,)), ("beam", (2, BEAM))]:
        outputs = ask(name, ["", " "])
        assert outputs["text"].tolist() == np.full(shape, b"").tolist()
        assert not outputs["lengths"].any()
    assert not ask("encode", ["", " "])["max_lengths"].any()


def test_bytes_that_are_no_text_are_read_as_replacement_characters(ask):
    outputs = ask("serving_default", [b"tu \xff\xfe tu", "tu \ufffd\ufffd tu"])
    np.testing.assert_array_equal(*outputs["source_tokens"])
    assert outputs["text"][0] == outputs["text"][1]


def test_pieces_are_named_and_padding_is_not(ask):
    outputs = ask("beam", ["le chat", "tu"])
    tokenizers = dict(zip(("source", "target"), tiny.tokenizers(), strict=True))
    for side, ids in (("source", "source_tokens"), ("target", "tokens")):
        width = outputs[ids].shape[-1]
        rows = outputs[ids].reshape(-1, width)
        pieces = outputs[f"{side}_pieces"].reshape(-1, width)
        for row, names in zip(rows, pieces, strict=True):
            known = [i for i in row if i]
            found = [piece.decode() for piece in names if piece]
            assert found == tokenizers[side].pieces(known)


def test_the_first_of_a_beam_is_the_best(ask):
    outputs = ask("beam", tiny.SENTENCES)
    scores = outputs["scores"]
    assert scores.shape == (len(tiny.SENTENCES), BEAM)
    assert (np.diff(scores, axis=1) <= 0).all()
    answered = outputs["lengths"][:, 0] > 0
    assert len({tuple(one) for one in outputs["tokens"][0]}) == BEAM
    assert answered.tolist() == [bool(s.strip()) for s in tiny.SENTENCES]


@pytest.mark.parametrize("kind", ["gru_dot_after", "no_attention"])
def test_scores_are_the_models(kind):
    """As of `search.score`, whatever the model looks at."""
    model, (source, target) = tiny.model(**tiny.MODELS[kind]), tiny.tokenizers()
    module = TextSignatures(model, source.model, target.model, tiny.SETTINGS)
    texts = ["le chat dort", "tu", ""]
    targets = ["the cat", "where is the station ? an apple", "hello"]
    reference = Reference(model, source, target, tiny.SETTINGS)
    expected = reference.scores(texts, targets, 3)
    outputs = module.score(tf.constant(texts), tf.constant(targets))
    for row, [own] in enumerate(expected):
        length = int(outputs["lengths"][row])
        assert outputs["tokens"][row, :length].numpy().tolist() == list(
            own.tokens
        )
        assert float(outputs["scores"][row]) == pytest.approx(own.score, 1e-4)
        parts = outputs["token_scores"][row].numpy()
        assert not parts[length:].any() and (parts[:length] < 0).all()
        assert parts.sum() == pytest.approx(own.score, 1e-4)
        if kind == "no_attention":
            assert own.alignments is None and "alignments" not in outputs
        else:
            shown = outputs["alignments"][row].numpy()
            width = own.alignments.shape[1]
            np.testing.assert_allclose(
                shown[:length, :width], own.alignments, atol=1e-5
            )
            assert not shown[length:].any()


def test_every_output_has_the_batch_first(ask):
    """TensorFlow Serving's `instances` need it."""
    for name in SIGNATURES:
        function = getattr(ask.module, name).get_concrete_function()
        for output, spec in function.structured_outputs.items():
            assert spec.shape[0] is None, (name, output)
            # Serving takes such names for base64.
            assert not output.endswith("_bytes")
