"""tensorflow-addons' side of `training.py`, in an environment of its own.

Needs tensorflow-cpu 2.15 and tensorflow-addons 0.23; see
`training_worker.py`.
"""

import os
import warnings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Its operators in C++ need TensorFlow with CUDA; it falls back to those of
# TensorFlow by itself, but not without a warning.
os.environ.setdefault("TF_ADDONS_PY_OPS", "1")

import numpy as np
import tensorflow as tf
import training_worker

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the announcement of its end of life
    import tensorflow_addons as tfa


class Model(tf.keras.Model):
    """An LSTM encoder-decoder as tensorflow-addons has it."""

    def __init__(self, sizes, score):
        super().__init__()
        layers = tf.keras.layers
        self.source_embedding = layers.Embedding(
            sizes["source_vocabulary"], sizes["embedding"], mask_zero=True
        )
        self.encoder = layers.Bidirectional(
            layers.LSTM(
                sizes["encoder"], return_sequences=True, return_state=True
            )
        )
        self.bridge = layers.Dense(2 * sizes["decoder"], activation="tanh")
        self.target_embedding = layers.Embedding(
            sizes["target_vocabulary"], sizes["embedding"]
        )
        self.attention = {
            "additive": tfa.seq2seq.BahdanauAttention,
            "general": tfa.seq2seq.LuongAttention,
        }[score](sizes["attention"])
        self.cell = tfa.seq2seq.AttentionWrapper(
            layers.LSTMCell(sizes["decoder"]),
            self.attention,
            attention_layer=layers.Dense(
                sizes["attention"], activation="tanh", use_bias=False
            ),
        )
        # Without an output layer: that of all steps comes at once, after.
        self.decoder = tfa.seq2seq.BasicDecoder(
            self.cell, tfa.seq2seq.TrainingSampler()
        )
        self.output_layer = layers.Dense(sizes["target_vocabulary"])

    def call(self, inputs, longest=None):
        source, target = inputs
        embedded = self.source_embedding(source)
        mask = self.source_embedding.compute_mask(source)
        memory, *states = self.encoder(embedded, mask=mask)
        memory = tf.identity(memory)  # Keras's mask stays behind.
        joined = self.bridge(tf.concat(states, -1))
        lengths = tf.math.count_nonzero(source, 1, dtype=tf.int32)
        self.attention([memory, lengths], setup_memory=True)
        state = self.cell.get_initial_state(
            batch_size=tf.shape(source)[0], dtype=tf.float32
        ).clone(cell_state=tf.split(joined, 2, axis=-1))
        outputs, _, _ = self.decoder(
            self.target_embedding(target),
            initial_state=state,
            sequence_length=tf.math.count_nonzero(target, 1, dtype=tf.int32),
            training=True,
        )
        return self.output_layer(outputs.rnn_output)


class Trainer:
    """The training step of its users: a `tf.function`."""

    def __init__(self, batches, request):
        threads = request["threads"]
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
        tf.keras.utils.set_random_seed(0)
        self.batches = [
            tuple(
                tf.constant(one, tf.int32)
                for one in (batch.source, batch.decoder_inputs, batch.labels)
            )
            for batch in batches
        ]
        model = Model(request["sizes"], request["score"])
        # The old class: its step is one operator a weight, and faster here.
        optimizer = tf.keras.optimizers.legacy.Adam(request["learning_rate"])
        ids = tf.TensorSpec((None, None), tf.int32)

        @tf.function(input_signature=[ids, ids, ids])
        def step(source, target, labels):
            with tf.GradientTape() as tape:
                logits = model((source, target))
                weights = tf.cast(labels != training_worker.PAD, tf.float32)
                losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
                    labels, logits
                )
                loss = tf.reduce_sum(losses * weights) / tf.reduce_sum(weights)
            gradients = tape.gradient(loss, model.trainable_variables)
            optimizer.apply_gradients(
                zip(gradients, model.trainable_variables, strict=True)
            )
            return loss

        self.step = step
        model([one[:, :2] for one in self.batches[0][:2]])
        self.about = {
            "versions": {one.__name__: one.__version__ for one in (tf, tfa)},
            "mode": "tf.function",
            "weights": int(
                sum(np.prod(one.shape) for one in model.trainable_variables)
            ),
        }

    def train(self, numbers):
        return [float(self.step(*self.batches[one])) for one in numbers]


if __name__ == "__main__":
    training_worker.serve(Trainer)
