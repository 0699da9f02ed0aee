"""`Look`: what comes of looking at a memory."""

from __future__ import annotations

from typing import Any, NamedTuple

from keras_attention.past import Past


class Look(NamedTuple):
    """What came of looking at a memory.

    Attributes:
        context: `(batch, target_len, value_dim)`.
        alignments: `(batch, target_len, source_len)`.
        past: the `Past` of the step that follows.
        notes: `(batch, target_len, num_notes)` in training, or `None`.
    """

    context: Any
    alignments: Any
    past: Past
    notes: Any
