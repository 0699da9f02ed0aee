"""A config makes the same layer again; a saved model comes back whole."""

import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.backends import tensorflow_only
from tests.cases import (
    BATCH,
    CASES,
    REPRESENTATIVE,
    SOURCE,
    numpy,
    randomize,
    sweep,
)

ROOT = Path(__file__).resolve().parents[2]
MASK = np.array([[True] * 3 + [False] * 2, [True] * SOURCE])


def without_build(config):
    """A serialised config without the shapes that a layer was built with."""
    if isinstance(config, dict):
        return {
            name: without_build(value)
            for name, value in config.items()
            if name not in {"build_config", "shared_object_id"}
        }
    if isinstance(config, (list, tuple)):
        return [without_build(value) for value in config]
    return config


@pytest.mark.parametrize("case", sweep(CASES))
def test_config_round_trip(case):
    layer = case.built()
    config = keras.saving.serialize_keras_object(layer)
    text = json.dumps(config)
    again = keras.saving.deserialize_keras_object(json.loads(text))
    assert type(again) is type(layer)
    assert without_build(again.get_config()) == without_build(
        layer.get_config()
    )
    direct = type(layer).from_config(layer.get_config())
    for copy in (again, direct):
        case.call(copy, *case.data())
        assert [weight.shape for weight in copy.weights] == [
            weight.shape for weight in layer.weights
        ]
        copy.set_weights(layer.get_weights())
        expected, _ = case.call(layer, *case.data(seed=1))
        actual, _ = case.call(copy, *case.data(seed=1))
        np.testing.assert_array_equal(numpy(actual), numpy(expected))


@pytest.mark.parametrize("case", sweep(CASES))
def test_weights_have_unique_names(case):
    layer = case.built()
    paths = [weight.path for weight in layer.weights]
    assert len(paths) == len(set(paths))
    # What an estimator counts or averages from batch to batch.
    kept = {weight.name for weight in layer.non_trainable_weights}
    assert kept <= {"baseline", "num_batches"}


@pytest.mark.parametrize("case", sweep(CASES))
def test_saving_in_a_functional_model(case, tmp_path):
    model = randomize(case.functional())
    target, source = case.data()
    expected = model([target, source, MASK])
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    for actual, one in zip(
        again([target, source, MASK]), expected, strict=True
    ):
        np.testing.assert_allclose(numpy(actual), numpy(one), atol=1e-6)


@pytest.mark.parametrize("case", sweep(CASES))
def test_cloning_a_functional_model(case):
    model = randomize(case.functional())
    again = keras.models.clone_model(model)
    assert again.count_params() == model.count_params()
    again.set_weights(model.get_weights())
    inputs = [*case.data(), MASK]
    for actual, one in zip(again(inputs), model(inputs), strict=True):
        np.testing.assert_allclose(numpy(actual), numpy(one), atol=1e-6)
    lines = []
    model.summary(print_fn=lines.append)
    assert f"{model.count_params():,}" in "\n".join(lines)


@tensorflow_only
@pytest.mark.parametrize("case", sweep(REPRESENTATIVE))
def test_exporting_a_functional_model(case, tmp_path):
    """By Keras's own `export`, as a SavedModel with free sizes."""
    import tensorflow as tf

    model = randomize(case.functional())
    model.export(tmp_path / "model", verbose=False)
    loaded = tf.saved_model.load(tmp_path / "model")
    for seed in (0, 1):
        inputs = [*case.data(seed=seed), MASK]
        for actual, one in zip(
            loaded.serve(inputs), model(inputs), strict=True
        ):
            np.testing.assert_allclose(numpy(actual), numpy(one), atol=1e-5)


RELOAD = """
import sys
import keras, numpy as np
import keras_attention
folder = sys.argv[1]
arrays = np.load(f"{folder}/arrays.npz")
for name in arrays["names"]:
    model = keras.saving.load_model(f"{folder}/{name}.keras")
    inputs = [arrays[f"{name}/{part}"] for part in ("target", "source")]
    actual = model([*inputs, arrays["mask"]])[0]
    expected = arrays[f"{name}/expected"]
    actual = keras.ops.convert_to_numpy(actual)
    np.testing.assert_allclose(actual, expected, atol=1e-6)
"""


def test_reloading_in_a_fresh_process(tmp_path):
    """All representative cases at once: a process takes seconds."""
    names = [case.name for case in REPRESENTATIVE]
    arrays = {"names": names, "mask": MASK}
    for case in REPRESENTATIVE:
        model = randomize(case.functional())
        model.save(tmp_path / f"{case.name}.keras")
        target, source = case.data()
        arrays[f"{case.name}/target"] = target
        arrays[f"{case.name}/source"] = source
        outputs = model([target, source, MASK])[0]
        arrays[f"{case.name}/expected"] = numpy(outputs)
    np.savez(tmp_path / "arrays.npz", **arrays)
    done = subprocess.run(
        [sys.executable, "-c", RELOAD, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("case", sweep(CASES))
def test_symbolic_shapes_and_dtypes_equal_eager_ones(case):
    layer = case.make()
    model = case.functional(layer)
    target, source = case.data()
    results = case.call(layer, target, source, mask=MASK)
    for symbolic, eager in zip(model.outputs, results, strict=False):
        assert len(symbolic.shape) == len(eager.shape)
        for known, size in zip(symbolic.shape, eager.shape, strict=True):
            assert known in (None, size)
        assert symbolic.shape[0] is None
        assert symbolic.shape[-1] in (None, eager.shape[-1])
        assert symbolic.dtype == keras.backend.standardize_dtype(eager.dtype)

    fixed = case.call(
        layer,
        *(
            keras.KerasTensor(one.shape, dtype=str(one.dtype))
            for one in (target, source)
        ),
    )
    for symbolic, eager in zip(fixed, results, strict=True):
        if eager is not None:
            assert tuple(symbolic.shape) == tuple(eager.shape)
            assert symbolic.shape[0] == BATCH
