"""How scores become alignments: one small class a normaliser.

To add one, write a class in a file of this folder and a line in
`NORMALIZERS`.
"""

from __future__ import annotations

from keras_attention.normalizers.gumbel import Gumbel
from keras_attention.normalizers.hardmax import Hardmax
from keras_attention.normalizers.marginal import Marginal
from keras_attention.normalizers.monotonic import Monotonic
from keras_attention.normalizers.normalizer import Normalizer
from keras_attention.normalizers.reinforce import Reinforce
from keras_attention.normalizers.softmax import Softmax
from keras_attention.normalizers.sparsemax import Sparsemax
from keras_attention.normalizers.straight_through import StraightThrough
from keras_attention.registry import get as _get

__all__ = [
    "NORMALIZERS",
    "Gumbel",
    "Hardmax",
    "Marginal",
    "Monotonic",
    "Normalizer",
    "Reinforce",
    "Softmax",
    "Sparsemax",
    "StraightThrough",
    "get",
]

NORMALIZERS = {
    "gumbel": Gumbel,
    "hardmax": Hardmax,
    "marginal": Marginal,
    "monotonic": Monotonic,
    "reinforce": Reinforce,
    "softmax": Softmax,
    "sparsemax": Sparsemax,
    "straight_through": StraightThrough,
}


def get(identifier):
    """Returns the `Normalizer` that a name, config or instance stands for.

    Example:

    >>> type(get("softmax")).__name__
    'Softmax'
    """
    return _get(identifier, NORMALIZERS, Normalizer, "normalizer")
