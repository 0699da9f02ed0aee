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
from keras_attention.functional.locations import (
    coverage,
    coverage_loss,
    location_features,
)
from keras_attention.functional.masks import (
    both,
    causal_mask,
    last_unmasked,
    lowest,
    zero_masked,
)
from keras_attention.functional.monotonic import (
    expected_monotonic,
    hard_monotonic,
)
from keras_attention.functional.normalizing import (
    masked_hardmax,
    masked_softmax,
    straight_through,
)
from keras_attention.functional.padded import (
    padded_dot_scores,
    padded_project,
    padded_weighted_sum,
)
from keras_attention.functional.positions import (
    gaussian,
    near,
    predicted_positions,
    source_lengths,
    steps,
)
from keras_attention.functional.precision import widened
from keras_attention.functional.products import dot_scores, weighted_sum
from keras_attention.functional.projections import project, weight_normalized
from keras_attention.functional.recurrences import doubled, in_turn
from keras_attention.functional.sampling import (
    entropy_of_scores,
    gumbel_max,
    gumbel_noise,
    gumbel_softmax,
    log_probability,
    masked_log_softmax,
)
from keras_attention.functional.sparsemax import masked_sparsemax

__all__ = [
    "additive_scores",
    "both",
    "causal_mask",
    "coverage",
    "coverage_loss",
    "dot_scores",
    "doubled",
    "entropy_of_scores",
    "expected_monotonic",
    "flatten_grid",
    "gaussian",
    "gumbel_max",
    "gumbel_noise",
    "gumbel_softmax",
    "hard_monotonic",
    "in_turn",
    "location_features",
    "log_probability",
    "last_unmasked",
    "lowest",
    "masked_hardmax",
    "masked_log_softmax",
    "masked_softmax",
    "masked_sparsemax",
    "near",
    "padded_dot_scores",
    "padded_project",
    "padded_weighted_sum",
    "predicted_positions",
    "project",
    "source_lengths",
    "steps",
    "straight_through",
    "unflatten_grid",
    "weight_normalized",
    "weighted_sum",
    "widened",
    "zero_masked",
]
