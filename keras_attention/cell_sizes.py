"""`CellSizes`: what an `AttentionCell` consists of, and how wide it is."""

from __future__ import annotations

from keras_attention import recurrent_cells


class CellSizes:
    """The sizes of an `AttentionCell`, which it is mixed into."""

    @property
    def cells(self):
        """The wrapped cells, first to last."""
        return recurrent_cells.cells_of(self.cell)

    @property
    def attentions(self):
        """The attention layers, a list; empty without attention."""
        if self.attention is None:
            return []
        if isinstance(self.attention, list):
            return list(self.attention)
        return [self.attention]

    @property
    def needs_last_output(self):
        """Whether the cells' steps depend on attention or output so far."""
        attends_before = bool(self.attentions) and self.attend == "before"
        return attends_before or self.input_feeding

    @property
    def hidden_size(self):
        """Width of the hidden state `h_t`: that of the last cell's output."""
        return recurrent_cells.output_dim(self.cells[-1])

    @property
    def cell_state_size(self):
        """Widths of the wrapped cells' states: a flat list."""
        return [
            size
            for cell in self.cells
            for size in recurrent_cells.state_sizes(cell)
        ]

    @property
    def state_size(self):
        """Widths of the states: the cells', then of what is fed back.

        What attentions remember comes after them, as wide as the memory is
        long.
        """
        fed = [self.attention_size] if self.input_feeding else []
        return [*self.cell_state_size, *fed]

    @property
    def num_states(self):
        """How many states there are in all."""
        remembered = [len(one.remembers) for one in self.attentions]
        fed = 1 if self.input_feeding else 0
        return len(self.cell_state_size) + fed + sum(remembered)

    @property
    def output_size(self):
        """Width of the output; known once the cell is built."""
        if self.output_attention:
            return self.attention_size
        return self.hidden_size

    @property
    def attention_size(self):
        """Width of the attentional vector; known once the cell is built."""
        if isinstance(self.units, int):
            return self.units
        if self.units is None:
            return self.joined_size
        if self._attention_size is None:
            raise ValueError(
                "How wide a layer makes the attentional vector depends on "
                "the memory. Build the cell first, or give `units` as an "
                "integer."
            )
        return self._attention_size

    @property
    def joined_size(self):
        """Width of `[h_t; c_t]`; known once the cell is built."""
        if not self.attentions:
            return self.hidden_size
        if self._memory_dims is None:
            raise ValueError(
                "The width of [h_t; c_t] depends on the memory. Build the "
                "cell first, or give it `units`."
            )
        return self.hidden_size + sum(self._memory_dims)

    @property
    def no_memory(self):
        """What to say to a caller who gave no memory."""
        return (
            f"{type(self).__name__} attends to a memory. Call it with "
            "`memory=`, the encoder's outputs (batch, source_len, dim)."
        )
