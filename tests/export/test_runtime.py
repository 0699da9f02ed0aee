"""`export.runtime`: LiteRT files where TensorFlow and Keras are not."""

import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import zipfile

import numpy as np
import pytest

import export
from export import litert
from export.errors import ExportError
from export.package import append_package
from export.runtime import Translator
from export.signatures import save
from export.token_signatures import TokenSignatures
from keras_attention.time_loop import inference_loop
from pipelines.vocabulary import VocabularyTokenizer
from tests.export import tiny

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(export.__file__).parent.parent
# What a device has: `python -I -S` finds nothing but the standard library.
ON_DEVICE = ("numpy", "numpy.libs", "ai_edge_litert", "sentencepiece")
SCRIPT = """
import sys
sys.path[:0] = sys.argv[1:3]
from export.runtime_command import main
status = main(sys.argv[3:])
try:
    import tensorflow
except ImportError:
    sys.exit(status)
sys.exit("This environment has TensorFlow.")
"""


@pytest.fixture
def device(tmp_path):
    """A folder with the packages of a device, and no others."""
    folder = tmp_path / "device"
    folder.mkdir()
    for name in ON_DEVICE:
        if name.endswith(".libs"):
            package = importlib.util.find_spec(name.removesuffix(".libs"))
        else:
            package = importlib.util.find_spec(name)
        place = pathlib.Path(package.origin).parent.with_name(name)
        if place.exists():
            (folder / name).symlink_to(place)
    return folder


def model_bytes(path):
    """Where the archive begins in a file."""
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read("settings.json"))["model_bytes"]


def run(device, *arguments, stdin=b""):
    """Runs the command in an environment that has no TensorFlow."""
    return subprocess.run(
        [sys.executable, "-I", "-S", "-c", SCRIPT, device, ROOT, *arguments],
        cwd=device,
        input=stdin,
        capture_output=True,
    )


def test_the_command_runs_where_tensorflow_is_not(litert_file, device):
    lines = ["le chat dort", "", "tu"]
    stdin = "\r\n".join(lines).encode() + b"\n\xff\xfe\n"
    translator = Translator(litert_file)
    texts = [*lines, "\ufffd\ufffd"]
    for options, search in (((), "greedy"), (("--beam",), "beam")):
        done = run(device, litert_file, *options, stdin=stdin)
        assert done.returncode == 0, done.stderr.decode()
        answers = translator.translate(texts, search=search)
        assert done.stdout.decode().split("\n") == [
            *(answer.text for answer in answers),
            "",
        ]
    done = run(device, litert_file, "--scores", "--threads=2", stdin=stdin)
    answers = translator.translate(texts)
    assert done.stdout.decode().splitlines() == [
        f"{answer.score:.4f}\t{answer.text}" for answer in answers
    ]


def test_the_command_says_what_it_cuts(litert_file, device):
    long = "le chat dort " * 30
    done = run(device, litert_file, stdin=f"\ufeffle chat\n{long}\n".encode())
    translator = Translator(litert_file)
    expected = [one.text for one in translator.translate(["le chat", long])]
    assert done.stdout.decode().splitlines() == expected
    [warning] = [
        line for line in done.stderr.decode().splitlines() if "Line" in line
    ]
    assert warning.startswith("Line 2 is longer than this model reads")


def test_missing_packages_are_named_with_the_remedy(litert_file, device):
    (device / "sentencepiece").unlink()
    done = run(device, litert_file)
    assert done.returncode == 2
    (line,) = done.stderr.decode().splitlines()
    assert "pip install ai-edge-litert sentencepiece" in line


def test_vocabularies_need_no_sentencepiece(litert_file, device, tmp_path):
    (device / "sentencepiece").unlink()
    path = tmp_path / "words.tflite"
    path.write_bytes(litert_file.read_bytes()[: model_bytes(litert_file)])
    source = VocabularyTokenizer.train(tiny.SENTENCES, 61, "character")
    words = [f"word{index}" for index in range(49)]  # as many as it can say
    target = VocabularyTokenizer.train(words, 53, "whitespace")
    append_package(path, source.model, target.model, tiny.SETTINGS)
    done = run(device, path, stdin=b"le chat\n")
    assert done.returncode == 0, done.stderr.decode()
    (answer,) = Translator(path).translate(["le chat"])
    assert done.stdout.decode() == answer.text + "\n"
    assert answer.text == target.decode(answer.tokens)
    assert answer.pieces_source == [*"le▁chat", "</s>"]


