"""Nothing half-written, and nothing of someone else's overwritten."""

import os

import pytest

from export.errors import ExportError
from export.staging import staged


def never(path):
    return False


def always(path):
    return True


def test_puts_the_file_in_place_and_nothing_else(tmp_path):
    path = tmp_path / "deep" / "model"
    with staged(path, never) as staging:
        staging.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new"
    assert os.listdir(path.parent) == ["model"]


def test_a_failure_leaves_everything_as_it_was(tmp_path):
    path = tmp_path / "model"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt):
        with staged(path, always) as staging:
            staging.write_text("half")
            raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["model"]


def test_a_file_takes_no_folders_place(tmp_path):
    path = tmp_path / "mine"
    path.mkdir()
    (path / "thesis.txt").write_text("mine")
    with pytest.raises(ExportError, match="is a folder.*Name one in it"):
        with staged(path, always, overwrite=True, file=True) as staging:
            staging.write_text("new")
    assert (path / "thesis.txt").read_text() == "mine"


def test_an_interruption_between_two_renames_loses_nothing(
    tmp_path, monkeypatch
):
    path, rename = tmp_path / "model", os.rename
    path.write_text("old")

    def interrupted(source, target):
        rename(source, target)
        if target.name == "old":
            raise KeyboardInterrupt

    monkeypatch.setattr("os.rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        with staged(path, always) as staging:
            staging.write_text("new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["model"]


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_replaces_only_what_is_ours_unless_told(tmp_path, kind):
    path = tmp_path / "model"
    if kind == "file":
        path.write_text("someone's")
    else:
        path.mkdir()
        (path / "thesis.txt").write_text("someone's")
    with pytest.raises(ExportError, match="exists and is not such an export"):
        with staged(path, never) as staging:
            staging.write_text("new")
    assert path.exists()
    with staged(path, never, overwrite=True) as staging:
        staging.write_text("new")
    assert path.read_text() == "new"
    with staged(path, always) as staging:
        staging.write_text("newer")
    assert path.read_text() == "newer"
    assert os.listdir(tmp_path) == ["model"]


def test_what_the_disk_refuses_is_one_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ExportError, match="Cannot write .*model"):
        with staged(tmp_path / "file" / "model", never):
            pass
    with pytest.raises(ExportError, match="No space left"):
        with staged(tmp_path / "model", never):
            raise OSError(28, "No space left on device")
    assert os.listdir(tmp_path) == ["file"]
