"""Tiny models with random weights, and tokenizers, to export in tests."""

import functools

import keras
import numpy as np

import keras_attention as ka
from export.settings import ExportSettings
from pipelines.text import SubwordTokenizer

SETTINGS = ExportSettings(
    max_source_len=13,
    max_target_len=11,
    max_length_factor=1.5,
    max_length_extra=2,
    beam_size=3,
    name="tiny",
    source_language="fr",
    target_language="en",
)
SENTENCES = [
    "le chat dort",
    "bonjour",
    "",
    "je ne sais pas ce que tu veux dire",
    "   ",
    "où est la gare ?",
    "le chien mange la pomme rouge du jardin",
    "\U0001f600 oui",
    "tu",
]

# What a decoder looks at, and how: one of each kind.
MODELS = {
    "lstm_additive_before": {
        "attention": lambda: ka.AdditiveAttention(11),
    },
    "gru_dot_after": {
        "cell": "gru",
        "attend": "after",
        "attention": lambda: ka.LuongAttention("dot"),
        "decoder_units": 14,  # the memory's width, for the dot product
        "units": 13,
        "input_feeding": True,
    },
    "stacked_general_after": {
        "num_layers": 2,
        "attend": "after",
        "attention": lambda: ka.LuongAttention("general"),
    },
    "hard_before": {"attention": lambda: ka.HardAttention()},
    # Those that remember their earlier steps.
    "location_sensitive_before": {
        "attention": lambda: ka.Attention("location_sensitive"),
    },
    "coverage_local_m_sparsemax_after": {
        "attend": "after",
        "attention": lambda: ka.Attention("coverage", "local_m", "sparsemax"),
    },
    "local_p_monotonic_before": {
        "attention": lambda: ka.Attention(
            "normalized_additive", "local_p", "monotonic"
        ),
    },
    "no_attention": {"attention": lambda: None},
}


@functools.cache
def _tokenizer_models() -> tuple[bytes, bytes]:
    target = ["the cat sleeps", "where is the station ?", "an apple", "hello"]
    return (
        SubwordTokenizer.train(SENTENCES, 61).model,
        SubwordTokenizer.train(target, 53).model,
    )


def tokenizers() -> tuple[SubwordTokenizer, SubwordTokenizer]:
    """A source and a target tokenizer, new ones at each call.

    Setting TensorFlow's seed destroys the resources of those made before.
    """
    source, target = _tokenizer_models()
    return SubwordTokenizer(source), SubwordTokenizer(target)


def model(
    attention,
    cell="lstm",
    attend="before",
    num_layers=1,
    decoder_units=17,
    units=None,
    input_feeding=False,
    vocabulary_sizes=None,
):
    """A built encoder-decoder, sure enough of its random choices."""
    keras.utils.set_random_seed(3)
    source, target = vocabulary_sizes or (
        one.vocabulary_size for one in tokenizers()
    )
    decoder_cell = {"lstm": keras.layers.LSTMCell, "gru": keras.layers.GRUCell}
    cells = [decoder_cell[cell](decoder_units) for _ in range(num_layers)]
    made = ka.EncoderDecoder(
        encoder=ka.RecurrentEncoder(7, cell=cell, num_layers=num_layers),
        decoder=ka.AttentionRNN(
            ka.AttentionCell(
                cells[0] if num_layers == 1 else cells,
                attention(),
                attend=attend,
                input_feeding=input_feeding,
                units=units,
            )
        ),
        source_embedding=keras.layers.Embedding(source, 5, mask_zero=True),
        target_embedding=keras.layers.Embedding(target, 5),
        output_layer=keras.layers.Dense(target),
    )
    ids = np.ones((2, 3), "int32")
    made({"source": ids, "target": ids})
    # Larger weights: answers that differ, without near ties.
    made.set_weights([4.0 * weight for weight in made.get_weights()])
    return made
