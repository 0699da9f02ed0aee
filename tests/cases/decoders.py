"""Decoders and encoders."""

import dataclasses
import itertools

import keras

import keras_attention as ka
from tests.cases.case import (
    HIDDEN,
    QUERY,
    UNITS,
    DecoderCase,
    EncoderCase,
)
from tests.custom_cells import ElmanCell, NestedCell

CELL_ATTENTIONS = {
    "none": lambda: None,
    "additive": lambda: ka.AdditiveAttention(UNITS),
    "luong": lambda: ka.LuongAttention("general"),
    "hard": lambda: ka.HardAttention(score="general"),
}
# Tried with an LSTM only, before and after it: `(attention, what is not as
# usual with its case)`.
FURTHER_ATTENTIONS = {
    "causal": (lambda: ka.Attention("general", window="causal"), {}),
    "coverage": (lambda: ka.Attention("coverage"), {}),
    "gumbel": (
        lambda: ka.HardAttention("gumbel", score="general"),
        {"jumps": True},
    ),
    "location_sensitive": (lambda: ka.Attention("location_sensitive"), {}),
    "reinforce": (
        lambda: ka.HardAttention("reinforce", score="general"),
        {"jumps": True, "needs_reward": True},
    ),
    "local_p": (
        lambda: ka.LuongAttention("general", window="local_p"),
        {"sums_to_one": False},
    ),
    "monotonic": (
        lambda: ka.Attention("additive", normalizer="monotonic"),
        {"sums_to_one": False},
    ),
}
CELLS = {
    "layer_norm_gru": lambda: ka.LayerNormGRUCell(HIDDEN),
    "layer_norm_lstm": lambda: ka.LayerNormLSTMCell(HIDDEN),
    "lstm": lambda: keras.layers.LSTMCell(HIDDEN),
    "gru": lambda: keras.layers.GRUCell(HIDDEN),
    "stack": lambda: [
        keras.layers.LSTMCell(QUERY),
        keras.layers.GRUCell(HIDDEN),
    ],
    "elman": lambda: ElmanCell(HIDDEN),
    "nested": lambda: NestedCell(HIDDEN),
}


@dataclasses.dataclass(frozen=True)
class Decoder:
    """What an `AttentionCell` is made of."""

    cell: str
    attention: str
    attend: str
    input_feeding: bool
    units: int | None

    @property
    def further(self):
        """What is not as usual with the case."""
        return FURTHER_ATTENTIONS.get(self.attention, (None, {}))[1]

    def make_attention(self):
        if self.attention in FURTHER_ATTENTIONS:
            return FURTHER_ATTENTIONS[self.attention][0]()
        return CELL_ATTENTIONS[self.attention]()

    @property
    def name(self):
        feeding = "feeding" if self.input_feeding else "plain"
        return (
            f"{self.cell}-{self.attention}-{self.attend}-{feeding}-{self.units}"
        )

    def make_cell(self):
        return ka.AttentionCell(
            CELLS[self.cell](),
            self.make_attention(),
            attend=self.attend,
            input_feeding=self.input_feeding,
            units=self.units,
        )

    def make(self, **options):
        return ka.AttentionRNN(
            self.make_cell(),
            return_attention_scores=self.attention != "none",
            **options,
        )


DECODERS = [
    Decoder(*settings)
    for settings in itertools.product(
        CELLS, CELL_ATTENTIONS, ("before", "after"), (False, True), (None, 19)
    )
    # Without attention there is no before and after. The other cells are
    # tried with one attention, those with layer normalisation in two ways.
    if not (settings[1] == "none" and settings[2] == "after")
    and (settings[0] == "lstm" or settings[1] == "additive")
    and (
        "layer_norm" not in settings[0]
        or settings[2:] in (("before", False, None), ("after", True, 19))
    )
] + [
    Decoder("lstm", attention, attend, feeding, units)
    for attention in FURTHER_ATTENTIONS
    for attend, feeding, units in (
        ("before", False, None),
        ("after", False, None),
        ("after", True, 19),
    )
]
REPRESENTATIVE_DECODERS = {
    "lstm-additive-before-plain-None",
    "lstm-luong-after-plain-19",
    "stack-additive-before-feeding-19",
}
QUICK_DECODERS = REPRESENTATIVE_DECODERS | {
    "lstm-luong-after-feeding-19",
    "elman-additive-after-feeding-None",
    "gru-additive-before-plain-19",
    "lstm-hard-before-plain-None",
    "lstm-none-before-feeding-None",
    "nested-additive-before-plain-None",
}
# XLA takes long: one place each. The equations are tested in both.
COMPILED = {
    f"lstm-{attention}-{('before', 'after')[number % 2]}-plain-None"
    for number, attention in enumerate(FURTHER_ATTENTIONS)
} | QUICK_DECODERS
DECODER_CASES = [
    DecoderCase(
        decoder.name,
        decoder.make,
        has_alignments=decoder.attention != "none",
        representative=decoder.name in REPRESENTATIVE_DECODERS,
        **{
            "quick": decoder.name in QUICK_DECODERS,
            "compiled": decoder.name in COMPILED,
            "jumps": decoder.attention == "hard",
            **decoder.further,
        },
    )
    for decoder in DECODERS
]

ENCODERS = [
    EncoderCase(
        f"encoder-{cell}-{'both' if bidirectional else 'forward'}-{layers}",
        lambda cell=cell, bidirectional=bidirectional, layers=layers: (
            ka.RecurrentEncoder(
                UNITS,
                cell=cell,
                bidirectional=bidirectional,
                num_layers=layers,
            )
        ),
        has_alignments=False,
        quick=cell.endswith("gru") == (layers == 2)
        and (bidirectional or "norm" in cell),
        representative=cell == "lstm" and bidirectional and layers == 1,
        compiled=bidirectional == (layers == 2),
    )
    for cell, bidirectional, layers in (
        *itertools.product(("gru", "lstm"), (False, True), (1, 2)),
        ("layer_norm_gru", True, 2),
        ("layer_norm_lstm", False, 1),
    )
]
