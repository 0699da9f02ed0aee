"""`Score`: what every score shares."""

from __future__ import annotations

from keras_attention.piece import PACKAGE, Piece

__all__ = ["PACKAGE", "Score"]


class Score(Piece):
    """Base class: `scores = score(query, score.project_keys(key))`.

    A subclass creates its weights in `build(query_shape, keys_shape)`, where
    `keys_shape` is the shape of the keys before projection, and overrides
    `call`, and `project_keys` if the keys have a projection. One that
    `remembers` something is called with a third argument, the `Past`.

    Attributes:
        guards_padding: `False`: what stands in the padding of the keys is
            replaced by zeros first. `True` saves that copy: `project_keys`
            and `call` then take `padding_mask`, boolean `(batch,
            source_len)`, and see to it that nothing infinite in the padding
            reaches the gradient.

    Example: a score of one's own, the negative squared distance.

    >>> class Distance(Score):
    ...     def call(self, query, keys):
    ...         between = ops.expand_dims(query, 2) - ops.expand_dims(keys, 1)
    ...         return -ops.sum(ops.square(between), axis=-1)
    >>> attention = keras_attention.Attention(score=Distance())
    >>> attention([ops.ones((1, 2, 4)), ops.ones((1, 3, 4))]).shape
    TensorShape([1, 2, 4])
    """

    guards_padding = False

    def build(self, query_shape, keys_shape):
        del query_shape, keys_shape
        self.built = True

    def project_keys(self, key, padding_mask=None):
        """Returns the keys as `call` wants them: once per sequence.

        Args:
            key: `(batch, source_len, key_dim)`.
            padding_mask: given only to a score that `guards_padding`.

        Returns:
            `(batch, source_len, units)`.
        """
        del padding_mask
        return key

    def reach(self, source_len):
        """Returns where there are scores at all.

        Elsewhere there is nothing to see, whatever the mask says.

        Args:
            source_len: integer or scalar int32 tensor.

        Returns:
            Boolean, `(1, 1, source_len)`; `None`: everywhere.
        """
        del source_len
        return None

    def call(self, query, keys):
        """Returns scores `(batch, target_len, source_len)`.

        Args:
            query: `(batch, target_len, query_dim)`.
            keys: what `project_keys` returned.
        """
        raise NotImplementedError(
            f"{type(self).__name__} must implement `call(query, keys)`."
        )

    def compute_output_shape(self, query_shape, keys_shape):
        return (*query_shape[:-1], keys_shape[-2])
