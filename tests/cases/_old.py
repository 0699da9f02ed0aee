"""One table of tiny cases; the conformance tests sweep all of them.

Every axis has a prime number of its own, so that a transposed or mixed-up
axis cannot pass. A new piece gets a line in one of the tables below; without
it `conformance/test_every_piece_has_a_case.py` fails.
"""

import dataclasses
import itertools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

import keras_attention as ka
from keras_attention.normalizers import NORMALIZERS
from keras_attention.scores import SCORES
from tests import reference
from tests.custom_cells import ElmanCell, NestedCell
from tests.tensors import numpy, randomize

BATCH, TARGET, SOURCE = 2, 3, 5
QUERY, MEMORY, UNITS = 7, 11, 13
HIDDEN, VECTOR = 17, 19
SOURCE_VOCABULARY, VOCABULARY = 29, 23


@dataclasses.dataclass(frozen=True)
class Case:
    """A layer to try.

    Attributes:
        name: shown by pytest.
        make: makes the layer anew, unbuilt.
        target_dim, source_dim: widths of what it is called on; `None`: token
            ids.
        has_alignments: whether it says where it looked.
        quick: in the sweeps of the quick set; the others are marked slow.
        representative: also part of the sweeps that compile.
    """

    name: str
    make: Callable[[], Any]
    target_dim: int | None = QUERY
    source_dim: int | None = MEMORY
    has_alignments: bool = True
    quick: bool = True
    representative: bool = False

    def data(self, seed=0, source_len=SOURCE, target_len=TARGET, batch=BATCH):
        """Returns `(target, source)`, floats or ids above the special ones."""
        rng = np.random.default_rng(seed)

        def draw(length, dim, vocabulary):
            if dim is None:
                shape = (batch, length)
                return rng.integers(4, vocabulary, shape).astype("int32")
            return rng.normal(size=(batch, length, dim)).astype("float32")

        return (
            draw(target_len, self.target_dim, VOCABULARY),
            draw(source_len, self.source_dim, SOURCE_VOCABULARY),
        )

    def call(self, layer, target, source, mask=None, **options):
        """Returns `(outputs, alignments or None)`."""
        raise NotImplementedError

    def built(self, seed=0):
        """Returns the layer, built and with random weights."""
        layer = self.make()
        self.call(layer, *self.data())
        return randomize(layer, seed)

    def functional(self, layer=None, with_mask=True):
        """Returns a functional model: `[target, source, mask] -> outputs`."""

        def make_input(dim, name):
            if dim is None:
                return keras.Input((None,), dtype="int32", name=name)
            return keras.Input((None, dim), name=name)

        target = make_input(self.target_dim, "target")
        source = make_input(self.source_dim, "source")
        mask = keras.Input((None,), dtype="bool", name="mask")
        outputs, alignments = self.call(
            self.make() if layer is None else layer,
            target,
            source,
            mask if with_mask else None,
        )
        return keras.Model(
            [target, source, mask] if with_mask else [target, source],
            [outputs, alignments] if self.has_alignments else [outputs],
        )


class AttentionCase(Case):
    def call(self, layer, target, source, mask=None, **options):
        return layer(
            [target, source],
            mask=None if mask is None else [None, mask],
            return_attention_scores=True,
            **options,
        )


class DecoderCase(Case):
    def call(self, layer, target, source, mask=None, **options):
        results = layer(target, memory=source, memory_mask=mask, **options)
        return results if self.has_alignments else (results, None)


class EncoderCase(Case):
    """Reads the source only; the memory is its output."""

    def call(self, layer, target, source, mask=None, **options):
        del target
        return layer(source, mask=mask, **options)[0], None


class ModelCase(Case):
    def call(self, layer, target, source, mask=None, **options):
        inputs = {"source": source, "target": target}
        if mask is not None:
            inputs["source_mask"] = mask
        results = layer(
            inputs, return_attention_scores=self.has_alignments, **options
        )
        return results if self.has_alignments else (results, None)


