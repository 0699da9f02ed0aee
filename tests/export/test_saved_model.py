"""A SavedModel's folder: its versions, moved, loaded by TensorFlow alone."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys

import keras
import pytest
from tensorflow.core.protobuf import saved_model_pb2

import keras_attention as ka
from export.errors import ExportError
from export.exporters import export_model
from export.saved_model import SavedModelExporter, version_folder
from export.verify import verify_saved_model
from pipelines.vocabulary import VocabularyTokenizer
from tests.export import tiny

pytestmark = pytest.mark.slow

TEXTS = ["le chat dort", "", "tu"]
# Loads each folder and prints what it says to the texts, and what else this
# process had to import. The first argument: modules that it must do without.
SCRIPT = """
import json, sys
for name in json.loads(sys.argv[1]):
    sys.modules[name] = None  # importing it raises ImportError
import tensorflow as tf
try:
    import tensorflow_text
except ImportError:
    pass
texts = tf.constant(json.loads(sys.argv[2]))
said = []
for path in sys.argv[3:]:
    signatures = tf.saved_model.load(path).signatures
    best = signatures["serving_default"](text=texts)["text"]
    several = signatures["beam"](text=texts)["text"]
    scores = signatures["score"](text=texts, target_text=best)["scores"]
    said.append(
        [
            [one.decode() for one in best.numpy()],
            [[one.decode() for one in row] for row in several.numpy()],
            [str(one) for one in scores.numpy()],
        ]
    )
