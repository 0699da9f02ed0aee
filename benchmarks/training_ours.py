"""Our side of `training.py`, as the pipelines train; see its worker."""

from __future__ import annotations

import functools
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import numpy as np
import tensorflow as tf
import training_worker
from training_reckoning import LARGE, STEP

import keras_attention as ka
from pipelines.data import transforms
from pipelines.training.losses import (
    Perplexity,
    SmoothedCrossentropy,
    TokenAccuracy,
)

layers = keras.layers


def make_model(sizes, score):
    """The model, built."""
    attention = {
        "additive": lambda: ka.AdditiveAttention(sizes["attention"]),
        "general": lambda: ka.LuongAttention("general"),
    }[score]()
    model = ka.EncoderDecoder(
        encoder=ka.RecurrentEncoder(sizes["encoder"], cell="lstm"),
        decoder=ka.AttentionRNN(
            ka.AttentionCell(
                layers.LSTMCell(sizes["decoder"]),
                attention,
                attend="after",
                input_feeding=True,
                units=sizes["attention"],
            )
        ),
        source_embedding=layers.Embedding(
            sizes["source_vocabulary"], sizes["embedding"], mask_zero=True
        ),
        target_embedding=layers.Embedding(
            sizes["target_vocabulary"], sizes["embedding"]
        ),
        output_layer=layers.Dense(sizes["target_vocabulary"]),
    )
    ids = keras.ops.ones((1, 2), dtype="int32")
    model({"source": ids, "target": ids})
    return model


class Trainer:
    """Plain `compile` and `fit`, with the pipelines' loss and metrics."""

    def __init__(self, batches, request):
        threads = request["threads"]
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
        keras.utils.set_random_seed(0)
        self.batches = [
            (
                {
                    "source": batch.source,
                    "target": batch.decoder_inputs.astype("int32"),
                },
                batch.labels,
                (batch.labels != training_worker.PAD).astype("float32"),
            )
            for batch in batches
        ]
        self.model = make_model(request["sizes"], request["score"])
        self.model.compile(
            keras.optimizers.Adam(request["learning_rate"]),
            SmoothedCrossentropy(),
            weighted_metrics=[
                Perplexity(),
                TokenAccuracy(),
            ],
            jit_compile=request.get("jit_compile", True),
        )
        rows = len(batches[0].source)
        ids = tf.TensorSpec((rows, None), tf.int32)
        self.signature = (
            {"source": ids, "target": ids},
            ids,
            tf.TensorSpec((rows, None), tf.float32),
        )
        self.about = {
            "versions": {
                "keras": keras.__version__,
                "tensorflow": tf.__version__,
            },
            "mode": "fit, XLA" if self.model.jit_compile else "fit",
            "weights": int(
                sum(np.prod(one.shape) for one in self.model.trainable_weights)
            ),
        }

    def train(self, numbers):
        data = tf.data.Dataset.from_generator(
            lambda: (self.batches[one] for one in numbers),
            output_signature=self.signature,
        )
        history = self.model.fit(
            data.apply(transforms.prefetch()), epochs=1, verbose=0
        )
        return history.history["loss"]

    def answer(self, request):
        """The rates of the machine."""
        return rates()


def rates():
    """What the machine reaches now.

    Returns:
        `{"large": operations a second of large products, "step": of those of
        a time step, "bytes": read or written a second}`.
    """
    found = {}
    for name, sizes in (("large", LARGE), ("step", STEP)):
        rows, inner, columns = sizes
        left, right = tf.ones((rows, inner)), tf.ones((inner, columns))
        calls = max(1, 10**10 // (2 * rows * inner * columns))
        product = functools.partial(tf.linalg.matmul, left, right)
        seconds = _best(product, calls)
        found[name] = 2 * rows * inner * columns / seconds
    data = tf.ones((2**25,))
    found["bytes"] = 8 * 2**25 / _best(lambda: data + 1.0, 2)
    return found


def _best(function, calls, tries=5):
    times = []
    for _ in range(tries):
        start = time.perf_counter()
        for _ in range(calls):
            result = function()
        result.numpy()
        times.append((time.perf_counter() - start) / calls)
    return min(times)


if __name__ == "__main__":
    training_worker.serve(Trainer, trim=False)
