"""`Past`: what an attention remembers within one target sequence."""

from __future__ import annotations

from typing import Any, NamedTuple

from keras import ops


class Past(NamedTuple):
    """What the steps before left behind; fields nobody asks for are `None`.

    Attributes:
        alignments: `(batch, source_len)`, the alignments of the step before.
        accumulated: `(batch, source_len)`, the sum of all alignments so far,
            in at least float32.
        step: int32 `(batch,)`, the number of steps so far.
    """

    alignments: Any = None
    accumulated: Any = None
    step: Any = None

    def tensors(self):
        """Returns the fields that are kept, in order, as a list."""
        return [field for field in self if field is not None]

    def following(self, alignments):
        """Returns the past of the next step.

        Args:
            alignments: `(batch, target_len, source_len)`, of this call.
        """
        if alignments.shape[1] == 0:
            return self
        return Past(
            None if self.alignments is None else alignments[:, -1],
            None
            if self.accumulated is None
            else self.accumulated
            + ops.sum(ops.cast(alignments, self.accumulated.dtype), axis=1),
            None
            if self.step is None
            else self.step + ops.cast(ops.shape(alignments)[1], "int32"),
        )


FIELDS = Past._fields
# With these, a query needs the alignments of the query before it.
RECURRENT = ("alignments", "accumulated")


def from_tensors(fields, tensors):
    """Returns the `Past` whose `fields` are `tensors`, in their order.

    Example:

    >>> from_tensors(("step",), [ops.zeros((2,), "int32")]).alignments is None
    True
    """
    return Past(**dict(zip(fields, tensors, strict=True)))
