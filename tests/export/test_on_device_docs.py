"""`docs/on_device.md` says what a LiteRT file really has."""

import dataclasses
import json
import pathlib
import re
import shutil
import struct
import zipfile

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from export.package import FORMAT, VERSION
from export.quantizations import QUANTIZATIONS
from export.settings import ExportSettings

pytestmark = pytest.mark.slow

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "on_device.md"
TEXT = PAGE.read_text("utf-8")
# | greedy | out | `tokens` | int32 | (batch, target_len) | ...
ROW = re.compile(r"\| (.*?) ?(in|out) \| (`.*?) \| (.*?) \| \((.*?)\) \|")


def rows():
    """Signature, direction, names, types and axes of the page's tables."""
    for line in TEXT.splitlines():
        if found := ROW.match(line):
            name, direction, names, types, axes = found.groups()
            yield (
                name.strip("`") or "greedy",
                direction,
                re.findall(r"`(\w+)`", names),
                types.split(", "),
                axes.split(", "),
            )


def test_the_tables_name_every_tensor(litert_file):
    interpreter = Interpreter(model_path=str(litert_file))
    documented = {
        (signature, direction, name): (types, axes)
        for signature, direction, names, types, axes in rows()
        for name in names
    }
    seen = 0
    for signature in ("greedy", "encode", "decode_step"):
        runner = interpreter.get_signature_runner(signature)
        details = {
            "in": runner.get_input_details(),
            "out": runner.get_output_details(),
        }
        for direction, tensors in details.items():
            for name, tensor in tensors.items():
                # What goes round is documented where it comes from.
                told_by_encode = name.startswith(("memory", "state"))
                place = (
                    ("encode", "out", name)
                    if told_by_encode
                    else (signature, direction, name)
                )
                types, axes = documented[place]
                assert np.dtype(tensor["dtype"]).name in types
                if "..." not in axes:
                    assert len(tensor["shape_signature"]) == len(axes)
                seen += 1
    assert seen == 21


def test_the_code_runs(litert_file, tmp_path, monkeypatch, capsys):
    shutil.copy(litert_file, tmp_path / "model.tflite")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    assert len(blocks) == 2
    for code in blocks:
        names = {}
        exec(compile(code, PAGE.name, "exec"), names)
    assert 0 < len(names["said"]) <= 20
    assert len(capsys.readouterr().out.splitlines()) == 4


def test_the_archive_is_as_described(litert_file):
    with zipfile.ZipFile(litert_file) as archive:
        description = json.loads(archive.read("settings.json"))
        for name in archive.namelist():
            assert f"`{name}`" in TEXT
    for name in description:
        assert f"`{name}`" in TEXT
    assert f'`"{FORMAT}"`, `version` {VERSION}' in TEXT
    # Found as the page says.
    content = litert_file.read_bytes()
    (directory,) = struct.unpack("<I", content[-6:-2])
    (begin,) = struct.unpack_from("<I", content, directory + 42)
    assert begin == description["model_bytes"]
    assert content[begin : begin + 4] == b"PK\x03\x04"
    for field in dataclasses.fields(ExportSettings):
        assert f"`{field.name}`" in TEXT


def test_the_demands_are_those_of_the_code():
    for name, quantization in QUANTIZATIONS.items():
        row, *_ = re.findall(rf"^\| `{name}` \|.*$", TEXT, re.MULTILINE)
        cells = [cell.strip() for cell in row.split("|")]
        assert cells[-4:-1] == [
            f"{100 * quantization.min_agreement:.3g}% / "
            f"{100 * quantization.min_beam_agreement:.3g}%",
            f"{quantization.near_tie:g}",
            f"{quantization.max_score_error:g}",
        ]
