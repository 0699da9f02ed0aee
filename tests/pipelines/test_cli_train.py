"""The command `train`: data with faults, and trainings that go on."""

import resource

import pytest

from pipelines.cli import run_command
from pipelines.recipe import diff, load_recipe
from pipelines.run import load
from pipelines.training.run_lock import alone_in
from tests.pipelines.command_line import command, finish


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
def test_another_search_is_written_down(trained, capsys):
    folder, arguments, _ = trained
    before = load_recipe(folder / "run" / "recipe.toml")
    changed = [*map(str, arguments), "--set=search.beam_size=3"]
    assert run_command(changed) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "recipe.toml: search.beam_size." in said
    after = load_recipe(folder / "run" / "recipe.toml")
    assert diff(before, after) == ["search.beam_size"]
    assert load(folder / "run").recipe.search.beam_size == 3
    assert run_command([*map(str, arguments)]) == 0
    assert load_recipe(folder / "run" / "recipe.toml") == before


@pytest.mark.slow
def test_a_recipe_that_could_not_start_can_be_mended(trained, tmp_path, capsys):
    _, arguments, _ = trained
    fresh = [*map(str, arguments), f"--run-dir={tmp_path / 'run'}"]
    assert run_command([*fresh, "--set=data.max_source_len=2"]) == 2
    assert "Raise data.max_source_len" in capsys.readouterr().err
    assert run_command([*fresh, "--set=training.epochs=1"]) == 0
    recipe = load_recipe(tmp_path / "run" / "recipe.toml")
    assert recipe.training.epochs == 1 and recipe.data.max_source_len > 2


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
def test_one_training_at_a_time(trained, capsys):
    folder, arguments, _ = trained
    with alone_in(folder / "run"):
        assert run_command([*map(str, arguments)]) == 2
    *_, error = capsys.readouterr().err.strip().splitlines()
    assert error.startswith("Error: Another training is at work")
    assert run_command([*map(str, arguments)]) == 0


@pytest.mark.slow
def test_what_another_training_left_meanwhile_stays(
    trained, capsys, monkeypatch
):
    folder, arguments, _ = trained
    before = (folder / "run" / "source.model").read_bytes()
    # As if the folder had been empty when it was looked at.
    monkeypatch.setattr("pipelines.train._find_earlier", lambda *_: None)
    changed = [*map(str, arguments), "--set=data.source_vocabulary=40"]
    assert run_command(changed) == 2
    assert "has been at work in" in capsys.readouterr().err
    assert (folder / "run" / "source.model").read_bytes() == before


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
