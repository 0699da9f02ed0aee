"""Every format and kind of model: written, moved, run in fresh processes."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from export import litert
from export.errors import ExportError
from export.exporters import EXPORTERS, export_model, get
from export.fresh_process import run_module
from export.runtime import Translator
from export.verify import verify_litert, verify_saved_model
from tests.export import tiny

pytestmark = pytest.mark.slow

KIND = "lstm_additive_before"


def export(format, path, kind=KIND, **options):
    source, target = tiny.tokenizers()
    return get(format).export(
        tiny.model(**tiny.MODELS[kind]),
        path,
        source_tokenizer=source,
        target_tokenizer=target,
        settings=tiny.SETTINGS,
        **options,
    )


def run_elsewhere(script, *arguments, cwd, stdin=b""):
    """Runs a script where this checkout is not to be found."""
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    environment.pop("PYTHONPATH", None)
    return subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        cwd=cwd,
        env=environment,
        input=stdin,
        capture_output=True,
    )


@pytest.fixture(scope="module")
def litert_file(tmp_path_factory):
    return export("litert", tmp_path_factory.mktemp("litert") / "m.tflite")


@pytest.fixture(scope="module")
def saved_model(tmp_path_factory):
    return export("saved_model", tmp_path_factory.mktemp("saved") / "m")


@pytest.mark.parametrize("kind", tiny.MODELS)
@pytest.mark.parametrize("format", EXPORTERS)
def test_answers_as_the_model_does(tmp_path, format, kind):
    source, target = tiny.tokenizers()
    path = tmp_path / "artifact"
    report = export_model(
        format,
        tiny.model(**tiny.MODELS[kind]),
        path,
        source_tokenizer=source,
        target_tokenizer=target,
        settings=tiny.SETTINGS,
        sentences=tiny.SENTENCES,
    )
    checks = {"saved_model": 4, "litert": 3}
    assert len(report.agreements) == checks[format]
    for agreement in report.agreements:
        assert agreement.num_identical == len(tiny.SENTENCES)
        assert agreement.max_score_difference < 1e-3
        if kind == "no_attention":
            assert agreement.max_alignment_difference is None
        else:
            assert agreement.max_alignment_difference < 1e-4
    assert report.differences == []
    assert report.path == str(path)
    assert report.size_bytes > 10_000
    assert all(ms > 0 for ms in report.latency_ms.values())
    allowed = {"saved_model": {"tensorflow", "keras"}, "litert": set()}
    assert set(report.modules) <= allowed[format]
    assert os.listdir(tmp_path) == ["artifact"]


def test_an_export_is_replaced_and_other_things_are_not(tmp_path):
    path = tmp_path / "m"
    path.mkdir()
    (path / "thesis.txt").write_text("someone's")
    with pytest.raises(ExportError, match="not such an export"):
        export("saved_model", path)
    assert os.listdir(path) == ["thesis.txt"]
    export("saved_model", path, overwrite=True)
    export("saved_model", path, kind="no_attention")
    assert "saved_model.pb" in os.listdir(path)
    assert os.listdir(tmp_path) == ["m"]


def test_saved_models_are_moved_and_share_a_process(tmp_path, saved_model):
    """Two models with other tokenizers do not take each other's."""
    source, target = tiny.tokenizers()
    swapped = tmp_path / "swapped"
    get("saved_model").export(
        tiny.model(**tiny.MODELS[KIND]),
        tmp_path / "first",
        source_tokenizer=target,
        target_tokenizer=source,
        settings=tiny.SETTINGS,
    ).rename(swapped)
    moved = shutil.copytree(saved_model, tmp_path / "far" / "moved")
    script = """
import json, sys
import tensorflow as tf, tensorflow_text
models = [tf.saved_model.load(path) for path in sys.argv[1:]]
said = []
for model in models:
    outputs = model.signatures["serving_default"](text=tf.constant(["tu dors"]))
    said.append([o.decode() for o in outputs["source_pieces"][0].numpy()])
mine = sorted({"keras_attention", "pipelines", "export"} & set(sys.modules))
print(json.dumps([said, mine]))
"""
    done = run_elsewhere(script, moved, swapped, cwd=tmp_path)
    assert done.returncode == 0, done.stderr.decode()
    said, mine = json.loads(done.stdout.splitlines()[-1])
    assert mine == []
    for pieces, tokenizer in zip(said, (source, target), strict=True):
        ids = tokenizer.encode_lines(["tu dors"])[0]
        assert pieces == [*tokenizer.pieces(ids), "</s>"]


def test_another_model_is_told_apart(litert_file, saved_model):
    source, target = tiny.tokenizers()
    other = tiny.model(**tiny.MODELS["stacked_general_after"])
    for verify, path in [
        (verify_litert, litert_file),
        (verify_saved_model, saved_model),
    ]:
        with pytest.raises(ExportError, match="does not answer as its model"):
            verify(
                other,
                path,
                source_tokenizer=source,
                target_tokenizer=target,
                settings=tiny.SETTINGS,
                sentences=tiny.SENTENCES,
            )


