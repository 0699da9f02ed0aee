"""What the tests of the commands share."""

import signal
import subprocess
import time

import pytest

from pipelines.cli import run_command
from tests.pipelines.command_line import TINY, command, finish, good_lines


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


@pytest.fixture(scope="session")
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
