"""`Piece`: what scores, windows and normalisers share."""

from __future__ import annotations

import keras
from keras import ops

PACKAGE = "keras_attention"


class Piece(keras.layers.Layer):
    """A part of an attention: a score, a window or a normaliser.

    Attributes:
        remembers: the fields of `keras_attention.past.Past` that the piece
            wants to see, a tuple of names. With `"alignments"` or
            `"accumulated"` among them, queries are answered one after the
            other.
        num_notes: how many numbers the piece notes at every step of the
            target in training, for `auxiliary_loss`.
        needs_reward: whether `auxiliary_loss` needs to know the model's
            losses, which a layer cannot see.
    """

    remembers: tuple[str, ...] = ()
    num_notes = 0
    needs_reward = False

    def notes(self, scores, allowed, past, alignments):
        """Returns the notes of this call, `(batch, target_len, num_notes)`.

        Args:
            scores: `(batch, target_len, source_len)`.
            allowed: boolean, broadcastable to `scores`, or `None`.
            past: the `Past` before this call.
            alignments: what became of the scores.
        """
        raise NotImplementedError(
            f"{type(self).__name__} must implement "
            "`notes(scores, allowed, past, alignments)`."
        )

    def auxiliary_loss(self, notes, losses, weights):
        """Returns a scalar to add to the model's loss.

        Args:
            notes: of all steps, `(batch, target_len, num_notes)`, float32.
            losses: the model's loss at every step, `(batch, target_len)`,
                float32; `None` where nobody knows (see `needs_reward`).
            weights: what each step's loss counts in the model's loss, so that
                this is `sum(losses * weights)`; `(batch, target_len)`.
        """
        raise NotImplementedError(
            f"{type(self).__name__} must implement "
            "`auxiliary_loss(notes, losses, weights)`."
        )

    def cast(self, weight):
        """Returns a weight in the dtype that the piece computes in."""
        return ops.cast(weight, self.compute_dtype)
