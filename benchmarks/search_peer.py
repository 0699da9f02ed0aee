"""The peer's side of `search.py`, in a process and an environment of its own.

Needs tensorflow-cpu 2.15 and tensorflow-addons 0.23, and nothing of this
project. `search.py` starts it and talks to it: one line of JSON in, one out.

    {"weights": PATH, "sizes": {...}}       -> {"versions": {...}}
    {"prepare": KEY, "source": [[...]], ...} -> {"tokens": [[...]]}
    {"time": KEY, "calls": n}               -> {"seconds": of n calls}
"""

import json
import os
import sys
import time
import warnings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Its operators in C++ need TensorFlow with CUDA; it falls back to those of
# TensorFlow by itself, but not without a warning.
os.environ.setdefault("TF_ADDONS_PY_OPS", "1")

import numpy as np
import tensorflow as tf

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the announcement of its end of life
    import tensorflow_addons as tfa

START, END = 1, 2


class Translator:
    """An LSTM encoder-decoder as tensorflow-addons has it."""

    def __init__(self, weights, sizes):
        self.sizes = sizes
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
        self.target_embedding = tf.Variable(weights["target_embedding"])
        self.attention = tfa.seq2seq.BahdanauAttention(sizes["attention"])
        self.cell = tfa.seq2seq.AttentionWrapper(
            layers.LSTMCell(sizes["decoder"]),
            self.attention,
            attention_layer_size=sizes["attention"],
        )
        self.output_layer = layers.Dense(sizes["target_vocabulary"])
        self._set_weights(weights)

    def _set_weights(self, weights):
        # Building first: one step of everything.
        source = tf.ones((1, 3), tf.int32)
        memory, states = self.encode(source)
        state = self.first_state(memory, tf.fill([1], 3), states)
        outputs, _ = self.cell(tf.zeros((1, self.sizes["embedding"])), state)
        self.output_layer(outputs)
        for name, layer in (
            ("source_embedding", self.source_embedding),
            ("encoder", self.encoder),
            ("bridge", self.bridge),
            ("attention_layer", self.cell._attention_layers[0]),
            ("decoder", self.cell._cell),
            ("attention", self.attention),
            ("output", self.output_layer),
        ):
            count = len(layer.get_weights())
            layer.set_weights(
                [weights[f"{name}/{index}"] for index in range(count)]
            )

    def encode(self, source):
        embedded = self.source_embedding(source)
        mask = self.source_embedding.compute_mask(source)
        memory, *states = self.encoder(embedded, mask=mask)
        joined = self.bridge(tf.concat(states, -1))
        # Keras's mask stays behind: the mechanism gets lengths.
        memory = tf.identity(memory)
        return memory, tf.split(joined, 2, axis=-1)

    def first_state(self, memory, lengths, states):
        self.attention([memory, lengths], setup_memory=True)
        state = self.cell.get_initial_state(
            batch_size=tf.shape(memory)[0], dtype=tf.float32
        )
        return state.clone(cell_state=states)

    def translate(self, source, beam_size, length_penalty, steps):
        memory, states = self.encode(source)
        lengths = tf.math.count_nonzero(source, 1, dtype=tf.int32)
        options = {
            "output_layer": self.output_layer,
            "maximum_iterations": steps,
        }
        if beam_size > 1:

            def tile(one):
                return tfa.seq2seq.tile_batch(one, multiplier=beam_size)

            memory, lengths = tile(memory), tile(lengths)
            states = [tile(one) for one in states]
            decoder = tfa.seq2seq.BeamSearchDecoder(
                self.cell,
                beam_width=beam_size,
                length_penalty_weight=length_penalty,
                **options,
            )
        else:
            decoder = tfa.seq2seq.BasicDecoder(
                self.cell, tfa.seq2seq.GreedyEmbeddingSampler(), **options
            )
        outputs, _, _ = decoder(
            self.target_embedding,
            start_tokens=tf.fill([tf.shape(source)[0]], START),
            end_token=END,
            initial_state=self.first_state(memory, lengths, states),
        )
        if beam_size > 1:
            return outputs.predicted_ids[:, :, 0]
        return outputs.sample_id


def prepare(translator, request):
    """Returns a traced function without arguments, and what it says."""
    source = tf.constant(np.array(request["source"], np.int32))

    @tf.function(
        input_signature=[
            tf.TensorSpec(source.shape, tf.int32)
            if request["jit_compile"]
            else tf.TensorSpec([None, None], tf.int32)
        ],
        jit_compile=request["jit_compile"],
        autograph=False,
    )
    def translate(source):
        return translator.translate(
            source,
            request["beam_size"],
            request["length_penalty"],
            request["steps"],
        )

    tokens = translate(source).numpy().tolist()
    return lambda: translate(source).numpy(), tokens


def main():
    # What libraries print must not get between the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    threads = int(sys.argv[1])
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    translator, functions = None, {}
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if "weights" in request:
                with np.load(request["weights"]) as weights:
                    translator = Translator(weights, request["sizes"])
                answer = {
                    "versions": {
                        one.__name__: one.__version__ for one in (tf, tfa)
                    }
                }
            elif "prepare" in request:
                function, tokens = prepare(translator, request)
                functions[request["prepare"]] = function
                answer = {"tokens": tokens}
            else:
                function = functions[request["time"]]
                start = time.perf_counter()
                for _ in range(request["calls"]):
                    function()
                answer = {"seconds": time.perf_counter() - start}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
