"""The archive behind a LiteRT file, and what is said of damaged ones."""

import json
import zipfile

import pytest

from export import exporters
from export.errors import ExportError
from export.package import append_package, is_package, read_package
from export.runtime import Translator
from export.runtime_command import main
from export.settings import ExportSettings

MODEL = b"\x1c\x00\x00\x00TFL3" + bytes(range(256)) * 5
SETTINGS = ExportSettings(
    max_source_len=13,
    name="tiny",
    max_length_factor=3,
    coverage_penalty=0.2,
    quantize="int8",
)


@pytest.fixture
def packed(tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(MODEL)
    append_package(path, b"source", b"target", SETTINGS)
    return path


def test_reads_what_was_written(packed):
    package = read_package(packed)
    assert package.source_model == b"source"
    assert package.target_model == b"target"
    assert package.settings == SETTINGS
    assert packed.read_bytes().startswith(MODEL)
    assert is_package(packed, "litert")


def rewrite(path, **changes):
    """Appends the archive again, with another `settings.json`."""
    with zipfile.ZipFile(path) as archive:
        description = json.loads(archive.read("settings.json"))
    path.write_bytes(MODEL)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("source.model", b"source")
        archive.writestr("target.model", b"target")
        archive.writestr("settings.json", json.dumps(description | changes))


def test_each_format_knows_its_own_files(tmp_path):
    for name in ("litert", "litert_buckets"):
        path = tmp_path / name
        path.write_bytes(MODEL)
        append_package(path, b"source", b"target", SETTINGS, name)
        told = {
            other: exporters.get(other).is_export(path)
            for other in exporters.EXPORTERS
        }
        assert [one for one, is_own in told.items() if is_own] == [name]


def test_another_version_is_refused(packed):
    rewrite(packed, version=2)
    with pytest.raises(ExportError, match="version 2; .* reads version 1"):
        read_package(packed)


def test_another_programs_archive_is_refused(packed):
    rewrite(packed, format="someone's")
    with pytest.raises(ExportError, match="not written by this package"):
        read_package(packed)
    assert not is_package(packed, "litert")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a_truncated_file_is_refused(packed, share):
    content = packed.read_bytes()
    packed.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ExportError, match="incomplete"):
        Translator(packed)


def test_a_changed_model_is_refused(packed):
    content = bytearray(packed.read_bytes())
    content[100] ^= 1
    packed.write_bytes(content)
    with pytest.raises(ExportError, match="damaged"):
        Translator(packed)


def test_other_files_are_refused(tmp_path):
    with pytest.raises(ExportError, match="No such file"):
        Translator(tmp_path / "none.tflite")
    with pytest.raises(ExportError, match="is a folder"):
        Translator(tmp_path)
    for content in (b"", b"text, not a model"):
        path = tmp_path / "other"
        path.write_bytes(content)
        with pytest.raises(ExportError, match="not a LiteRT file"):
            Translator(path)
    path.write_bytes(MODEL)
    with pytest.raises(ExportError, match="no tokenizers"):
        Translator(path)


def test_a_tokenizer_that_is_none_is_refused(packed):
    with pytest.raises(ExportError, match="tokenizers"):
        Translator(packed)


def test_the_command_says_one_line_and_exits_with_2(tmp_path, capsys):
    path = str(tmp_path / "none.tflite")
    assert main([path]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    (line,) = said.err.splitlines()
    assert line.startswith("Error: No such file")
    assert main([path, "--threads=0"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("Error: `num_threads` must be at least 1")
    assert main([]) == 2
    assert "usage: python -m export.runtime" in capsys.readouterr().err
    assert main(["--help"]) == 0
    assert "--beam" in capsys.readouterr().out
