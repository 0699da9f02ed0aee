"""The code of `docs/migrating.md` runs, from top to bottom."""

import re
from pathlib import Path

import keras
import numpy as np
import pytest

MIGRATING = Path(__file__).resolve().parents[1] / "docs" / "migrating.md"
OLD = "# tensorflow-addons\n"
VOCABULARY, EMBEDDING, HIDDEN, UNITS = 1000, 64, 256, 128


def blocks():
    return re.findall(
        r"```python\n(.*?)```", MIGRATING.read_text("utf-8"), re.DOTALL
    )


def old_model():
    """What the page's old model would have saved: names to shapes."""
    cell = {
        "_attention_layers/0/kernel": (2 * HIDDEN, UNITS),
        "_cell/kernel": (EMBEDDING + UNITS, 4 * HIDDEN),
        "_cell/recurrent_kernel": (HIDDEN, 4 * HIDDEN),
        "_cell/bias": (4 * HIDDEN,),
        "_attention_mechanisms/0/attention_v": (UNITS,),
        "_attention_mechanisms/0/attention_g": (),
        "_attention_mechanisms/0/attention_b": (UNITS,),
        "_attention_mechanisms/0/query_layer/kernel": (HIDDEN, UNITS),
        "_attention_mechanisms/0/memory_layer/kernel": (HIDDEN, UNITS),
    }
    return {
        "source_embedding/embeddings": (VOCABULARY, EMBEDDING),
        "target_embedding/embeddings": (VOCABULARY, EMBEDDING),
        "encoder/cell/kernel": (EMBEDDING, 4 * HIDDEN),
        "encoder/cell/recurrent_kernel": (HIDDEN, 4 * HIDDEN),
        "encoder/cell/bias": (4 * HIDDEN,),
        **{f"decoder/cell/{name}": shape for name, shape in cell.items()},
        "decoder/output_layer/kernel": (UNITS, VOCABULARY),
        "decoder/output_layer/bias": (VOCABULARY,),
    }


def save_checkpoint(path, weights):
    """Saves a tree of attributes (numbers: of lists) as TensorFlow does."""
    tf = pytest.importorskip("tensorflow")
    root = tf.Module()

    def grow(node, parts, value):
        name, *rest = parts
        if not rest:
            setattr(node, name, tf.Variable(value))
        elif rest[0] == "0":
            if not hasattr(node, name):
                setattr(node, name, [tf.Module()])
            if rest[1:]:
                grow(getattr(node, name)[0], rest[1:], value)
        else:
            if not hasattr(node, name):
                setattr(node, name, tf.Module())
            grow(getattr(node, name), rest, value)

    for name, value in weights.items():
        grow(root, name.split("/"), value)
    parts = {name.split("/")[0] for name in weights}
    checkpoint = tf.train.Checkpoint(
        **{name: getattr(root, name) for name in parts}
    )
    return checkpoint.save(path)


def test_old_code_compiles():
    old = [code for code in blocks() if code.startswith(OLD)]
    assert len(old) == 3
    for code in old:
        compile(code, MIGRATING.name, "exec")


@pytest.mark.slow
def test_code_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    weights = {
        name: rng.normal(scale=0.05, size=shape).astype("float32")
        for name, shape in old_model().items()
    }
    save_checkpoint(str(tmp_path / "old" / "checkpoint"), weights)
    names = {}
    new = [code for code in blocks() if not code.startswith(OLD)]
    assert len(new) > 5
    for code in new:
        exec(compile(code, MIGRATING.name, "exec"), names)

    model = names["model"]
    np.testing.assert_array_equal(
        model.decoder.cell.attention.score.query_kernel,
        weights["decoder/cell/_attention_mechanisms/0/query_layer/kernel"],
    )
    for one, other in zip(
        names["again"].get_weights(),
        model.decoder.cell.get_weights(),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)
    reloaded = keras.saving.load_model("new.keras")
    given = {"source": names["source"], "target": names["target"]}
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(reloaded(given)),
        keras.ops.convert_to_numpy(model(given)),
        atol=1e-5,
    )
