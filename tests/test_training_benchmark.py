"""The parts of `benchmarks/training.py` that need no other environment."""

import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest

FOLDER = pathlib.Path(__file__).parent.parent / "benchmarks"


@pytest.fixture(autouse=True)
def benchmarks(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)


def make_batch():
    import training_worker

    return training_worker.Batch(
        np.array([[7, 2, 0, 0], [5, 6, 2, 0], [0, 0, 0, 0]], "int32"),
        np.array([[4, 9, 2], [8, 2, 0], [0, 0, 0]], "int32"),
    )


def test_batches_survive_saving_and_lose_only_padding(tmp_path):
    import training_worker

    batch = make_batch()
    path = tmp_path / "batches.npz"
    training_worker.save_batches(path, [batch, batch])
    [first, _] = training_worker.load_batches(path)
    assert (first.source == batch.source).all()
    trimmed = first.trimmed()
    assert trimmed.source.tolist() == [[7, 2, 0], [5, 6, 2]]
    assert trimmed.labels.tolist() == [[4, 9, 2], [8, 2, 0]]
    assert trimmed.decoder_inputs.tolist() == [[1, 4, 9], [1, 8, 0]]
    assert trimmed.tokens == batch.tokens == 5


def test_a_side_answers_and_says_what_failed(tmp_path):
    import training_worker

    path = tmp_path / "batches.npz"
    training_worker.save_batches(path, [make_batch()])
    script = """
import training_worker

class Trainer:
    def __init__(self, batches, request):
        print("chatter")
        self.batches, self.about = batches, {"rows": len(batches[0].source)}

    def train(self, numbers):
        return [self.batches[one].tokens for one in numbers]

training_worker.serve(Trainer)
"""
    requests = [{"data": str(path)}, {"run": [0, 0]}, {"run": [1]}]
    done = subprocess.run(
        [sys.executable, "-c", script],
        input="".join(json.dumps(one) + "\n" for one in requests),
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(FOLDER)},
        check=True,
    )
    about, trained, failed = map(json.loads, done.stdout.splitlines())
    assert about == {"rows": 2}
    assert trained["loss"] == 5 and trained["seconds"] >= 0
    assert "IndexError" in failed["error"]


def test_operations_are_those_of_the_weights():
    """A weight matrix costs a multiplication and an addition a row."""
    import training_reckoning
    import training_sides

    sizes = training_sides.Sizes(3, 5, 7, 11, 13, 17)
    parts = training_reckoning.operations(
        sizes, "additive", source_ratio=1, source_len=0
    )
    # Without embeddings, bias, bridge and the vector of the scores.
    encoder = 2 * (7 + 3) * 4 * 3
    attention = 6 * 11 + 5 * 11
    decoder = (7 + 11 + 5) * 4 * 5 + (5 + 6) * 11
    weights = encoder + attention + decoder + 11 * 17
    assert sum(count for count, _ in parts.values()) == 3 * 2 * weights
    general = training_reckoning.operations(sizes, "general", 1, 0)
    assert sum(count for count, _ in general.values()) < 6 * weights


def test_the_same_batches_come_again_only_when_all_were_there():
    import training_data

    data = training_data.Data([make_batch()] * 7, 0, 0)
    numbers = training_data.sample(data, 10)
    assert sorted(numbers[:7]) == list(range(7))
    assert numbers[7:] == numbers[:3]
    assert data.tokens(numbers) == 50 and data.sentences([0]) == 2


def test_a_peer_gets_the_same_pairs_in_batches_of_its_own():
    import training_data
    import training_worker

    rng = np.random.default_rng(3)
    pairs = [
        (rng.integers(4, 9, size=one), rng.integers(4, 9, size=two))
        for one, two in rng.integers(1, 30, size=(50, 2))
    ]

    def padded(rows, length):
        return np.array([np.pad(row, (0, length - len(row))) for row in rows])

    whole = training_worker.Batch(
        padded([source for source, _ in pairs], 32),
        padded([labels for _, labels in pairs], 32),
    )
    data = training_data.Data([whole], 9, 9)

    def told(epoch):
        return sorted(
            (source[source != 0].tolist(), labels[labels != 0].tolist())
            for batch in epoch.batches
            for source, labels in zip(*batch, strict=True)
        )

    randomly = training_data.randomly(data, 8)
    by_width = training_data.by_width(data, 8, 5)
    assert told(randomly) == told(by_width) == told(data)
    assert [len(one.source) for one in randomly.batches].count(8) == 6
    for batch in (*randomly.batches, *by_width.batches):
        assert batch.source[:, -1].any() and batch.labels[:, -1].any()
    for batch in by_width.batches:
        longest = np.maximum(
            (batch.source != 0).sum(axis=1), (batch.labels != 0).sum(axis=1)
        )
        assert len(set(longest // 5)) == 1