# The equations of scores and normalisers, from the weights of the layer.
REFERENCE_SCORES = {
    "additive": lambda score: reference.additive_score(
        numpy(score.query_kernel).T,
        numpy(score.key_kernel).T,
        numpy(score.scale),
        0.0 if score.bias is None else numpy(score.bias),
    ),
    "concat": lambda score: reference.concat_score(
        np.concatenate([numpy(score.query_kernel), numpy(score.key_kernel)]).T,
        numpy(score.scale),
    ),
    "dot": lambda score: reference.dot_score(),
    "general": lambda score: reference.general_score(numpy(score.kernel).T),
    "scaled_dot": lambda score: reference.scaled_dot_score(),
}
REFERENCE_NORMALIZERS = {
    "hardmax": reference.hardmax,
    "softmax": reference.softmax,
}
# Scores that compare query and key directly: equal widths.
EQUAL_WIDTHS = {"dot", "scaled_dot"}


def attention_case(name, make, score, **options):
    width = MEMORY if score in EQUAL_WIDTHS else QUERY
    return AttentionCase(name, make, target_dim=width, **options)


# Named layers: `(class, arguments, score, normalizer)`.
NAMED_ATTENTIONS = [
    (ka.AdditiveAttention, {"units": UNITS}, "additive", "softmax"),
    (ka.AdditiveAttention, {"use_bias": True}, "additive", "softmax"),
    (ka.LuongAttention, {"score": "dot"}, "dot", "softmax"),
    (ka.LuongAttention, {"score": "scaled_dot"}, "scaled_dot", "softmax"),
    (ka.LuongAttention, {"score": "general"}, "general", "softmax"),
    (
        ka.LuongAttention,
        {"score": "concat", "units": UNITS},
        "concat",
        "softmax",
    ),
    (ka.HardAttention, {"score": "dot"}, "dot", "hardmax"),
    (ka.HardAttention, {}, "additive", "hardmax"),
    # Every score with every normaliser.
    *(
        (
            ka.Attention,
            {"score": score, "normalizer": normalizer},
            score,
            normalizer,
        )
        for score in sorted(SCORES)
        for normalizer in sorted(NORMALIZERS)
    ),
]


def attention_name(layer_class, arguments):
    """A name for pytest: `Attention-score=dot-normalizer=softmax`."""
    parts = [f"{name}={value}" for name, value in arguments.items()]
    return "-".join([layer_class.__name__, *parts])


ATTENTIONS = [
    attention_case(
        attention_name(layer_class, arguments),
        lambda layer_class=layer_class, arguments=arguments: layer_class(
            **arguments
        ),
        score,
        quick=layer_class is not ka.Attention or normalizer == "hardmax",
        representative=layer_class is not ka.Attention
        and score in {"additive", "general"}
        and not arguments.get("use_bias"),
    )
    for layer_class, arguments, score, normalizer in NAMED_ATTENTIONS
]

CELL_ATTENTIONS = {
    "none": lambda: None,
    "additive": lambda: ka.AdditiveAttention(UNITS),
    "luong": lambda: ka.LuongAttention("general"),
    "hard": lambda: ka.HardAttention("general"),
}
CELLS = {
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
    def name(self):
        feeding = "feeding" if self.input_feeding else "plain"
        return (
            f"{self.cell}-{self.attention}-{self.attend}-{feeding}-{self.units}"
        )

    def make_cell(self):
        return ka.AttentionCell(
            CELLS[self.cell](),
            CELL_ATTENTIONS[self.attention](),
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
    # tried with one attention.
    if not (settings[1] == "none" and settings[2] == "after")
    and (settings[0] == "lstm" or settings[1] == "additive")
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
DECODER_CASES = [
    DecoderCase(
        decoder.name,
        decoder.make,
        has_alignments=decoder.attention != "none",
        quick=decoder.name in QUICK_DECODERS,
        representative=decoder.name in REPRESENTATIVE_DECODERS,
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
        quick=(cell == "gru") == (layers == 2) and bidirectional,
        representative=cell == "lstm" and bidirectional and layers == 1,
    )
    for cell, bidirectional, layers in itertools.product(
        ("gru", "lstm"), (False, True), (1, 2)
    )
]


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
    ModelCase("model-floats", make_float_model),
]

CASES = [*ATTENTIONS, *DECODER_CASES, *ENCODERS, *MODELS]
WITH_ALIGNMENTS = [case for case in CASES if case.has_alignments]
REPRESENTATIVE = [case for case in CASES if case.representative]


def sweep(selected):
    """Parameters for a sweep: those that are not quick are marked slow."""
    return [
        pytest.param(
            case, id=case.name, marks=[] if case.quick else [pytest.mark.slow]
        )
        for case in selected
    ]


def name_of(case):
    """For `pytest.mark.parametrize(..., ids=name_of)`."""
    return case.name
