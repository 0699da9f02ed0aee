"""Two virtual CPU devices give the losses of one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.pipelines.events import read

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import contextlib, json, sys
import keras, numpy as np, tensorflow as tf
import keras_attention
import pipelines

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration()] * 2,
)
keras.utils.set_random_seed(1)
scope = contextlib.nullcontext()
if sys.argv[1] == "mirrored":
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    scope = strategy.scope()
numbers = np.random.default_rng(3)
source = numbers.integers(1, 17, (24, 5)).astype("int32")
target = numbers.integers(1, 13, (24, 3)).astype("int32")
labels = numbers.integers(1, 13, (24, 3)).astype("int32")
with scope:
    model = keras_attention.EncoderDecoder(
        encoder=keras_attention.RecurrentEncoder(11),
        decoder=keras_attention.AttentionRNN(
            keras_attention.AttentionCell(
                keras.layers.LSTMCell(7),
                keras_attention.AdditiveAttention(13),
            )
        ),
        source_embedding=keras.layers.Embedding(17, 7, mask_zero=True),
        target_embedding=keras.layers.Embedding(13, 7),
        output_layer=keras.layers.Dense(13),
    )
    model({"source": source[:2], "target": target[:2]})
    model.compile(
        keras.optimizers.SGD(0.5),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
dataset = tf.data.Dataset.from_tensor_slices(
    ({"source": source, "target": target}, labels)
).batch(8)
monitor = pipelines.AttentionMonitor(
    sys.argv[2], {"source": source[:2], "target": target[:2]}, every_steps=2
)
history = model.fit(
    dataset, epochs=4, shuffle=False, verbose=0, callbacks=[monitor]
)
replicas = 1
if sys.argv[1] == "mirrored":
    replicas = strategy.num_replicas_in_sync
print(json.dumps({"replicas": replicas, "losses": history.history["loss"]}))
"""


def losses(way, logs):
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, way, str(logs)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    return json.loads(ended.stdout.splitlines()[-1])


@pytest.mark.slow
def test_mirrored_devices_give_the_losses_of_one(tmp_path):
    one, two = (losses(way, tmp_path / way) for way in ("single", "mirrored"))
    assert (one["replicas"], two["replicas"]) == (1, 2)
    np.testing.assert_allclose(two["losses"], one["losses"], rtol=1e-5)
    assert one["losses"][-1] < 0.99 * one["losses"][0]
    # TensorBoard shows the same of both; only the gradient norm is missing.
    first, second = (
        read(tmp_path / way / "train") for way in ("single", "mirrored")
    )
    assert set(first) - set(second) == {"gradient_norm"}
    for tag in ("loss", "loss_by_step", "learning_rate"):
        steps, values = zip(*second[tag], strict=True)
        assert steps == tuple(step for step, _ in first[tag])
        np.testing.assert_allclose(
            values, [value for _, value in first[tag]], rtol=1e-5
        )
