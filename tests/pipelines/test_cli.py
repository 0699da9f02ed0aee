"""The command line: what it says, and what it leaves behind."""

import io
import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipelines.cli import run_command
from pipelines.recipe import settings
from pipelines.stream import translate_stream
from pipelines.terminal import guarded, prepare_tensorflow
from tests.pipelines.tiny_run import fake_translation

ROOT = Path(__file__).resolve().parents[2]
WORDS = {
    "un": "one",
    "deux": "two",
    "trois": "three",
    "rouge": "red",
    "vert": "green",
    "chat": "cat",
    "chien": "dog",
    "mange": "eats",
    "voit": "sees",
}
TINY = [
    f"--set={assignment}"
    for assignment in (
        "model.units=8",
        "model.embedding_dim=8",
        "training.epochs=2",
        "training.num_buckets=1",
        "training.jit_compile=false",
        "data.max_source_len=16",
        "data.max_target_len=16",
        "data.source_language=French",
        "data.target_language=English",
        "monitoring.images=1",
    )
]


def good_lines(number=60):
    chooser = random.Random(1)
    lines = set()
    while len(lines) < number:
        words = [chooser.choice(list(WORDS)) for _ in range(4)]
        target = " ".join(WORDS[word] for word in words)
        lines.add(f"{' '.join(words)}\t{target}")
    return sorted(lines)


@pytest.fixture
def errors(capsys):
    """Runs a command that must fail with one line; returns that line."""

    def run(*arguments):
        assert run_command([str(one) for one in arguments]) == 2
        said = capsys.readouterr()
        assert said.out == ""
        lines = said.err.strip().splitlines()
        assert len(lines) == 1, said.err
        assert lines[0].startswith("Error: ")
        return lines[0]

    return run


def command(*arguments, **options):
    """Starts the command line in a process of its own."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    environment.pop("TF_CPP_MIN_LOG_LEVEL", None)
    return subprocess.Popen(
        [sys.executable, "-m", "pipelines", *map(str, arguments)],
        env=environment,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options},
    )


def finish(process, status=0, timeout=900):
    """Waits; returns what it printed, if it ended as it should."""
    output, error = (
        (text or b"").decode() for text in process.communicate(timeout=timeout)
    )
    assert process.returncode == status, error
    assert "Traceback" not in error
    return output, error


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
        (["train", "dmo", "--run-dir", "r"], "Choose from demo"),
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
        (["translate", "file"], "There is no run folder"),
        (["export", "r", "--format", "tflite"], "Did you mean 'litert'?"),
        (
            ["export", "r", "--format", "litert", "--check-on", "no"],
            "No such file",
        ),
        (["plot", "r", "--text", "a", "--out", "a.gif"], "must end in one"),
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


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "No usable sentence pair"),
        (b"\n\n \n", "empty line"),
        (b"Va !\tGo.\n", "at least 10"),
        (b"Va !\n" * 20, "too few tabs"),
        ("a\tb\n".encode("utf-16"), "UTF-16"),
        (b"\xe9t\xe9\tsummer\n" * 20, "iconv"),
        (b"\x1f\x8bno", "damaged"),
        (b"x" * 10_001 + b"\ta\n", "10,000"),
    ],
)
def test_data_that_cannot_be_trained_on(content, said, errors, tmp_path):
    data, run_dir = tmp_path / "pairs.tsv", tmp_path / "run"
    data.write_bytes(content)
    # Progress may be printed before the error; the error itself is a line.
    assert said in errors("train", "--data", data, "--run-dir", run_dir)
    assert [path.name for path in tmp_path.iterdir()] == ["pairs.tsv"]


def test_files_of_unequal_length(errors, tmp_path):
    source, target = tmp_path / "a.fr", tmp_path / "a.en"
    source.write_text("un\n" * 20)
    target.write_text("one\n" * 19)
    line = errors(
        "train", "--source", source, "--target", target, "--run-dir", "r"
    )
    assert "20" in line and "19" in line


def test_another_backend(monkeypatch, errors):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert "Received: KERAS_BACKEND=jax" in errors("evaluate", "run")
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    prepare_tensorflow()


def test_output_that_is_full():
    with open("/dev/full", "wb") as full:
        for argument in ("recipes", "--version"):
            _, error = finish(command(argument, stdout=full), status=2)
            assert error.startswith("Error: the output: No space left")
            assert len(error.splitlines()) == 1


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


class FakeRun:
    """Says each sentence in capitals; remembers how they came."""

    class recipe:
        class data:
            max_source_len = 7

    def __init__(self):
        self.calls = []

    def translate(self, texts, *, beam_size=None, batch_size=32):
        self.calls.append(len(texts))
        return [fake_translation(text, text.upper()) for text in texts]


def stream(content, **options):
    run, output, warnings = FakeRun(), io.BytesIO(), []
    translate_stream(
        run, io.BytesIO(content), output, warnings.append, **options
    )
    return output.getvalue(), warnings, run.calls


def test_stream_keeps_lines():
    content = "\ufeffa b\r\n\n \nc\u2028d\nlast".encode()
    output, warnings, calls = stream(content)
    assert output == b"A B\n\n \nC D\nLAST\n"
    assert not warnings and calls == [5]
    assert stream(b"") == (b"", [], [])


def test_stream_of_bytes_that_are_no_text():
    output, warnings, _ = stream(b"a\nb\xff c\n\xe9\n")
    assert output.decode() == "A\nB\ufffd C\n\ufffd\n"
    assert warnings[0].startswith("Line 2 is not valid UTF-8 (byte 2)")
    assert warnings[1].startswith("Line 3 ")


def test_stream_in_batches_and_one_by_one():
    content = b"a\n" * 20
    assert stream(content, batch_size=2)[2] == [16, 4]
    prompts = []
    output, _, calls = stream(content, prompt=lambda: prompts.append(1))
    assert calls == [1] * 20 and len(prompts) == 21 and output == b"A\n" * 20


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run that was killed in mid-epoch and trained on; data with faults."""
    folder = tmp_path_factory.mktemp("cli")
    lines = [line.encode() for line in good_lines()]
    lines[3] += b"\r"
    lines[5:5] = [b"", b"\xff\xfe\tx", b"a\tb\tc", b"y" * 10_001 + b"\tz"]
    (folder / "pairs.tsv").write_bytes(b"\n".join(lines) + b"\n")
    arguments = [
        "train",
        *("--data", folder / "pairs.tsv"),
        *("--run-dir", folder / "run"),
        *TINY,
        "--set=data.source_vocabulary=8000",
    ]
    often = "--set=training.save_every_steps=1"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = command(*arguments, often, **quiet)
    deadline = time.monotonic() + 900
    while not (folder / "run" / "last.keras").exists():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    _, error = finish(command(*arguments))
    return folder, arguments, error