def test_reads_anything(litert_file):
    translator = Translator(litert_file)
    texts = [
        "",
        "tu",
        "x" * 10_000,
        "tu " * 3333,
        "\U0001f600\U0001f1eb\U0001f1f7",
        "half a \ud83d pair",
        "tu\x00dors\n",
        " \t\u3000",
        "أين المحطة",
    ]
    for search in ("greedy", "beam"):
        answers = translator.translate(texts, search=search)
        assert [a.truncated for a in answers[:4]] == [False, False, True, True]
        for index in (0, 7):
            assert answers[index].text == ""
            assert answers[index].score == 0.0
            assert answers[index].alignments.shape == (0, 0)
        for answer in answers:
            assert np.isfinite(answer.score)
            shape = (len(answer.pieces_target), len(answer.pieces_source))
            assert answer.alignments.shape == shape
            assert len(answer.tokens) == len(answer.pieces_target)
            assert len(answer.pieces_source) <= tiny.SETTINGS.max_source_len
        assert translator.translate([], search=search) == []
        assert translator.translate([""], search=search)[0].text == ""


@pytest.mark.parametrize("search", ["greedy", "beam"])
def test_answers_do_not_depend_on_the_batch(litert_file, search):
    translator = Translator(litert_file, num_threads=2)
    alone = [
        translator.translate([text], search=search)[0]
        for text in tiny.SENTENCES
    ]
    for batch_size in (2, 16):
        together = translator.translate(tiny.SENTENCES, batch_size, search)
        for one, other in zip(alone, together, strict=True):
            assert other.text == one.text
            np.testing.assert_array_equal(other.tokens, one.tokens)
            np.testing.assert_allclose(
                other.alignments, one.alignments, atol=1e-5
            )


def test_the_best_of_the_beam_comes_first(litert_file):
    translator = Translator(litert_file)
    best = translator.translate(tiny.SENTENCES, search="beam")
    for one, answers in zip(
        best, translator.nbest(tiny.SENTENCES), strict=True
    ):
        assert 1 <= len(answers) <= tiny.SETTINGS.beam_size
        assert answers[0].text == one.text
        assert answers[0].score == one.score
        assert len({tuple(answer.tokens) for answer in answers}) == len(answers)


def test_refuses_what_it_cannot_do(litert_file):
    translator = Translator(litert_file)
    with pytest.raises(TypeError, match="put it into a list"):
        translator.translate("tu")
    with pytest.raises(TypeError, match="put it into a list"):
        translator.nbest("tu")
    with pytest.raises(TypeError, match="Decode"):
        translator.translate([b"tu"])
    with pytest.raises(ValueError, match="at least 1"):
        translator.translate(["tu"], batch_size=0)
    with pytest.raises(ValueError, match="'greedy', 'beam'.*'best'"):
        translator.translate(["tu"], search="best")
    with pytest.raises(ValueError, match="`num_threads` must be at least 1"):
        Translator(litert_file, num_threads=0)
    with pytest.raises(ValueError, match="at most 1,024"):
        Translator(litert_file, num_threads=10**11)


def test_a_file_without_beam_says_so(tmp_path, litert_file, monkeypatch):
    """As this package wrote them before there was a beam search."""
    monkeypatch.setattr("export.token_signatures.SIGNATURES", ("greedy",))
    path = tmp_path / "old.tflite"
    made = tiny.model(**tiny.MODELS["lstm_additive_before"])
    with inference_loop():
        save(TokenSignatures(made, tiny.SETTINGS), tmp_path / "saved_model")
    litert.convert(tmp_path / "saved_model", path)
    models = [tokenizer.model for tokenizer in tiny.tokenizers()]
    append_package(path, *models, tiny.SETTINGS)
    old = Translator(path)
    (answer,) = old.translate(["le chat dort"])
    (expected,) = Translator(litert_file).translate(["le chat dort"])
    assert answer.text == expected.text
    with pytest.raises(ExportError, match="no signature 'beam'; it has greedy"):
        old.translate(["tu"], search="beam")
    with pytest.raises(ExportError, match="Export the model again"):
        old.nbest([])
    assert os.path.getsize(path) < os.path.getsize(litert_file)
