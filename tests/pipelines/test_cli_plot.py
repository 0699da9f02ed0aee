"""The command `plot`."""

import pytest

from pipelines.cli import run_command


@pytest.mark.slow
def test_plot(trained, tmp_path, capsys):
    folder, _, _ = trained
    path = tmp_path / "picture.png"
    arguments = ["plot", str(folder / "run"), "--text", "un chat vert"]
    assert run_command([*arguments, "--out", str(path)]) == 0
    assert path.read_bytes().startswith(b"\x89PNG")
    assert str(path) in capsys.readouterr().err
    missing = tmp_path / "no" / "picture.png"
    assert run_command([*arguments, "--out", str(missing)]) == 2
    assert "Error: Cannot write" in capsys.readouterr().err
