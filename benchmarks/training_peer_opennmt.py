"""OpenNMT-tf's side of `training.py`, in an environment of its own.

Needs OpenNMT-tf 2.32 and tensorflow-cpu 2.13; see `training_worker.py`. Its
own model and trainer.
"""

import collections
import os
import tempfile
import warnings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ADDONS_PY_OPS", "1")

import numpy as np
import tensorflow as tf
import training_worker

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import opennmt
    import tensorflow_addons as tfa
    from opennmt import decoders, encoders, inputters, layers, models
    from opennmt.optimizers.utils import make_optimizer
    from opennmt.training import Trainer as OpenNMTTrainer
    from opennmt.training import TrainingStats


def make_model(sizes, score, folder):
    """The model, with vocabularies of the right sizes in a folder."""
    config = {}
    for side in ("source", "target"):
        path = os.path.join(folder, side)
        # One more is made for what is unknown.
        words = sizes[f"{side}_vocabulary"] - 4
        with open(path, "w", encoding="utf-8") as file:
            file.write("<blank>\n<s>\n</s>\n")
            file.writelines(f"w{one}\n" for one in range(words))
        config[f"{side}_vocabulary"] = path
    model = models.SequenceToSequence(
        inputters.WordEmbedder(embedding_size=sizes["embedding"]),
        inputters.WordEmbedder(embedding_size=sizes["embedding"]),
        encoders.LSTMEncoder(
            num_layers=1,
            num_units=sizes["encoder"],
            bidirectional=True,
            dropout=0.0,
        ),
        decoders.AttentionalRNNDecoder(
            num_layers=1,
            num_units=sizes["decoder"],
            bridge_class=layers.DenseBridge,
            attention_mechanism_class={
                "additive": tfa.seq2seq.BahdanauAttention,
                "general": tfa.seq2seq.LuongAttention,
            }[score],
            cell_class=tf.keras.layers.LSTMCell,
            dropout=0.0,
        ),
    )
    # Of each token, as the others' losses.
    model.initialize(config, params={"average_loss_in_time": True})
    return model


class Trainer:
    """OpenNMT-tf's trainer, whose data set gives what is asked for."""

    def __init__(self, batches, request):
        threads = request["threads"]
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
        tf.keras.utils.set_random_seed(0)
        self.batches = [
            (
                features(batch.source),
                {
                    **features(batch.decoder_inputs),
                    "ids_out": batch.labels.astype("int64"),
                },
            )
            for batch in batches
        ]
        with tempfile.TemporaryDirectory() as folder:
            model = make_model(request["sizes"], request["score"], folder)
        model.create_variables()
        optimizer = make_optimizer(
            "Adam", learning_rate=request["learning_rate"]
        )
        trainer = OpenNMTTrainer(model, optimizer)
        # As its loop over the steps does before the first one.
        trainer._training_stats = TrainingStats(model, optimizer)
        trainer._gradient_accumulator.reset()
        self.wanted = collections.deque()
        ids = tf.TensorSpec((None, None), tf.int64)
        source = {
            "ids": ids,
            "length": tf.TensorSpec((None,), tf.int32),
            "tokens": tf.TensorSpec((None, None), tf.string),
        }
        options = tf.data.Options()
        # Otherwise it reads ahead, before it is known what will be wanted.
        options.experimental_optimization.inject_prefetch = False
        self.steps = trainer._steps(
            tf.data.Dataset.from_generator(
                self._wanted_batches,
                output_signature=(source, {**source, "ids_out": ids}),
            ).with_options(options)
        )
        self.about = {
            "versions": {
                one.__name__: one.__version__ for one in (tf, tfa, opennmt)
            },
            "mode": "tf.function",
            "weights": int(
                sum(np.prod(one.shape) for one in model.trainable_variables)
            ),
        }

    def _wanted_batches(self):
        while True:
            yield self.batches[self.wanted.popleft()]

    def train(self, numbers):
        self.wanted.extend(numbers)
        return [next(self.steps) for _ in numbers]


def features(ids):
    return {
        "ids": ids.astype("int64"),
        "length": np.count_nonzero(ids, axis=1).astype("int32"),
        # Its statistics look at the strings of unknown tokens.
        "tokens": np.full(ids.shape, b"", "S1"),
    }


if __name__ == "__main__":
    training_worker.serve(Trainer)
