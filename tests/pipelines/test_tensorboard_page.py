"""The code of `docs/tensorboard.md` runs, and shows what the page says."""

import re
from pathlib import Path

from pipelines.recipe import Recipe
from tests.pipelines.events import read, scalars

PAGE = Path(__file__).resolve().parents[2] / "docs" / "tensorboard.md"
TEXT = PAGE.read_text("utf-8")


def test_code_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    [code] = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    exec(compile(code, PAGE.name, "exec"), {})
    logs = tmp_path / "logs" / "backwards"
    found = scalars(logs / "validation")
    # It learns to look at the last position first.
    assert found["look/alignment_error_rate"][0] > 0.5
    assert found["look/alignment_error_rate"][-1] == 0.0
    assert found["look/monotonicity"][-1] == 0.0
    assert found["look/peak"][-1] > 2 * found["look/peak"][0]
    assert len(found["loss"]) == 2
    assert len(read(logs / "validation")["look/1"]) == 3


def test_the_keys_of_recipes():
    settings = Recipe().monitoring
    section = TEXT.partition("under `[monitoring]`")[2].partition("###")[0]
    rows = re.findall(r"^\| (`.*?) \| (.*?) \|", section, re.MULTILINE)
    told = {}
    for names, values in rows:
        names = re.findall(r"`(\w+)`", names)
        told.update(zip(names, values.split(", "), strict=True))
    expected = {
        name: "none" if value == "" else value
        for name, value in vars(settings).items()
    }
    assert {name: value.strip("`") for name, value in told.items()} == {
        name: str(value).lower() for name, value in expected.items()
    }


def test_the_pictures_are_there_and_small():
    names = re.findall(r"!\[.*?\]\((.*?)\)", TEXT)
    assert names == ["tensorboard_scalars.png", "tensorboard_images.png"]
    for name in names:
        assert 1_000 < (PAGE.parent / name).stat().st_size < 200_000
