"""Every format and kind of model: written, moved, run in fresh processes."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys

import pytest

from export.errors import ExportError
from export.exporters import EXPORTERS, export_model, get
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


# All kinds go through the converter, which is the most particular; the other
# formats trace the same functions.
FEW = (KIND, "no_attention", "location_sensitive_before")
ROUND_TRIPS = [
    (format, kind)
    for format in EXPORTERS
    for kind in tiny.MODELS
    if format == "litert" or kind in FEW
]


@pytest.mark.parametrize(("format", "kind"), ROUND_TRIPS)
def test_answers_as_the_model_does(tmp_path, format, kind, monkeypatch):
    # One fresh process each; `test_saved_model.py` has both numbers.
    monkeypatch.setattr("export.verify_process.THREADS", (1,))
    source, target = tiny.tokenizers()
    # One of them with the whole of the beam search.
    settings = dataclasses.replace(
        tiny.SETTINGS, coverage_penalty=0.3 if kind == KIND else 0.0
    )
    path = tmp_path / "artifact"
    report = export_model(
        format,
        tiny.model(**tiny.MODELS[kind]),
        path,
        source_tokenizer=source,
        target_tokenizer=target,
        settings=settings,
        sentences=tiny.SENTENCES,
    )
    checks = {"saved_model": 13, "litert": 12, "litert_buckets": 11}
    assert len(report.agreements) == checks[format]
    for agreement in report.agreements:
        long = agreement.check.startswith("sources")
        number = 7 if long else len(tiny.SENTENCES)  # 7 are not blank
        assert agreement.num_identical == agreement.num_sentences == number
        assert agreement.max_score_difference < 1e-3
        if ": all" not in agreement.check:
            assert agreement.score_error < 1e-4
        if kind == "no_attention":
            assert agreement.max_alignment_difference is None
        else:
            assert agreement.max_alignment_difference < 1e-4
    assert report.differences == []
    place = path / "1" if format == "saved_model" else path
    assert report.path == str(place)
    assert report.size_bytes > 10_000
    assert all(ms > 0 for ms in report.latency_ms.values())
    allowed = {"tensorflow", "keras"} if format == "saved_model" else set()
    assert set(report.modules) <= allowed
    assert os.listdir(tmp_path) == ["artifact"]


def test_an_export_is_replaced_and_other_things_are_not(tmp_path):
    path = tmp_path / "m" / "1"
    path.mkdir(parents=True)
    (path / "thesis.txt").write_text("someone's")
    with pytest.raises(ExportError, match="not such an export"):
        export("saved_model", path)
    assert os.listdir(path) == ["thesis.txt"]
    export("saved_model", path, overwrite=True)
    export("saved_model", tmp_path / "m", kind="no_attention")
    assert "saved_model.pb" in os.listdir(path)
    assert os.listdir(tmp_path / "m") == ["1"]


def test_saved_models_are_moved_and_share_a_process(tmp_path, saved_model):
    """Two models with other tokenizers do not take each other's."""
    source, target = tiny.tokenizers()
    swapped = tmp_path / "swapped"
    get("saved_model").export(
        tiny.model(**tiny.MODELS["no_attention"]),
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


def test_another_model_is_told_apart(litert_file, saved_model, monkeypatch):
    monkeypatch.setattr("export.verify_process.THREADS", (1,))
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


def test_an_unknown_format_names_the_known_ones():
    with pytest.raises(ExportError, match="Did you mean 'litert'.*saved_model"):
        get("liter")
