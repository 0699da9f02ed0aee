"""The command `evaluate`."""

import json

import pytest

from pipelines.cli import run_command


@pytest.mark.slow
def test_evaluate(trained, capsys):
    folder, _, _ = trained
    assert run_command(["evaluate", str(folder / "run")]) == 0
    text = capsys.readouterr().out
    assert "sacreBLEU" in text and "tok:13a" in text and "perplexity" in text
    assert (folder / "run" / "results.json").is_file()
    lines = (folder / "run" / "translations.test.txt").read_text("utf-8")
    assert len(lines.splitlines()) == 3


@pytest.mark.slow
def test_widths(trained, capsys):
    folder, _, _ = trained
    arguments = ["evaluate", str(folder / "run"), "--split=validation"]
    assert run_command([*arguments, "--widths=1,3"]) == 0
    text = capsys.readouterr().out
    assert "greedy" in text and "beam 3" in text and "mean score" in text
    results = json.loads((folder / "run" / "results.json").read_text("utf-8"))
    keys = [key for key in results["evaluations"] if "validation" in key]
    assert len(keys) == 2
    assert not (folder / "run" / "translations.validation.txt").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--widths=1,x"], "Received: 1,x"),
        (["--widths=0"], "1 or larger"),
        (["--widths=2", "--beam-size=3"], "exclude each other"),
        (["--widths=2", "--shuffle-memories"], "exclude each other"),
    ],
)
def test_widths_that_cannot_be(arguments, said, errors):
    assert said in errors("evaluate", "no_such_run", *arguments)
