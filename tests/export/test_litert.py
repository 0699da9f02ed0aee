"""What a LiteRT file holds, signature by signature, and its quantised forms."""

import os

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

import keras_attention as ka
from export import litert, quantizations
from export.errors import ExportError
from export.exporters import check
from export.fresh_process import run_module
from export.litert import LiteRTExporter
from export.operators import operators, refuse_operators
from export.runtime import Translator
from export.settings import ExportSettings
from export.signatures import decode, save
from export.token_signatures import SIGNATURES, TokenSignatures
from keras_attention.search import BeamSearch, GreedySearch
from keras_attention.time_loop import inference_loop
from tests.export import tiny

KIND = "lstm_additive_before"
VOCABULARY = 701  # of `wide`, whose weights outweigh the graph
# Largest size of a file, in shares of its float32 weights; the graph is
# about 0.05 of them, what is not quantised (biases) next to nothing.
SIZES = {"none": 1.1, "float16": 0.6, "int8": 0.35, "int4": 0.3}
# How far log-probabilities may be off, in shares of their spread. `wide` finds
# all tokens nearly as likely: log-probabilities near -6.5 spread by 0.008, and
# two neighbouring float32 numbers are 5e-7 apart there, 6e-5 of the spread.
ERRORS = {"none": 1e-4, "float16": 2e-3, "int8": 0.05, "int4": 0.5}


