"""`benchmarks/monitoring.py` runs, and its first look is the first."""

import pathlib

import pytest

from pipelines.tensorboard.monitor import Monitor
from tests.pipelines.test_ways_to_train import run_training

FOLDER = pathlib.Path(__file__).parent.parent / "benchmarks"


@pytest.mark.slow
def test_the_cost_of_tensorboard(tmp_path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(FOLDER)
    import monitoring

    run_training(tmp_path, "training.epochs=1")
    look, looks = Monitor.look, []

    def counted(self, step):
        looks.append(step)
        look(self, step)

    monkeypatch.setattr(Monitor, "look", counted)
    options = ["--steps=2", "--seconds=0.1", "--looks=2"]
    monitoring.main([str(tmp_path / "run"), *options])
    # Told to look by nothing else, such as the end of a `fit`.
    assert looks == [0, 0, 0]
    said = capsys.readouterr().out
    for row in ("steps: loss", "looks: ", "the first look: ", "embeddings: "):
        assert f"| {row}" in said
    assert "| all | " in said
