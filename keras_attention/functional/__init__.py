"""The arithmetic of attention, as pure functions.

Everything numerical lives here: scores, masking, the softmax, the weighted
sum. Layers hold weights and call these functions; nothing else in the package
computes a softmax. Functions take and return tensors of the Keras backend in
use, batch first:

    query (batch, target_len, query_dim)    keys (batch, source_len, units)
    scores, alignments (batch, target_len, source_len)
    mask (batch, target_len or 1, source_len), boolean, `True` = attend

Deliberately absent: weights, randomness, state.
"""

from keras_attention.functional.additive import additive_scores
from keras_attention.functional.grids import flatten_grid, unflatten_grid
from keras_attention.functional.masks import (
    both,
    causal_mask,
    lowest,
    zero_masked,
)
from keras_attention.functional.normalizing import (
    masked_hardmax,
    masked_softmax,
    straight_through,
)
from keras_attention.functional.products import dot_scores, weighted_sum

__all__ = [
    "additive_scores",
    "both",
    "causal_mask",
    "dot_scores",
    "flatten_grid",
    "lowest",
    "masked_hardmax",
    "masked_softmax",
    "straight_through",
    "unflatten_grid",
    "weighted_sum",
    "zero_masked",
]
