"""`Memories`: what the attentions of a decoder look at."""

from __future__ import annotations

from typing import NamedTuple

from keras import ops

from keras_attention import functional
from keras_attention.attention_inputs import agree, grid_of


class Memories(NamedTuple):
    """One entry for each attention; grids are flattened.

    Attributes:
        values: `(batch, source_len, memory_dim)` each; a grid is read row
            after row.
        keys: what `project_keys` returned, each.
        masks: boolean `(batch, source_len)` each, or `None`.
        grids: `(height, width)` each, or `None` for a sequence.
    """

    values: list
    keys: list
    masks: list
    grids: list

    @classmethod
    def of(cls, cell, memory, keys=None, mask=None, are_shapes=False):
        """Takes apart what a cell was called with.

        Args:
            cell: an `AttentionCell`.
            memory: a tensor, a list of tensors, one for each attention, or
                `None`.
            keys: the same for projected keys; `None`: projected here.
            mask: the same for masks.
            are_shapes: whether `memory` holds shapes; keys are left out.

        Raises:
            ValueError: if there is no memory for an attention, a list is of
                the wrong length, or a mask does not fit its memory.
        """
        number = len(cell.attentions)
        if not number:
            return cls([], [], [], [])
        if memory is None:
            raise ValueError(cell.no_memory)
        if are_shapes:
            several = isinstance(memory[0], (list, tuple))
            values = list(memory) if several else [memory] * number
            _check_length("memory", values, number)
            return cls(values, [], [], [])
        values = _each("memory", memory, number)
        masks = _each("memory_mask", mask, number)
        grids = [grid_of(value) for value in values]
        masks = [
            None if one is None else ops.cast(one, "bool") for one in masks
        ]
        for value, one in zip(values, masks, strict=True):
            check_memory_mask(value, one)
        values = [functional.flatten_grid(value, 1) for value in values]
        masks = [functional.flatten_grid(one, 0) for one in masks]
        if keys is None:
            keys = [
                attention.project_keys(value)
                for attention, value in zip(
                    cell.attentions, values, strict=True
                )
            ]
        return cls(values, _each("keys", keys, number), masks, grids)

    def zero_masked(self, cell):
        """Returns them with zeros where masked, and keys projected anew.

        What stands at masked positions may be infinite.
        """
        values = [
            functional.zero_masked(value, mask)
            for value, mask in zip(self.values, self.masks, strict=True)
        ]
        keys = [
            attention.project_keys(value)
            for attention, value in zip(cell.attentions, values, strict=True)
        ]
        return self._replace(values=values, keys=keys)

    @property
    def lengths(self):
        """The source length of each: integers or scalar tensors."""
        return [ops.shape(value)[1] for value in self.values]

    @property
    def allowed(self):
        """Where a query may look, each `(batch, 1, source_len)`, or `None`."""
        return [
            None if mask is None else ops.expand_dims(mask, 1)
            for mask in self.masks
        ]

    def unflatten(self, alignments):
        """Returns alignments `(..., source_len)`, those of grids as grids."""
        return [
            functional.unflatten_grid(one, grid)
            for one, grid in zip(alignments, self.grids, strict=True)
        ]


def _each(name, given, number):
    """Returns a list with an entry for each attention."""
    if not isinstance(given, (list, tuple)):
        return [given] * number
    _check_length(name, given, number)
    return list(given)


def check_memory_mask(value, mask):
    """Raises a ValueError if a mask does not fit the memory it is of."""
    if mask is not None and not agree(mask.shape, value.shape[:-1]):
        raise ValueError(
            "`memory_mask` must have the shape of the memory without its last "
            f"axis, {tuple(value.shape[:-1])}. Received: a mask of shape "
            f"{tuple(mask.shape)}. An encoder that shortens what it reads "
            "must shorten its mask, too, in `compute_mask`."
        )


def _check_length(name, given, number):
    if len(given) != number:
        raise ValueError(
            f"`{name}` must be one tensor for all attentions or a list of "
            f"{number}, one for each. Received: a list of {len(given)}."
        )
