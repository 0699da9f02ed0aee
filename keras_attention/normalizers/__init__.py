"""How scores become alignments: one small class a normaliser.

To add one, write a class in a file of this folder and a line in
`NORMALIZERS`.
"""

from __future__ import annotations

from keras_attention.normalizers.hardmax import Hardmax
from keras_attention.normalizers.normalizer import Normalizer
from keras_attention.normalizers.softmax import Softmax
from keras_attention.registry import get as _get

__all__ = ["NORMALIZERS", "Hardmax", "Normalizer", "Softmax", "get"]

NORMALIZERS = {"hardmax": Hardmax, "softmax": Softmax}


def get(identifier):
    """Returns the `Normalizer` that a name, config or instance stands for.

    Example:

    >>> type(get("softmax")).__name__
    'Softmax'
    """
    return _get(identifier, NORMALIZERS, Normalizer, "normalizer")
