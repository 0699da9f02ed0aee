"""The command `export`."""

import shutil

import pytest

from export.errors import VerificationError
from export.report import Agreement, Difference, Report
from export.saved_model import version_folder
from pipelines.cli import export_run, export_settings, run_command
from tests.pipelines.tiny_run import make_run


@pytest.mark.slow
@pytest.mark.parametrize(
    "format, options",
    [("litert", []), ("saved_model", []), ("saved_model", ["--xla"])],
)
def test_export(trained, format, options, tmp_path, capsys):
    folder, _, _ = trained
    run_dir = str(folder / "run")
    assert run_command(["export", run_dir, "--format", format, *options]) == 0
    text = capsys.readouterr().out
    assert ("saved_model (XLA)" in text) == ("--xla" in options)
    assert "3 of 3 answers identical" in text and " MB; " in text
    place = folder / "run" / "export"
    name = {"litert": "pairs.tflite", "saved_model": "pairs/1"}[format]
    assert (place / name).exists()
    assert (place / f"{format}.report.json").is_file()
    assert "; BLEU " in (place / f"{format}.report.md").read_text("utf-8")
    assert not list(place.glob(".*"))


@pytest.mark.slow
def test_export_to_where_something_else_is(trained, tmp_path, errors):
    folder, _, _ = trained
    mine = tmp_path / "mine"
    mine.write_text("mine")
    line = errors("export", folder / "run", "--format", "litert", "--out", mine)
    assert "exists and is not such an export" in line
    assert mine.read_text() == "mine"


def test_a_failed_verification_says_where_to_look(
    tmp_path, errors, monkeypatch
):
    run = make_run(tmp_path)
    agreement = Agreement("batch size 16", 3, 1, 1, 0.5, 0.5, 0.995)
    differing = Difference("batch size 16", "un", "one", "two", 3.0, False)
    report = Report(
        *("litert", "/staged/m", 1, "none"),
        *([agreement], [differing]),
        latency_ms={},
        modules=[],
        source_lengths=(1, 2),
    )
    error = VerificationError("It answers otherwise.", "Try again.", report)

    def disagree(*arguments, **options):
        raise error

    monkeypatch.setattr("export.exporters.export_model", disagree)
    monkeypatch.setattr("pipelines.commands.options.load_run", lambda _: run)
    line = errors("export", tmp_path, "--format", "litert")
    place = tmp_path / "export" / "litert.report.failed.md"
    assert f"It answers otherwise. What differs stands in {place}. Try" in line
    text = place.read_text("utf-8")
    assert "model 'one', artifact 'two'" in text and "staged" not in text


def test_a_name_that_is_a_number_is_no_version(tmp_path, monkeypatch):
    run = make_run(tmp_path, "name=2024")
    places = []

    class Exported(Exception):
        pass

    def exported(format, model, path, **options):
        places.append(version_folder(path))
        raise Exported

    monkeypatch.setattr("export.exporters.export_model", exported)
    with pytest.raises(Exported):
        export_run(run, "saved_model")
    assert places == [tmp_path / "export" / "2024" / "1"]


def test_quantizations_that_are_not_offered(tmp_path, errors):
    """Said before the run is loaded: there is none."""
    command = ("export", tmp_path / "none", "--format")
    line = errors(*command, "litert", "--quantize", "full_integer")
    assert "none, float16, int8, int4" in line
    line = errors(*command, "saved_model", "--quantize", "int8")
    assert "no int8 weights" in line


def test_only_a_saved_model_is_compiled_with_xla(tmp_path, errors):
    """Said before the run is loaded: there is none."""
    line = errors("export", tmp_path / "none", "--format", "litert", "--xla")
    assert "A LiteRT file is not compiled with XLA" in line


def test_an_artifact_is_told_what_the_recipe_says(tmp_path):
    run = make_run(
        tmp_path,
        "search.coverage_penalty=0.2",
        "search.length_penalty=0.5",
        "search.beam_size=3",
    )
    settings = export_settings(run, xla=True)
    assert settings.coverage_penalty == 0.2
    assert (settings.length_penalty, settings.beam_size) == (0.5, 3)
    assert settings.xla and not export_settings(run).xla


@pytest.mark.slow
def test_export_of_int8_weights(trained, tmp_path, capsys):
    folder, _, _ = trained
    run_dir = tmp_path / "run"
    shutil.copytree(folder / "run", run_dir)
    place = run_dir / "export"
    shutil.rmtree(place, ignore_errors=True)
    command = ["export", str(run_dir), "--format", "litert"]
    assert run_command([*command, "--quantize", "int8"]) == 0
    assert "int8" in capsys.readouterr().out
    # The file of float32 weights would stand beside it.
    assert {path.name for path in place.iterdir()} == {
        "pairs.int8.tflite",
        "litert.int8.report.json",
        "litert.int8.report.md",
    }
