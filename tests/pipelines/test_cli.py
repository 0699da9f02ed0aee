"""The command line: help, mistakes in what was typed, and its manners."""

import io
import os
import subprocess
import sys

import pytest

from pipelines.__main__ import main
from pipelines.cli import run_command
from pipelines.recipe import settings
from pipelines.terminal import guarded, prepare_tensorflow, show_line
from tests.pipelines.command_line import ROOT, command, finish


def test_help(capsys):
    assert run_command([]) == run_command(["--help"]) == 0
    text = capsys.readouterr().out
    for name in ("train", "evaluate", "translate", "export", "plot"):
        assert f"  {name} " in text
        assert run_command([name, "--help"]) == 0
        assert f"keras-attention {name}" in capsys.readouterr().out


def test_help_is_quick():
    """Neither TensorFlow nor Keras is imported for it."""
    code = (
        "import sys; from pipelines.cli import run_command; "
        "run_command(['train', '--help']); run_command(['recipes']); "
        "heavy = {'tensorflow', 'keras', 'matplotlib', 'sacrebleu'}; "
        "sys.exit(bool(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True
    )
    assert done.returncode == 0, done.stderr


def test_version(capsys):
    import keras_attention

    assert run_command(["--version"]) == 0
    said = capsys.readouterr().out
    assert said == f"keras-attention {keras_attention.__version__}\n"


def test_recipes(capsys):
    assert run_command(["recipes"]) == 0
    text = capsys.readouterr().out
    for item in settings():
        assert item.key in text
        assert item.description.split()[0] in text
    assert "demo" in text and "multi30k_en_de" in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["train", "demo"], "Missing option '--run-dir'"),
        (["train", "--run-dir", "r"], "Give a recipe, or --data"),
        (["train", "demo", "--data", "a", "--run-dir", "r"], "in one way"),
        (["train", "--source", "a", "--run-dir", "r"], "Give both files"),
        (["train", "dmo", "--run-dir", "r"], "Choose from cmudict_g2p, demo"),
        (["train", "no.toml", "--run-dir", "r"], "Cannot read the recipe"),
        (
            ["train", "demo", "--run-dir", "r", "--set", "model.unit=3"],
            "Did you mean `model.units`?",
        ),
        (
            ["train", "demo", "--run-dir", "r", "--set", "model.units=x"],
            "must be an integer",
        ),
        (["train", "demo", "--run-dir", "r", "--set", "u"], "key=value"),
        (["train", "--data", "no.tsv", "--run-dir", "r"], "No such file"),
        (["train", "--data", ".", "--run-dir", "r"], "is a folder"),
        (["evaluate", "r"], "There is no run folder r"),
        (["evaluate", "."], "not a run folder"),
        (["evaluate", "r", "--beam-size", "0"], "--beam-size"),
        (["translate", "r", "--max-length", str(2**40)], "at most 2,147"),
        (["translate", "file"], "There is no run folder"),
        (["export", "r", "--format", "tflite"], "Did you mean 'litert'?"),
        (
            ["export", "r", "--format", "litert", "--check-on", "no"],
            "No such file",
        ),
        (["plot", "r", "--text", "a", "--out", "a.gif"], "must end in one"),
        (["plot", "r", "--text", "a", "--out", "."], "picture.png"),
        (["dance"], "No such command"),
        (["train", "--dance"], "No such option"),
    ],
)
def test_mistakes_in_what_was_typed(
    arguments, said, errors, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    assert said in errors(*arguments)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_another_backend(monkeypatch, errors):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert "Received: KERAS_BACKEND=jax" in errors("evaluate", "run")
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    prepare_tensorflow()


def test_output_that_is_full():
    with open("/dev/full", "wb") as full:
        for argument in ("recipes", "--version", "--help"):
            _, error = finish(command(argument, stdout=full), status=2)
            assert error.startswith("Error: the output: No space left")
            assert len(error.splitlines()) == 1


def test_a_reader_that_has_seen_enough():
    """As `| head` has."""
    read, write = os.pipe()
    os.close(read)
    for argument in ("recipes", "--help"):
        _, error = finish(command(argument, stdout=write), status=0)
        assert error == ""
    os.close(write)


def test_a_standard_error_that_is_closed():
    script = (
        "import sys; sys.stderr = None; import os; os.close(2); "
        "from pipelines.terminal import prepare_tensorflow; "
        "prepare_tensorflow(); print('still here')"
    )
    environment = {**os.environ}
    environment.pop("TF_CPP_MIN_LOG_LEVEL", None)
    said = subprocess.run(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        env=environment,
        check=True,
    )
    assert said.stdout.decode().strip() == "still here"


def test_errors_of_no_users_making():
    def fail(error):
        raise error

    with pytest.raises(ZeroDivisionError):
        guarded(lambda: 1 / 0)()
    with pytest.raises(ImportError):
        guarded(fail)(ImportError("broken", name="pipelines.nothing"))


def test_interrupts(capsys):
    def interrupt(*arguments):
        raise KeyboardInterrupt(*arguments)

    assert guarded(interrupt)() == 130
    assert capsys.readouterr().err == "Interrupted.\n"
    assert guarded(interrupt)("In epoch 3.") == 130
    assert capsys.readouterr().err == "In epoch 3.\n"


def test_missing_packages(capsys):
    def import_it():
        raise ModuleNotFoundError(
            "No module named 'sacrebleu'", name="sacrebleu"
        )

    assert guarded(import_it)() == 2
    assert "pip install 'keras-attention[all]'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("closed", "said"),
    [("<&-", "Standard input is closed"), (">&-", "Standard output is closed")],
)
def test_closed_streams(tmp_path, closed, said):
    shell = f"{sys.executable} -m pipelines translate {tmp_path} {closed}"
    done = subprocess.run(
        ["sh", "-c", shell],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 2
    [line] = done.stderr.strip().splitlines()
    assert line.startswith("Error: ") and said in line


def test_without_what_commands_need(monkeypatch, capsys):
    """As `pip install keras-attention` leaves it."""
    monkeypatch.setitem(sys.modules, "typer", None)
    monkeypatch.delitem(sys.modules, "pipelines.cli", raising=False)
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    assert "pip install 'keras-attention[all]'" in capsys.readouterr().err


def test_text_that_a_terminal_cannot_show(monkeypatch):
    output = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr("sys.stdout", output)
    show_line("é \udcff")
    assert output.buffer.getvalue() == "é ?\n".encode()
