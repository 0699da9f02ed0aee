"""Whole models."""

import keras

import keras_attention as ka
from tests.cases.case import (
    HIDDEN,
    MEMORY,
    QUERY,
    SOURCE_VOCABULARY,
    UNITS,
    VECTOR,
    VOCABULARY,
    ModelCase,
)
from tests.cases.decoders import CELL_ATTENTIONS


def make_token_model(attention="additive", attend="before", **options):
    """A token model; `options` are those of the `AttentionCell`."""
    return ka.EncoderDecoder(
        encoder=ka.RecurrentEncoder(MEMORY),
        decoder=ka.AttentionRNN(
            ka.AttentionCell(
                keras.layers.LSTMCell(HIDDEN),
                CELL_ATTENTIONS[attention](),
                attend=attend,
                **options,
            )
        ),
        source_embedding=keras.layers.Embedding(
            SOURCE_VOCABULARY, QUERY, mask_zero=True
        ),
        target_embedding=keras.layers.Embedding(VOCABULARY, QUERY),
        output_layer=keras.layers.Dense(VOCABULARY),
    )


def make_tied_model():
    """One table for the target's embedding and the output."""
    return ka.EncoderDecoder(
        encoder=ka.RecurrentEncoder(MEMORY),
        decoder=ka.AttentionRNN(
            ka.AttentionCell(
                keras.layers.GRUCell(HIDDEN),
                ka.AdditiveAttention(UNITS),
                units=QUERY,
            )
        ),
        source_embedding=keras.layers.Embedding(
            SOURCE_VOCABULARY, QUERY, mask_zero=True
        ),
        target_embedding=keras.layers.Embedding(VOCABULARY, QUERY),
        output_layer="tied",
    )


def make_hearing_model():
    """In training, a decoder that hears nothing but its own words."""
    model = make_token_model()
    config = {**model.get_config(), "scheduled_sampling": 1.0}
    return ka.EncoderDecoder.from_config(config)


def make_float_model():
    """Floats in, floats out."""
    return ka.EncoderDecoder(
        encoder=ka.RecurrentEncoder(UNITS, cell="gru", bidirectional=False),
        decoder=ka.AttentionRNN(
            ka.AttentionCell(
                keras.layers.GRUCell(HIDDEN), ka.LuongAttention("general")
            )
        ),
        output_layer=keras.layers.Dense(QUERY),
    )


def token_case(
    name, has_alignments=True, quick=False, representative=False, **options
):
    return ModelCase(
        name,
        lambda: make_token_model(**options),
        target_dim=None,
        source_dim=None,
        has_alignments=has_alignments,
        quick=quick,
        representative=representative,
    )


MODELS = [
    token_case("model-bahdanau", quick=True, representative=True),
    token_case(
        "model-luong",
        attention="luong",
        attend="after",
        input_feeding=True,
        units=VECTOR,
    ),
    token_case("model-hard", attention="hard"),
    token_case("model-no-attention", attention="none", has_alignments=False),
    ModelCase("model-tied", make_tied_model, target_dim=None, source_dim=None),
    ModelCase(
        "model-hearing", make_hearing_model, target_dim=None, source_dim=None
    ),
    ModelCase("model-floats", make_float_model),
]
