"""`Marginal`: every position, each with its own output."""

from __future__ import annotations

import keras

from keras_attention import functional
from keras_attention.normalizers.normalizer import PACKAGE, Normalizer


@keras.saving.register_keras_serializable(package=PACKAGE)
class Marginal(Normalizer):
    """Trains on the exact likelihood over all positions, and draws none.

    `p(y_t) = sum_s alpha_ts p(y_t | looking at s)` (Wu, Shapiro and Cotterell
    2018, exact marginalisation): nothing is sampled, so that its gradient has
    no variance. Each position has an output of its own, so that it needs the
    output layer: in training it works in an `EncoderDecoder` only, which
    computes the sum, see `keras_attention.marginal`. At inference the best
    position is taken.

    Args:
        **kwargs: as in `keras.layers.Layer` (`name`, `dtype`, ...).

    Raises:
        ValueError: in training, anywhere else.

    Example:

    >>> Marginal()(keras.ops.array([[[0.1, 0.7, 0.2]]])).numpy()
    array([[[0., 1., 0.]]], dtype=float32)
    """

    is_hard = True

    def call(self, scores, allowed=None, past=None, noise=None, training=False):
        del past, noise
        if training:
            raise ValueError(
                "The 'marginal' estimator weighs the outputs of all positions, "
                "and in training it needs the output layer: use it as the "
                "attention of the decoder of a keras_attention.EncoderDecoder. "
                "Elsewhere, take 'straight_through', 'gumbel' or 'reinforce'."
            )
        return functional.masked_hardmax(scores, allowed)