print(json.dumps([said, sorted(sys.modules)]))
"""


def run_elsewhere(folder, *paths, without=()):
    """Runs the script where this checkout is not to be found."""
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    environment.pop("PYTHONPATH", None)
    arguments = [json.dumps(list(without)), json.dumps(TEXTS), *map(str, paths)]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr.decode()
    said, modules = json.loads(done.stdout.splitlines()[-1])
    assert not {"keras_attention", "pipelines", "export"} & set(modules)
    return said, modules


def words():
    """Tokenizers that need no SentencePiece, and a model for them."""
    source = VocabularyTokenizer.train(tiny.SENTENCES, 61, "character")
    target = VocabularyTokenizer.train(
        ["the cat sleeps", "hello you", "an apple a day"], 53, "whitespace"
    )
    keras.utils.set_random_seed(5)
    model = ka.EncoderDecoder(
        encoder=ka.RecurrentEncoder(7),
        decoder=ka.AttentionRNN(
            ka.AttentionCell(
                keras.layers.LSTMCell(17), ka.AdditiveAttention(11)
            )
        ),
        source_embedding=keras.layers.Embedding(
            source.vocabulary_size, 5, mask_zero=True
        ),
        target_embedding=keras.layers.Embedding(target.vocabulary_size, 5),
        output_layer=keras.layers.Dense(target.vocabulary_size),
    )
    ids = keras.ops.ones((2, 3), "int32")
    model({"source": ids, "target": ids})
    model.set_weights([4.0 * weight for weight in model.get_weights()])
    return model, source, target


def export(path, model=None, tokenizers=None, settings=tiny.SETTINGS):
    source, target = tokenizers or tiny.tokenizers()
    return SavedModelExporter().export(
        model or tiny.model(**tiny.MODELS["lstm_additive_before"]),
        path,
        source_tokenizer=source,
        target_tokenizer=target,
        settings=settings,
    )


def test_the_layout_is_that_of_a_server(saved_model):
    assert saved_model.parts[-2:] == ("fra-eng", "1")
    assert os.listdir(saved_model.parent) == ["1"]
    assert {"saved_model.pb", "variables", "assets.extra"} <= set(
        os.listdir(saved_model)
    )
    about = json.loads(
        (saved_model / "assets.extra" / "keras_attention.json").read_text(
            "utf-8"
        )
    )
    assert about["settings"] == json.loads(json.dumps(tiny.SETTINGS.to_dict()))


@pytest.mark.parametrize(
    "path, place",
    [
        ("m", "m/1"),
        ("m/2", "m/2"),
        ("m/20241231", "m/20241231"),
        ("m/0", "m/0/1"),  # no version of a server's
        ("m/v2", "m/v2/1"),
    ],
)
def test_where_a_version_goes(path, place, tmp_path):
    assert version_folder(tmp_path / path) == tmp_path / place


def test_versions_stand_beside_each_other(saved_model, tmp_path):
    """Moved and copied, as to a server; another version added later."""
    name = shutil.copytree(saved_model.parent, tmp_path / "far" / "moved")
    other = tiny.model(**tiny.MODELS["no_attention"])
    second = export(name / "2", other)
    assert second == name / "2"
    assert sorted(os.listdir(name)) == ["1", "2"]
    old = (name / "1" / "saved_model.pb").read_bytes()
    assert old == (saved_model / "saved_model.pb").read_bytes()
    said, _ = run_elsewhere(tmp_path, name / "1", saved_model, name / "2")
    assert said[0] == said[1]
    assert said[0] != said[2]
    assert said[0][0][1] == ""  # nothing to the empty text
    assert [row[0] for row in said[0][1]][1] == ""


def num_compiled(folder):
    """Functions that XLA must compile, in the file of a SavedModel."""
    content = saved_model_pb2.SavedModel()
    content.ParseFromString((folder / "saved_model.pb").read_bytes())
    [graph] = content.meta_graphs
    return sum(
        function.attr["_XlaMustCompile"].b
        for function in graph.graph_def.library.function
    )


def test_compiled_searches_stay_compiled_elsewhere(saved_model, tmp_path):
    """Moved, and in a process with TensorFlow and its text alone."""
    settings = dataclasses.replace(tiny.SETTINGS, xla=True)
    compiled = export(tmp_path / "compiled", settings=settings)
    assert num_compiled(saved_model) == 0
    assert num_compiled(compiled) > 0
    moved = tmp_path / "moved"
    os.rename(compiled, moved)
    said, _ = run_elsewhere(tmp_path, saved_model, moved)
    assert said[0] == said[1]


def test_only_an_export_is_replaced(tmp_path):
    place = tmp_path / "m" / "1"
    place.mkdir(parents=True)
    (place / "thesis.txt").write_text("someone's")
    with pytest.raises(ExportError, match="not such an export"):
        export(tmp_path / "m")
    assert os.listdir(place) == ["thesis.txt"]


def test_quantised_weights_are_refused(tmp_path):
    settings = dataclasses.replace(tiny.SETTINGS, quantize="int8")
    with pytest.raises(ExportError, match="quantize='int8'.*LiteRT"):
        export(tmp_path / "m", settings=settings)
    assert os.listdir(tmp_path) == []


def test_a_device_takes_vocabularies_too(tmp_path, monkeypatch):
    monkeypatch.setattr("export.verify_process.THREADS", (1,))
    model, source, target = words()
    report = export_model(
        "litert",
        model,
        tmp_path / "m.tflite",
        source_tokenizer=source,
        target_tokenizer=target,
        settings=tiny.SETTINGS,
        sentences=tiny.SENTENCES,
    )
    assert report.identical_share == report.agreeing_share == 1.0


def test_core_operators_are_enough_for_vocabularies(tmp_path):
    model, source, target = words()
    path = export(tmp_path / "m", model, (source, target))
    said, modules = run_elsewhere(tmp_path, path, without=["tensorflow_text"])
    assert "tensorflow_text.core" not in modules
    report = verify_saved_model(
        model,
        path,
        source_tokenizer=source,
        target_tokenizer=target,
        settings=tiny.SETTINGS,
        sentences=tiny.SENTENCES,
        references=["the cat sleeps well"] * len(tiny.SENTENCES),
    )
    assert report.bleu["artifact"] == report.bleu["model"]
    assert report.identical_share == report.agreeing_share == 1.0
    assert set(report.latency_ms) == {"1 thread", "2 threads"}
    known = {*target.pieces(range(4, target.vocabulary_size)), "\u2047"}
    assert {word for text in said[0][0] for word in text.split()} <= known