@pytest.mark.slow
def test_training_goes_on_after_a_kill(trained):
    folder, _, said = trained
    said = " ".join(said.split())
    assert "Resuming in epoch" in said
    assert "Left out 4 of 64 lines" in said
    assert "empty line (line 6)" in said
    assert "not UTF-8 (line 7)" in said
    assert "too many tabs (line 8)" in said
    assert "Training ended: all 2 epochs are done" in said
    assert (folder / "run" / "tensorboard" / "train").is_dir()


@pytest.mark.slow
def test_a_finished_training_is_left_alone(trained, capsys):
    folder, arguments, _ = trained
    before = (folder / "run" / "best.keras").read_bytes()
    assert run_command([str(one) for one in arguments]) == 0
    assert "trained already" in capsys.readouterr().err
    assert (folder / "run" / "best.keras").read_bytes() == before


@pytest.mark.slow
def test_a_run_of_another_recipe(trained, capsys):
    _, arguments, _ = trained
    assert run_command([*map(str, arguments), "--set=model.units=9"]) == 2
    [error] = capsys.readouterr().err.strip().splitlines()
    assert "another recipe" in error and "model.units" in error


@pytest.mark.slow
def test_run_folders_that_cannot_be(trained, tmp_path, capsys):
    _, arguments, _ = trained
    (tmp_path / "file").write_text("mine")
    for run_dir in (tmp_path / "file", tmp_path / "file" / "run", tmp_path):
        status = run_command([*map(str, arguments), f"--run-dir={run_dir}"])
        said = capsys.readouterr().err.strip().splitlines()
        assert status == 2 and said[-1].startswith("Error: "), said
        assert str(run_dir) in said[-1]
    assert (tmp_path / "file").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.slow
def test_full_disk(trained, tmp_path):
    """A limit on the size of files stands for a disk that gets full."""
    _, arguments, _ = trained
    run_dir = tmp_path / "run"

    def allow_little():
        resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))

    # The tokenizers fit; the model, with its optimizer of 4 MB, does not.
    arguments = [
        *arguments,
        f"--run-dir={run_dir}",
        "--set=model.units=128",
        "--set=training.epochs=1",
    ]
    process = command(*arguments, preexec_fn=allow_little)
    _, error = finish(process, status=2)
    last = error.strip().splitlines()[-1]
    assert last.startswith("Error: Cannot write ") and "large" in last
    names = {path.name for path in run_dir.iterdir()}
    assert not {name for name in names if "keras" in name or "partial" in name}


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
def test_translate_from_a_pipe(trained):
    folder, _, _ = trained
    process = command(
        "translate", folder / "run", "--beam-size=1", stdin=subprocess.PIPE
    )
    content = b"un chat\n\n" + b"un " * 99 + b"\n\xff chien\r\n  \ndeux"
    output, error = process.communicate(content, timeout=900)
    assert process.returncode == 0, error
    lines = output.decode().split("\n")
    assert len(lines) == 7 and lines[1] == lines[4] == lines[6] == ""
    assert all(lines[i] for i in (0, 2, 3, 5))
    warnings = error.decode().splitlines()
    assert len(warnings) == 2, error
    assert warnings[0].startswith("Line 4 is not valid UTF-8")
    assert warnings[1].startswith("Line 3 has more than the 16 tokens")


@pytest.mark.slow
def test_translate_to_a_closed_pipe(trained):
    folder, _, _ = trained
    process = command(
        "translate", folder / "run", "--beam-size=1", stdin=subprocess.PIPE
    )
    process.stdout.close()
    process.stdin.write(b"un chat\n" * 9)
    process.stdin.close()
    assert process.stderr.read() == b""
    assert process.wait(900) == 0
    process.stderr.close()


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


@pytest.mark.slow
@pytest.mark.parametrize("format", ["litert", "saved_model"])
def test_export(trained, format, tmp_path, capsys):
    folder, _, _ = trained
    run_dir = str(folder / "run")
    assert run_command(["export", run_dir, "--format", format]) == 0
    text = capsys.readouterr().out
    assert "3 of 3 answers identical" in text and " MB; " in text
    place = folder / "run" / "export"
    name = {"litert": "pairs.tflite"}.get(format, format)
    assert (place / name).exists()
    assert (place / f"{format}.report.json").is_file()
    assert not list(place.glob(".*"))


@pytest.mark.slow
def test_export_to_where_something_else_is(trained, tmp_path, errors):
    folder, _, _ = trained
    mine = tmp_path / "mine"
    mine.write_text("mine")
    line = errors("export", folder / "run", "--format", "litert", "--out", mine)
    assert "exists and is not such an export" in line
    assert mine.read_text() == "mine"
