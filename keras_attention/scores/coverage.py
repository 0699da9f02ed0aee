"""`CoverageScore`: it knows what has been looked at so far."""

from __future__ import annotations

import math

import keras
from keras import ops

from keras_attention import functional
from keras_attention.registry import is_number
from keras_attention.scores.additive import AdditiveScore
from keras_attention.scores.score import PACKAGE


@keras.saving.register_keras_serializable(package=PACKAGE)
class CoverageScore(AdditiveScore):
    """`score_i = v . tanh(W_h key_i + W_s query + w_c c_i + b)`.

    The additive score, and the coverage `c`, the sum of the alignments of all
    steps before (See et al. 2017, eqs. 10-11; Tu et al. 2016): an attention
    that can avoid what it has seen, so that less is said twice and less left
    out. Queries are answered one after the other.

    With a `loss_weight`, looking at the same position again costs: the
    coverage loss `sum_i min(a_i, c_i)` of each step (eq. 12) is added to the
    model's loss, weighted as in eq. 13. The paper takes 1 and finds that
    coverage without its loss does not stop repetition.

    Args:
        units: width of the hidden layer; `None` takes the key's width.
        use_bias: adds the bias `b` inside the tanh.
        loss_weight: weight of the coverage loss, 0 for none.

    Weights: `query_kernel` `(query_dim, units)`, `key_kernel`
    `(key_dim, units)`, `coverage_vector` `(units,)`, `scale` `(units,)`, and
    `bias` `(units,)`.

    Example:

    >>> layer = keras_attention.Attention(score=CoverageScore(13))
    >>> layer([keras.ops.ones((2, 3, 7)), keras.ops.ones((2, 5, 11))]).shape
    TensorShape([2, 3, 11])
    """

    remembers = ("accumulated",)

    def __init__(self, units=None, use_bias=True, loss_weight=0.0, **kwargs):
        super().__init__(units, use_bias, **kwargs)
        self.loss_weight = _weight(loss_weight)
        self.num_notes = 1 if self.loss_weight else 0

    def build(self, query_shape, keys_shape):
        super().build(query_shape, keys_shape)
        (units,) = self.scale.shape
        self.coverage_vector = self.add_weight(
            name="coverage_vector", shape=(units,)
        )

    def call(self, query, keys, past):
        # See et al. (2017), eq. 11: (batch, source_len, 1) * (units,)
        covered = ops.expand_dims(past.accumulated, 2)
        covered = ops.cast(covered, self.compute_dtype) * self.coverage_vector
        # What is added inside the tanh may as well be part of the keys.
        return super().call(query, keys + covered)

    def notes(self, scores, allowed, past, alignments):
        del scores, allowed
        # The queries of one call are one: (batch, 1, source_len).
        covered = ops.expand_dims(past.accumulated, 1)
        return ops.expand_dims(functional.coverage_loss(alignments, covered), 2)

    def auxiliary_loss(self, notes, losses, weights):
        del losses
        # See et al. (2017), eq. 13
        return self.loss_weight * ops.sum(notes[..., 0] * weights)

    def get_config(self):
        return {**super().get_config(), "loss_weight": self.loss_weight}


def _weight(value):
    if not is_number(value) or not 0 <= value < math.inf:
        raise ValueError(
            "`loss_weight` must be a number, 0 (no coverage loss) or more. "
            f"Received: loss_weight={value!r}. See et al. (2017) take 1.0."
        )
    return float(value)