def wide():
    """A model of about a million weights."""
    keras.utils.set_random_seed(3)
    made = ka.EncoderDecoder(
        encoder=ka.RecurrentEncoder(128, cell="gru"),
        decoder=ka.AttentionRNN(
            ka.AttentionCell(
                keras.layers.GRUCell(256), ka.AdditiveAttention(128)
            )
        ),
        source_embedding=keras.layers.Embedding(
            VOCABULARY, 128, mask_zero=True
        ),
        target_embedding=keras.layers.Embedding(VOCABULARY, 128),
        output_layer=keras.layers.Dense(VOCABULARY),
    )
    ids = np.ones((2, 3), "int32")
    made({"source": ids, "target": ids})
    return made


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Signatures of `wide`, and the SavedModel that is converted."""
    folder = tmp_path_factory.mktemp("wide") / "saved_model"
    module = TokenSignatures(wide(), tiny.SETTINGS)
    with inference_loop():
        save(module, folder)
    return module, folder


def runners(path, names=SIGNATURES):
    interpreter = Interpreter(model_path=os.fspath(path))
    return [interpreter.get_signature_runner(name) for name in names]


@pytest.mark.slow
@pytest.mark.parametrize("quantize", quantizations.QUANTIZATIONS)
def test_weights_are_stored_once_however_they_are_stored(
    tmp_path, saved, quantize
):
    if quantize == "int4":
        pytest.importorskip("ai_edge_quantizer")
    module, folder = saved
    path = tmp_path / "m.tflite"
    litert.convert(folder, path, quantize)
    weights = sum(one.numpy().nbytes for one in module.weights)
    assert path.stat().st_size < SIZES[quantize] * weights
    refuse_operators(operators(path))
    encode, decode_step, greedy, beam = runners(path)
    for shape in ((2, 5), (1, 7)):
        rng = np.random.default_rng(shape[1])
        source = rng.integers(4, VOCABULARY, shape, "int32")
        token = np.ones(len(source), "int32")
        expected = module.decode_step(token, *module.encode(source).values())
        found = decode_step(token=token, **encode(source=source))
        error = (
            found["log_probabilities"] - expected["log_probabilities"].numpy()
        )
        spread = np.std(expected["log_probabilities"])
        assert np.std(error) < ERRORS[quantize] * spread
        answers = greedy(source=source), beam(source=source)
        for search, answer in zip(("greedy", "beam"), answers, strict=True):
            own = getattr(module, search)(source)
            assert set(answer) == set(own)
            assert answer["lengths"].shape == own["lengths"].shape
            if quantize == "none":
                np.testing.assert_array_equal(answer["tokens"], own["tokens"])
                np.testing.assert_allclose(
                    answer["scores"], own["scores"], atol=1e-3
                )


def greedy_by_steps(path, source, settings):
    """A greedy search in NumPy over `encode` and `decode_step`, row by row."""
    encode, decode_step = runners(path, ("encode", "decode_step"))
    tensors = encode(source=source)
    inputs = decode_step.get_input_details()
    assert set(inputs) == {"token", *tensors}
    token, score, tokens, alignments = np.array([1], "int32"), 0.0, [], []
    source_len = np.count_nonzero(source)
    limit = min(
        settings.max_target_len,
        int(settings.max_length_factor * source_len)
        + settings.max_length_extra,
    )
    while len(tokens) < limit and token[0] != 2:
        outputs = decode_step(token=token, **tensors)
        said = outputs["log_probabilities"][:, 1:]  # padding is never said
        token = 1 + said.argmax(-1).astype("int32")
        score += said.max()
        tokens.append(token[0])
        alignments.append(outputs["alignments"][0])
        # The new states go in under their own names.
        tensors |= {key: outputs[key] for key in set(outputs) & set(inputs)}
    return tokens, score, np.array(alignments)


@pytest.mark.slow
def test_steps_and_beam_answer_as_the_model_does(litert_file):
    """`export.verify` compares them too, for every kind of model."""
    made = tiny.model(**tiny.MODELS[KIND])
    source, _ = tiny.tokenizers()
    ids = [row[:12] for row in source.encode_lines(tiny.SENTENCES)]
    batch = np.zeros((len(ids), 13), "int32")
    for row, text in enumerate(tiny.SENTENCES):
        if text.strip():
            batch[row, : len(ids[row]) + 1] = [*ids[row], 2]
    greedy = decode(made, GreedySearch(), batch, tiny.SETTINGS)
    for row in (0, len(ids) - 1):
        source_len, length = (
            np.count_nonzero(batch[row]),
            greedy["lengths"][row],
        )
        tokens, score, alignments = greedy_by_steps(
            litert_file, batch[row : row + 1, :source_len], tiny.SETTINGS
        )
        np.testing.assert_array_equal(tokens, greedy["tokens"][row, :length])
        assert score == pytest.approx(float(greedy["scores"][row]), abs=1e-3)
        np.testing.assert_allclose(
            alignments,
            greedy["alignments"][row, :length, :source_len],
            atol=1e-4,
        )
    expected = decode(made, BeamSearch(3, num_results=3), batch, tiny.SETTINGS)
    for row, answers in enumerate(
        Translator(litert_file).nbest(tiny.SENTENCES, 4)
    ):
        if not batch[row].any():
            (blank,) = answers
            assert (blank.text, blank.score) == ("", 0.0)
            continue
        assert len(answers) == 3
        for place, answer in enumerate(answers):
            own = {name: one[row, place] for name, one in expected.items()}
            length = int(own["lengths"])
            np.testing.assert_array_equal(answer.tokens, own["tokens"][:length])
            assert answer.score == pytest.approx(float(own["scores"]), abs=1e-3)
            source_len = len(answer.pieces_source)
            np.testing.assert_allclose(
                answer.alignments,
                own["alignments"][:length, :source_len],
                atol=1e-4,
            )


def test_only_the_known_quantizations():
    for name in ("int9", "full_integer", None):
        with pytest.raises(ExportError, match="none, float16, int8, int4"):
            ExportSettings(quantize=name)
    with pytest.raises(ExportError, match="Did you mean 'int8'"):
        check("litert", "int9")
    with pytest.raises(ExportError, match="format litert"):
        check("saved_model", "int8")


def test_a_missing_quantizer_is_named_with_the_remedy(monkeypatch, tmp_path):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match="pip install ai-edge-quantizer"):
        LiteRTExporter().export(
            None,
            tmp_path / "m.tflite",
            source_tokenizer=None,
            target_tokenizer=None,
            settings=ExportSettings(quantize="int4"),
        )
    assert os.listdir(tmp_path) == []


@pytest.mark.slow
def test_a_crash_of_the_converter_leaves_nothing(tmp_path, monkeypatch):
    modules = tmp_path / "modules"
    modules.mkdir()
    (modules / "crashing.py").write_text(
        "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(modules))
    monkeypatch.setattr(litert, "run_module", lambda *_: run_module("crashing"))
    source, target = tiny.tokenizers()
    with pytest.raises(ExportError, match="SIGSEGV.*Export without int8"):
        LiteRTExporter().export(
            tiny.model(**tiny.MODELS[KIND]),
            tmp_path / "m.tflite",
            source_tokenizer=source,
            target_tokenizer=target,
            settings=ExportSettings(quantize="int8"),
        )
    assert os.listdir(tmp_path) == ["modules"]


@pytest.mark.slow
def test_what_the_converter_refuses_is_one_line(tmp_path):
    with pytest.raises(ExportError, match="SavedModel file does not exist"):
        litert.convert(tmp_path / "none", tmp_path / "m.tflite")
    assert os.listdir(tmp_path) == []


@pytest.mark.slow
def test_operators(litert_file):
    names = operators(litert_file)
    assert "WHILE" in names
    refuse_operators(names)
    for name in ("CUSTOM FlexErf", "VAR_HANDLE", "READ_VARIABLE"):
        with pytest.raises(ExportError, match=name):
            refuse_operators(names | {name})
