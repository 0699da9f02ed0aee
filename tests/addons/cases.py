"""What is recorded of TensorFlow Addons: a table that JSON can hold.

Needs nothing but Python, so that tests can read it as well as `record.py`.
The target's length and the query's width are both 7; every other axis has a
prime number of its own.
"""

BATCH, SOURCE, TIME = 2, 5, 7
INPUT, QUERY, MEMORY, UNITS = 3, 7, 11, 13
ATTENTION, OTHER_ATTENTION, LOWER = 19, 23, 17
LENGTHS = (5, 3)  # of the memories: the second one is padded
MODES = ("parallel", "recursive", "hard")


def mechanism(name, **arguments):
    """Returns the class name of a mechanism and its arguments."""
    units = UNITS if name.startswith("Bahdanau") else QUERY
    return {"class": name, "arguments": {"units": units, **arguments}}


def monotonic(name, mode, **arguments):
    """Returns a monotonic mechanism without noise."""
    return mechanism(
        name, mode=mode, score_bias_init=-0.5, sigmoid_noise=0.0, **arguments
    )


def wrapper(cells, attention_mechanism, **arguments):
    """Returns the parts and the other arguments of an `AttentionWrapper`.

    Args:
        cells: list of `[class name, units]`; several are stacked.
        attention_mechanism: what `mechanism` returns, or a list of such.
        **arguments: as they are, but `attention_layer` holds the arguments of
            a `Dense` layer, and `cell_input_fn` what is concatenated, in this
            order.
    """
    return {
        "cells": cells,
        "attention_mechanism": attention_mechanism,
        "arguments": arguments,
    }


BAHDANAU = mechanism("BahdanauAttention")
NORMALIZED = mechanism("BahdanauAttention", normalize=True)
LUONG = mechanism("LuongAttention")
SCALED = mechanism("LuongAttention", scale=True)

# The modes of one monotonic mechanism get the same weights (see `shared`).
MECHANISMS = {
    "bahdanau": BAHDANAU,
    "bahdanau_normalized": NORMALIZED,
    "bahdanau_hardmax": mechanism(
        "BahdanauAttention", probability_fn="hardmax"
    ),
    "luong": LUONG,
    "luong_scaled": SCALED,
    "luong_hardmax": mechanism("LuongAttention", probability_fn="hardmax"),
}
for _mode in MODES:
    MECHANISMS |= {
        f"bahdanau_monotonic_{_mode}": monotonic(
            "BahdanauMonotonicAttention", _mode
        ),
        f"bahdanau_monotonic_normalized_{_mode}": monotonic(
            "BahdanauMonotonicAttention", _mode, normalize=True
        ),
        f"luong_monotonic_{_mode}": monotonic("LuongMonotonicAttention", _mode),
        f"luong_monotonic_scaled_{_mode}": monotonic(
            "LuongMonotonicAttention", _mode, scale=True
        ),
    }

LSTM, GRU = ["LSTMCell", QUERY], ["GRUCell", QUERY]
WRAPPERS = {
    "bahdanau": wrapper([LSTM], BAHDANAU, output_attention=False),
    "luong": wrapper([LSTM], SCALED, attention_layer_size=ATTENTION),
    "attention_layer": wrapper(
        [LSTM],
        LUONG,
        attention_layer={"units": ATTENTION, "activation": "tanh"},
    ),
    "cell_input_fn": wrapper(
        [LSTM], NORMALIZED, cell_input_fn=["attention", "inputs"]
    ),
    "two_mechanisms": wrapper(
        [LSTM],
        [BAHDANAU, LUONG],
        attention_layer_size=[ATTENTION, OTHER_ATTENTION],
    ),
    "two_contexts": wrapper([LSTM], [BAHDANAU, LUONG]),
    "gru": wrapper(
        [GRU], LUONG, attention_layer_size=ATTENTION, output_attention=False
    ),
    "stacked": wrapper(
        [["LSTMCell", LOWER], LSTM],
        LUONG,
        attention_layer_size=ATTENTION,
        alignment_history=True,
    ),
    "monotonic": wrapper(
        [LSTM],
        monotonic("BahdanauMonotonicAttention", "parallel", normalize=True),
        output_attention=False,
    ),
}


def shared(name):
    """Returns the name of a mechanism without its mode.

    >>> shared("luong_monotonic_hard")
    'luong_monotonic'
    """
    for mode in MODES:
        name = name.removesuffix(f"_{mode}")
    return name
