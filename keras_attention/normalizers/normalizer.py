"""`Normalizer`: what every normaliser shares."""

from __future__ import annotations

from keras import ops

from keras_attention.piece import PACKAGE, Piece

__all__ = ["PACKAGE", "Normalizer"]


class Normalizer(Piece):
    """Base class: `alignments = normalizer(scores, allowed)`.

    A subclass overrides `call`; one that needs random numbers `draw` too.
    Weights are created in `build(scores_shape)`.

    Attributes:
        is_hard: whether alignments are one-hot at inference.

    Example: a normaliser of one's own, the same weight for all that is seen.

    >>> class Mean(Normalizer):
    ...     def call(
    ...         self, scores, allowed=None, past=None, noise=None,
    ...         training=False,
    ...     ):
    ...         seen = ops.ones_like(scores)
    ...         if allowed is not None:
    ...             seen = ops.where(allowed, seen, 0.0)
    ...         total = ops.sum(seen, axis=-1, keepdims=True)
    ...         return seen / ops.maximum(total, 1.0)
    >>> attention = keras_attention.Attention(normalizer=Mean())
    >>> attention([ops.ones((1, 2, 4)), ops.ones((1, 3, 4))]).shape
    TensorShape([1, 2, 4])
    """

    is_hard = False

    def __init__(self, **kwargs):
        # Noise stays in float32, whatever the scores are in.
        super().__init__(autocast=False, **kwargs)

    def build(self, scores_shape=None):
        del scores_shape
        self.built = True

    def draw(self, shape, training=False):
        """Returns the random numbers of a whole sequence, or `None`.

        Drawn once and outside every loop over time: there, JAX cannot advance
        a seed. Counters that advance from call to call do so here.

        Args:
            shape: `(batch, target_len, source_len)`.
            training: whether gradients are going to be taken.

        Returns:
            A tensor of that shape in float32, handed to `call` as `noise`, or
            `None`.
        """
        del shape, training
        return None

    def first_alignments(self, batch_size, source_len, dtype):
        """Returns what comes before the first step: `(batch, source_len)`."""
        return ops.zeros((batch_size, source_len), dtype=dtype)

    def call(self, scores, allowed=None, past=None, noise=None, training=False):
        """Returns alignments of the shape and dtype of `scores`.

        Args:
            scores: `(batch, target_len, source_len)`.
            allowed: boolean, broadcastable to `scores`; `True` = attend.
            past: the `Past`, if the normaliser remembers any of it.
            noise: what `draw` returned for these steps.
            training: whether gradients are going to be taken.
        """
        raise NotImplementedError(
            f"{type(self).__name__} must implement "
            "`call(scores, allowed, past, noise, training)`."
        )

    def compute_output_shape(self, scores_shape):
        return tuple(scores_shape)
