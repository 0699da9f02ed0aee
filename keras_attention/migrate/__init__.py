"""From tensorflow-addons: its trained attention, in layers of this package.

Functions that take the weights of a `tensorflow_addons.seq2seq` mechanism or
of an `AttentionWrapper`, as NumPy arrays, and give back layers that compute
the same. Neither TensorFlow nor tensorflow-addons is needed here.
`docs/migrating.md` shows the whole way, argument by argument.

Weights are a dictionary by the names that a TensorFlow checkpoint gives them
(`checkpoint_weights` reads one), or a list in the order of `get_weights()`.
"""

from keras_attention.migrate.checkpoint import checkpoint_weights
from keras_attention.migrate.mechanisms import (
    bahdanau_attention,
    bahdanau_monotonic_attention,
    luong_attention,
    luong_monotonic_attention,
)
from keras_attention.migrate.wrapper import attention_wrapper

__all__ = [
    "attention_wrapper",
    "bahdanau_attention",
    "bahdanau_monotonic_attention",
    "checkpoint_weights",
    "luong_attention",
    "luong_monotonic_attention",
]
