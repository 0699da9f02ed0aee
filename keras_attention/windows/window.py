"""`Window`: what every window shares."""

from __future__ import annotations

from keras_attention.piece import PACKAGE, Piece

__all__ = ["PACKAGE", "Window"]


class Window(Piece):
    """Base class: `mask, weights = window(query, source_len, allowed, past)`.

    A subclass creates its weights in `build(query_shape)` and overrides
    `call`.

    Example: a window of one's own, all positions but the first.

    >>> class NotTheFirst(Window):
    ...     def call(self, query, source_len, allowed=None, past=None):
    ...         mask = ops.greater(ops.arange(source_len), 0)[None, None]
    ...         if allowed is not None:
    ...             mask = ops.logical_and(mask, allowed)
    ...         return mask, None
    >>> attention = keras_attention.Attention(window=NotTheFirst())
    >>> _, alignments = attention(
    ...     [ops.ones((1, 1, 4)), ops.ones((1, 3, 4))],
    ...     return_attention_scores=True,
    ... )
    >>> alignments.numpy().tolist()
    [[[0.0, 0.5, 0.5]]]
    """

    def build(self, query_shape):
        del query_shape
        self.built = True

    def call(self, query, source_len, allowed=None, past=None):
        """Returns `(mask, weights)`.

        Args:
            query: `(batch, target_len, query_dim)`.
            source_len: integer or scalar int32 tensor.
            allowed: boolean, broadcastable to `(batch, target_len,
                source_len)`, or `None`: all may be seen.
            past: the `Past`, if the window remembers any of it.

        Returns:
            A mask that lets through no more than the given one (or `None`),
            and `weights` of the same rank, by which the alignments are
            multiplied after they have been normalised (or `None`).
        """
        raise NotImplementedError(
            f"{type(self).__name__} must implement "
            "`call(query, source_len, allowed, past)`."
        )
