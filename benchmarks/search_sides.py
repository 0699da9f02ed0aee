"""Both sides of `search.py`: our functions, and the peer behind a pipe."""

from __future__ import annotations

import time
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
from pipe import Pipe

import keras_attention as ka
from keras_attention import search

END = 2
NEVER = -1.0e9  # of logits that must not be said
SPREAD = 10.0  # makes random weights prefer some tokens


class Sizes(NamedTuple):
    """Sizes of the model; the encoder's is that of each direction."""

    encoder: int = 256
    decoder: int = 512
    embedding: int = 256
    attention: int = 512
    source_vocabulary: int = 5921
    target_vocabulary: int = 7859


class Case(NamedTuple):
    """What is asked of both sides; beam 1 is greedy."""

    beam_size: int
    batch: int
    steps: int
    source_len: int
    length_penalty: float = 1.0

    @property
    def name(self):
        search = "greedy" if self.beam_size == 1 else f"beam {self.beam_size}"
        return f"{search}, batch {self.batch}"

    def source(self, vocabulary, seed=0):
        """Sentences of half to the whole length, zeros after them."""
        rng = np.random.default_rng(seed)
        shape = (self.batch, self.source_len)
        source = rng.integers(4, vocabulary, shape).astype("int32")
        for row in source[1:]:  # The first one is the longest.
            row[rng.integers(self.source_len // 2, self.source_len + 1) :] = 0
        return source


def make_model(sizes, seed=0):
    """An `EncoderDecoder` of random weights that never ends a sentence."""
    keras.utils.set_random_seed(seed)
    layers = keras.layers
    model = ka.EncoderDecoder(
        encoder=ka.RecurrentEncoder(sizes.encoder, cell="lstm"),
        decoder=ka.AttentionRNN(
            ka.AttentionCell(
                layers.LSTMCell(sizes.decoder),
                ka.AdditiveAttention(sizes.attention),
                attend="after",
                input_feeding=True,
                # Linear, as the peer's is.
                units=layers.Dense(sizes.attention, use_bias=False),
            )
        ),
        source_embedding=layers.Embedding(
            sizes.source_vocabulary, sizes.embedding, mask_zero=True
        ),
        target_embedding=layers.Embedding(
            sizes.target_vocabulary, sizes.embedding
        ),
        output_layer=layers.Dense(sizes.target_vocabulary),
    )
    ids = keras.ops.ones((1, 2), dtype="int32")
    model({"source": ids, "target": ids})
    for embedding in (model.source_embedding, model.target_embedding):
        embedding.embeddings.assign(SPREAD * embedding.embeddings)
    kernel, bias = model.output_layer.weights
    kernel.assign(SPREAD * kernel)
    silent = np.zeros(sizes.target_vocabulary, "float32")
    silent[[0, END]] = NEVER
    bias.assign(silent)
    return model


def weights_for_the_peer(model):
    """The weights as the peer's layers have them: names to arrays."""
    cell = model.decoder.cell
    score = cell.attention.score
    groups = {
        "source_embedding": model.source_embedding.get_weights(),
        "encoder": model.encoder.get_weights(),
        "bridge": model.bridge.get_weights(),
        "attention_layer": cell.units.get_weights(),
        "decoder": cell.cell.get_weights(),
        "attention": [
            one.numpy()
            for one in (score.scale, score.query_kernel, score.key_kernel)
        ],
        "output": model.output_layer.get_weights(),
    }
    named = {
        f"{name}/{index}": value
        for name, values in groups.items()
        for index, value in enumerate(values)
    }
    [named["target_embedding"]] = model.target_embedding.get_weights()
    return named


def our_function(model, case, source, jit_compile):
    """Returns a traced function without arguments: tokens `(batch, steps)`.

    With XLA the shape of the source is fixed, without it is free.
    """
    searcher = search.GreedySearch()
    if case.beam_size > 1:
        searcher = search.BeamSearch(case.beam_size, case.length_penalty)
    shape = source.shape if jit_compile else (None, None)

    @tf.function(
        input_signature=[tf.TensorSpec(shape, tf.int32)],
        jit_compile=jit_compile,
        autograph=False,
    )
    def translate(source):
        memory, states = model.encode(source)
        result = searcher(model.decode_step, states, memory, case.steps)
        return result.tokens, result.alignments

    source = tf.constant(source)

    def call():
        tokens, alignments = translate(source)
        alignments.numpy()
        return tokens.numpy()

    return call


class NoTokenizer:
    """Stands where an export wants a tokenizer: here ids come and go."""

    model = b"none"


def lite_rt_function(path, case, source, threads):
    """Returns a function of an exported file, as `our_function`."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path), num_threads=threads)
    name = "greedy" if case.beam_size == 1 else "beam"
    if name not in interpreter.get_signature_list():
        return None
    runner = interpreter.get_signature_runner(name)

    def call():
        tokens = runner(source=source)["tokens"]
        return tokens if case.beam_size == 1 else tokens[:, 0]

    return call


def export_lite_rt(model, path, case, quantize="none"):
    """Writes a LiteRT file whose answers are `case.steps` tokens long."""
    from export.litert import LiteRTExporter
    from export.settings import ExportSettings

    settings = ExportSettings(
        max_source_len=case.source_len,
        max_target_len=case.steps,
        max_length_factor=0.0,
        max_length_extra=case.steps,
        beam_size=case.beam_size,
        length_penalty=case.length_penalty,
        quantize=quantize,
    )
    LiteRTExporter().export(
        model,
        path,
        source_tokenizer=NoTokenizer(),
        target_tokenizer=NoTokenizer(),
        settings=settings,
    )


def seconds(function, calls):
    """How long some calls of ours take."""
    start = time.perf_counter()
    for _ in range(calls):
        function()
    return time.perf_counter() - start


class Peer(Pipe):
    """tensorflow-addons, in a process of another environment."""

    def __init__(self, python, threads):
        script = Path(__file__).with_name("search_peer.py")
        super().__init__("The peer", [python, str(script), str(threads)])

    def load(self, path, sizes):
        """Gives it the weights; returns the versions of what it runs."""
        return self.ask(weights=str(path), sizes=sizes._asdict())["versions"]

    def prepare(self, key, case, source, jit_compile):
        """Makes a function; returns its tokens."""
        answer = self.ask(
            prepare=key,
            source=source.tolist(),
            beam_size=case.beam_size,
            length_penalty=case.length_penalty,
            steps=case.steps,
            jit_compile=jit_compile,
        )
        return np.array(answer["tokens"])

    def seconds(self, key, calls):
        """How long some calls take, measured over there."""
        return self.ask(time=key, calls=calls)["seconds"]
