"""What a user installs: the wheel, in an empty environment elsewhere."""

import os
import random
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = {"keras_attention", "pipelines", "export"}

pytestmark = pytest.mark.slow


def run(*command, cwd, timeout_seconds=900, **kwargs):
    """Runs a command that must succeed, without the checkout on its path."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in {"PYTHONPATH", "VIRTUAL_ENV"}
    }
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**environment, "KERAS_BACKEND": "tensorflow"},
        capture_output=True,
        text=True,
        timeout=timeout_seconds,
        **kwargs,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built from the source archive, built from a copy."""
    folder = tmp_path_factory.mktemp("build")
    source = folder / "source"
    source.mkdir()
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for package in [*PACKAGES, "tests"]:
        shutil.copytree(
            ROOT / package,
            source / package,
            ignore=shutil.ignore_patterns("__pycache__"),
        )
    run(sys.executable, "-m", "build", "--outdir", folder, source, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


def files_below(folder):
    """Paths of the files that belong into the wheel, relative to the root."""
    return {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_wheel_holds_the_packages_and_nothing_else(wheel):
    names = {
        name
        for name in zipfile.ZipFile(wheel).namelist()
        if ".dist-info/" not in name
    }
    assert names == set().union(*map(files_below, PACKAGES))
    assert {name.split("/")[0] for name in names} == PACKAGES


def test_wheel_holds_the_recipes_and_the_sample_with_its_licence(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    recipes = {path.name for path in (ROOT / "pipelines/recipes").iterdir()}
    assert recipes
    assert {f"pipelines/recipes/{name}" for name in recipes} <= names
    sample = {name for name in names if name.startswith("pipelines/sample/")}
    assert any(name.endswith(".gz") for name in sample)
    assert "pipelines/sample/LICENSE" in sample


def test_wheel_names_its_licence_and_command(wheel):
    with zipfile.ZipFile(wheel) as archive:
        text = {
            name.partition(".dist-info/")[2]: archive.read(name).decode()
            for name in archive.namelist()
            if ".dist-info/" in name
        }
    assert text["licenses/LICENSE"] == (ROOT / "LICENSE").read_text()
    assert (
        "keras-attention = pipelines.__main__:main"
        in (text["entry_points.txt"])
    )
    needed = [
        line.partition(": ")[2]
        for line in text["METADATA"].splitlines()
        if line.startswith("Requires-Dist: ") and "extra ==" not in line
    ]
    assert [name[:5] for name in needed] == ["keras", "numpy"]


def write_pairs(path, num_pairs=300):
    """Writes number words and their digits: a language of ten words."""
    words = "zero one two three four five six seven eight nine".split()
    generator = random.Random(7)
    with path.open("w", encoding="utf-8") as file:
        for _ in range(num_pairs):
            digits = generator.choices(range(10), k=generator.randint(3, 7))
            source = " ".join(words[digit] for digit in digits)
            target = " ".join(str(digit) for digit in digits)
            file.write(f"{source}\t{target}\n")


def test_installed_wheel_trains_and_translates(wheel, tmp_path):
    environment = tmp_path / "environment"
    venv.create(environment, with_pip=True)
    binaries = environment / ("Scripts" if os.name == "nt" else "bin")
    run(
        *(binaries / "python", "-m", "pip", "install", "--quiet"),
        *("-c", ROOT / "constraints.txt", f"{wheel}[pipelines]"),
        cwd=tmp_path,
    )
    write_pairs(tmp_path / "pairs.tsv")

    command = binaries / "keras-attention"
    run(
        *(command, "train", "--data", "pairs.tsv", "--run-dir", "run"),
        *("--set", "training.epochs=1", "--set", "training.max_minutes=3"),
        cwd=tmp_path,
    )
    done = run(
        *(command, "translate", "run"),
        cwd=tmp_path,
        input="one two three\n\nfour five six\n",
    )
    lines = done.stdout.split("\n")
    assert len(lines) == 4 and lines[1] == "" and lines[3] == "", lines
