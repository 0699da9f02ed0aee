"""The README's Python example runs as it stands, and is short."""

import re
from pathlib import Path

import keras
import numpy as np
import pytest

README = Path(__file__).resolve().parent.parent / "README.md"


def example():
    blocks = re.findall(
        r"```python\n(.*?)```", README.read_text("utf-8"), re.DOTALL
    )
    return blocks[0]


def test_example_has_at_most_20_lines():
    assert len(example().strip().splitlines()) <= 20


@pytest.mark.slow
def test_example_runs_and_reloads(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(example(), names)
    source = np.array([[5, 6, 7, 0], [8, 9, 10, 11]])
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(names["again"]([source, source])),
        keras.ops.convert_to_numpy(names["model"]([source, source])),
        atol=1e-5,
    )