def test_a_failed_verification_leaves_nothing(tmp_path, monkeypatch):
    def disagree(*arguments):
        raise ExportError("It does not agree.")

    monkeypatch.setattr("export.exporters.verify", disagree)
    source, target = tiny.tokenizers()
    with pytest.raises(ExportError, match="does not agree"):
        export_model(
            "saved_model",
            tiny.model(**tiny.MODELS[KIND]),
            tmp_path / "m",
            source_tokenizer=source,
            target_tokenizer=target,
            settings=tiny.SETTINGS,
            sentences=tiny.SENTENCES,
        )
    assert os.listdir(tmp_path) == []


def test_a_crash_of_the_converter_leaves_nothing(tmp_path, monkeypatch):
    modules = tmp_path / "modules"
    modules.mkdir()
    (modules / "crashing.py").write_text(
        "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(modules))
    monkeypatch.setattr(litert, "run_module", lambda *_: run_module("crashing"))
    with pytest.raises(ExportError, match="ended by SIGSEGV"):
        export("litert", tmp_path / "m.tflite")
    assert os.listdir(tmp_path) == ["modules"]


def test_what_the_converter_refuses_is_one_line(tmp_path):
    with pytest.raises(ExportError, match="SavedModel file does not exist"):
        litert.convert(tmp_path / "none", tmp_path / "m.tflite")
    assert os.listdir(tmp_path) == []


def test_operators(litert_file):
    names = litert.operators(litert_file)
    assert "WHILE" in names
    litert.refuse_operators(names)
    for name in ("CUSTOM FlexErf", "VAR_HANDLE", "READ_VARIABLE"):
        with pytest.raises(ExportError, match=name):
            litert.refuse_operators(names | {name})


def test_runtime_reads_anything(litert_file):
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
    ]
    answers = translator.translate(texts)
    assert [a.truncated for a in answers[:4]] == [False, False, True, True]
    for index in (0, 7):
        assert answers[index].text == ""
        assert answers[index].alignments.shape == (0, 0)
    for answer in answers:
        assert np.isfinite(answer.score)
        shape = (len(answer.pieces_target), len(answer.pieces_source))
        assert answer.alignments.shape == shape
        assert len(answer.tokens) == len(answer.pieces_target)
        assert len(answer.pieces_source) <= tiny.SETTINGS.max_source_len
    assert translator.translate([]) == []
    assert translator.translate([""])[0].text == ""


def test_runtime_answers_do_not_depend_on_the_batch(litert_file):
    translator = Translator(litert_file, num_threads=2)
    together = translator.translate(tiny.SENTENCES)
    again = translator.translate(tiny.SENTENCES[::-1], batch_size=2)[::-1]
    alone = [translator.translate([text])[0] for text in tiny.SENTENCES]
    for one, *others in zip(together, again, alone, strict=True):
        for other in others:
            assert other.text == one.text
            np.testing.assert_array_equal(other.tokens, one.tokens)
            np.testing.assert_allclose(other.score, one.score, atol=1e-4)
            np.testing.assert_allclose(
                other.alignments, one.alignments, atol=1e-5
            )


def test_runtime_refuses_what_is_no_list_of_strings(litert_file):
    translator = Translator(litert_file)
    with pytest.raises(TypeError, match="put it into a list"):
        translator.translate("tu")
    with pytest.raises(TypeError, match="Decode"):
        translator.translate([b"tu"])
    with pytest.raises(ValueError, match="at least 1"):
        translator.translate(["tu"], batch_size=0)


def test_the_command_runs_where_tensorflow_is_not(litert_file, tmp_path):
    root = os.path.dirname(os.path.dirname(litert.__file__))
    script = """
import sys
sys.path.insert(0, sys.argv[1])
for name in ("tensorflow", "keras", "keras_attention", "pipelines"):
    sys.modules[name] = None  # importing it raises ImportError
from export.runtime import main
sys.exit(main(sys.argv[2:]))
"""
    lines = ["le chat dort", "", "tu"]
    done = run_elsewhere(
        script,
        root,
        shutil.copy(litert_file, tmp_path / "moved.tflite"),
        cwd=tmp_path,
        stdin="\r\n".join(lines).encode() + b"\n\xff\xfe\n",
    )
    assert done.returncode == 0, done.stderr.decode()
    answers = done.stdout.decode().split("\n")
    expected = Translator(litert_file).translate([*lines, "\ufffd\ufffd"])
    assert answers == [*(answer.text for answer in expected), ""]


def test_missing_packages_are_named_with_the_remedy(litert_file, tmp_path):
    root = os.path.dirname(os.path.dirname(litert.__file__))
    script = """
import sys
sys.path.insert(0, sys.argv[1])
sys.modules["sentencepiece"] = None
from export.runtime import main
sys.exit(main(sys.argv[2:]))
"""
    done = run_elsewhere(script, root, litert_file, cwd=tmp_path)
    assert done.returncode == 2
    (line,) = done.stderr.decode().splitlines()
    assert "pip install ai-edge-litert sentencepiece" in line


def test_an_unknown_format_names_the_known_ones():
    with pytest.raises(ExportError, match="Did you mean 'litert'.*saved_model"):
        get("liter")
