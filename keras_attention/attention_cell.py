"""`AttentionCell`: one step of a recurrent decoder with attention."""

from __future__ import annotations

import keras
from keras import ops

from keras_attention import recurrent_cells
from keras_attention.attention import PACKAGE, BaseAttention
from keras_attention.registry import positive_integer


@keras.saving.register_keras_serializable(package=PACKAGE)
class AttentionCell(keras.layers.Layer):
    """A recurrent cell that looks at a memory at every step.

    It wraps any Keras RNN cell, stacked cells too, and is the primitive of
    this package: training loops over it (`AttentionRNN`), search calls it,
    export writes it out.

    With `attend="before"` (Bahdanau et al. 2014, A.2.2) the query is the
    hidden state of the step before, and the context goes into the cell:

        c_t = attention(query=h_{t-1}, memory)
        h_t = cell([x_t; c_t], h_{t-1})

    With `attend="after"` (Luong et al. 2015, section 3) the query is the new
    hidden state, and the context meets it in the output:

        h_t = cell(x_t, h_{t-1})
        c_t = attention(query=h_t, memory)

    In both, the output is `[h_t; c_t]`, or, with `units`, the attentional
    vector `tanh(W_c [h_t; c_t])` (Luong et al. 2015, eq. 5). With
    `input_feeding` (Luong et al. 2015, section 3.3) the output of the step
    before is a further input of the cell.

    The hidden state of a stack is that of its last cell; of a cell with
    several states, the first.

    Args:
        cell: a Keras RNN cell, or a list of them, which is stacked.
        attention: an attention layer (`AdditiveAttention`, ...), or `None`
            for a decoder that has only the fixed vector it starts from
            (Sutskever et al. 2014), whose output is `h_t`.
        attend: `"before"` or `"after"` the cell's step.
        input_feeding: whether the output of the step before is fed in.
        units: width of the attentional vector, or `None`.
        **kwargs: as in `keras.layers.Layer` (`name`, `dtype`, ...).

    Call arguments:
        inputs: `(batch, input_dim)`, the inputs of one step.
        states: a list of tensors, as `get_initial_state` returns them.
        memory: `(batch, source_len, memory_dim)`, the encoder's outputs.
        keys: what `project_keys(memory)` returned; computed if left out,
            which at every step is a waste.
        memory_mask: boolean `(batch, source_len)`, `True` = attend.
        training: whether dropout is on.
        return_attention_scores: also return the alignments.

    Returns:
        `(output, states)`, output `(batch, output_dim)`; with
        `return_attention_scores`, `((output, alignments), states)`,
        alignments `(batch, source_len)`.

    Masking:
        Masked memory gets an alignment of exactly zero. What stands there
        must be finite: `AttentionRNN` and `EncoderDecoder` see to that.

    Raises:
        ValueError: on an unknown `attend`, a `units` that is not a positive
            integer, something that is no attention layer, or a call without
            a memory.

    Example:

    >>> cell = AttentionCell(
    ...     keras.layers.LSTMCell(7), keras_attention.AdditiveAttention(13)
    ... )
    >>> memory = ops.ones((2, 5, 11))
    >>> states = cell.get_initial_state(batch_size=2)
    >>> output, states = cell(ops.ones((2, 3)), states, memory=memory)
    >>> output.shape
    TensorShape([2, 18])
    """

    def __init__(
        self,
        cell,
        attention=None,
        attend="before",
        input_feeding=False,
        units=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if isinstance(cell, (list, tuple)):
            cell = keras.layers.StackedRNNCells(list(cell))
        if not hasattr(cell, "state_size"):
            raise ValueError(
                "`cell` must be a Keras RNN cell (it has a `state_size`), "
                f"such as keras.layers.LSTMCell(256). Received: cell={cell!r}."
            )
        if attention is not None and not isinstance(attention, BaseAttention):
            raise ValueError(
                "`attention` must be an attention layer of this package, such "
                "as keras_attention.AdditiveAttention(128), or None. "
                f"Received: attention={attention!r}."
            )
        if attend not in ("before", "after"):
            raise ValueError(
                "`attend` must be 'before' (Bahdanau) or 'after' (Luong) the "
                f"cell's step. Received: attend={attend!r}."
            )
        self.cell = cell
        self.attention = attention
        self.attend = attend
        self.input_feeding = input_feeding
        self.units = positive_integer("units", units, optional=True)
        self.output_layer = None
        if units is not None:
            self.output_layer = keras.layers.Dense(
                units,
                activation="tanh",
                use_bias=False,
                dtype=self.dtype_policy,
                name="attention_vector",
            )
        self._memory_dim = None

    @property
    def cells(self):
        """The wrapped cells, first to last."""
        return recurrent_cells.cells_of(self.cell)

    @property
    def needs_last_output(self):
        """Whether the cells' steps depend on attention or output so far."""
        attends_before = self.attention is not None and self.attend == "before"
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
        """Widths of all states: the cells', then the output fed back."""
        fed = [self.output_size] if self.input_feeding else []
        return [*self.cell_state_size, *fed]

    @property
    def output_size(self):
        """Width of the output; known once the cell is built."""
        if self.units is not None:
            return self.units
        return self.joined_size

    @property
    def joined_size(self):
        """Width of `[h_t; c_t]`; known once the cell is built."""
        if self.attention is None:
            return self.hidden_size
        if self._memory_dim is None:
            raise ValueError(
                "The width of [h_t; c_t] depends on the memory. Build the "
                "cell first, or give it `units`."
            )
        return self.hidden_size + self._memory_dim

    def build(self, inputs_shape, memory_shape=None):
        for part in (*self.cells, self.attention):
            dtype = getattr(part, "compute_dtype", self.compute_dtype)
            if dtype != self.compute_dtype:
                raise ValueError(
                    "A cell and all its parts must compute in one dtype. "
                    f"Received: {type(self).__name__} {self.compute_dtype}, "
                    f"{type(part).__name__} {dtype}. Give all of them the same "
                    "`dtype`, or call keras.config.set_dtype_policy first."
                )
        memory_dim = 0
        if self.attention is not None:
            if memory_shape is None:
                raise ValueError(self.no_memory)
            memory_dim = memory_shape[-1]
            if not self.attention.built:
                self.attention.build(
                    [(inputs_shape[0], None, self.hidden_size), memory_shape]
                )
        self._memory_dim = memory_dim
        input_dim = inputs_shape[-1]
        if self.attention is not None and self.attend == "before":
            input_dim += memory_dim
        if self.input_feeding:
            input_dim += self.output_size
        for cell in self.cells:
            if not cell.built:
                cell.build((inputs_shape[0], input_dim))
                cell.built = True
            input_dim = recurrent_cells.output_dim(cell)
        if self.output_layer is not None:
            self.output_layer.build((inputs_shape[0], input_dim + memory_dim))
        self.built = True

    def get_initial_state(self, batch_size=None):
        """Returns the cells' own first states, then zeros for the output.

        Args:
            batch_size: integer or scalar tensor.

        Returns:
            A list of tensors `(batch_size, width)`, one for each state.
        """
        dtype = self.compute_dtype
        states = [
            state
            for cell in self.cells
            for state in recurrent_cells.initial_states(cell, batch_size, dtype)
        ]
        if self.input_feeding:
            shape = (batch_size, self.output_size)
            states.append(ops.zeros(shape, dtype=dtype))
        return states

    def project_keys(self, memory):
        """Returns the keys of a memory: once per sequence."""
        if self.attention is None:
            return None
        return self.attention.project_keys(memory)

    def project_inputs(self, inputs):
        """Returns the part of the step that the inputs alone decide.

        Args:
            inputs: `(batch, dim)`, or `(batch, target_len, dim)` at once.
        """
        return recurrent_cells.project_inputs(self.cells[0], inputs)

    def call(
        self,
        inputs,
        states,
        memory=None,
        keys=None,
        memory_mask=None,
        training=False,
        return_attention_scores=False,
    ):
        if keys is None and memory is not None:
            keys = self.project_keys(memory)
        output, alignments, states = self.step(
            self.project_inputs(inputs),
            states,
            memory,
            keys,
            memory_mask,
            training,
        )
        if return_attention_scores:
            return (output, alignments), states
        return output, states

    def step(self, projected, states, memory, keys, memory_mask, training):
        """Runs one step on inputs that `project_inputs` has been through.

        Returns:
            `(output, alignments, states)`; alignments are `None` without
            attention.
        """
        joined, alignments, states = self.advance(
            projected, states, memory, keys, memory_mask, training
        )
        output = self.finish(joined)
        if self.input_feeding:
            states = [*states, output]
        return output, alignments, states

    def advance(self, projected, states, memory, keys, memory_mask, training):
        """Runs one step up to `[h_t; c_t]`, which `finish` makes the output.

        Returns:
            `([h_t; c_t], alignments, states)`, without the output fed back
            among the states.
        """
        if self.attention is not None and memory is None:
            raise ValueError(self.no_memory)
        states = list(states)
        fed = [states.pop()] if self.input_feeding else []
        context = alignments = None
        looks_before = self.attention is not None and self.attend == "before"
        if looks_before:
            context, alignments = self._look(
                self._query(states), memory, keys, memory_mask, training
            )
            fed = [context, *fed]
        hidden, states = self.run_cells(projected, states, fed, training)
        if self.attention is not None and not looks_before:
            context, alignments = self._look(
                hidden, memory, keys, memory_mask, training
            )
        return join(hidden, context), alignments, states

    def run_cells(self, projected, states, fed=(), training=False):
        """Runs the wrapped cells. Returns `(hidden, states)`."""
        output = projected
        further = list(fed)
        new_states = []
        for index, cell in enumerate(self.cells):
            number = len(recurrent_cells.state_sizes(cell))
            own, states = states[:number], states[number:]
            if index:
                output = recurrent_cells.project_inputs(cell, output)
                further = []
            output, own = recurrent_cells.step(
                cell,
                output,
                own,
                ops.concatenate(further, axis=-1) if further else None,
                training,
            )
            new_states.extend(own)
        return output, new_states

    def finish(self, joined):
        """Returns the output of `[h_t; c_t]`, of one step or of all at once.

        Args:
            joined: `(batch, dim)` or `(batch, target_len, dim)`.
        """
        if self.output_layer is None:
            return joined
        # Luong et al. (2015), eq. 5
        return self.output_layer(joined)

    def look(self, hidden, memory, keys, memory_mask, training=False):
        """Attends with many queries at once, `(batch, target_len, dim)`."""
        mask = None
        if memory_mask is not None:
            mask = ops.expand_dims(memory_mask, 1)
        return self.attention.attend(hidden, memory, keys, mask, training)

    def _look(self, query, memory, keys, memory_mask, training):
        context, alignments = self.look(
            ops.expand_dims(query, 1), memory, keys, memory_mask, training
        )
        return ops.squeeze(context, 1), ops.squeeze(alignments, 1)

    def _query(self, states):
        number = len(recurrent_cells.state_sizes(self.cells[-1]))
        return states[-number]

    @property
    def no_memory(self):
        """What to say to a caller who gave no memory."""
        return (
            f"{type(self).__name__} attends to a memory. Call it with "
            "`memory=`, the encoder's outputs (batch, source_len, dim)."
        )

    def get_config(self):
        attention = self.attention
        return {
            **super().get_config(),
            "cell": keras.saving.serialize_keras_object(self.cell),
            "attention": attention
            and keras.saving.serialize_keras_object(attention),
            "attend": self.attend,
            "input_feeding": self.input_feeding,
            "units": self.units,
        }

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        for name in ("cell", "attention"):
            config[name] = keras.saving.deserialize_keras_object(config[name])
        return cls(**config)


def join(hidden, context):
    """Returns `[h_t; c_t]`, or `h_t` where there is no context."""
    if context is None:
        return hidden
    return ops.concatenate([hidden, context], axis=-1)
