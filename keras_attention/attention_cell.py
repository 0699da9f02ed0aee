"""`AttentionCell`: one step of a recurrent decoder with attention."""

from __future__ import annotations

import keras
from keras import ops

from keras_attention import recurrent_cells
from keras_attention.cell_checks import (
    check_cell,
    check_dtypes,
    check_effect,
    check_reward,
)
from keras_attention.cell_steps import CellSteps
from keras_attention.memories import Memories
from keras_attention.piece import PACKAGE
from keras_attention.registry import positive_integer
from keras_attention.serialization import deserialized, serialized


@keras.saving.register_keras_serializable(package=PACKAGE)
class AttentionCell(CellSteps, keras.layers.Layer):
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

    Several attentions look with the same query, each at a memory of its own
    or all at one; `c_t` is then `[c_1; c_2; ...]`.

    The hidden state of a stack is that of its last cell; of a cell with
    several states, the first.

    Args:
        cell: a Keras RNN cell, or a list of them, which is stacked.
        attention: an attention layer (`AdditiveAttention`, ...), a list of
            them, or `None` for a decoder that has only the fixed vector it
            starts from (Sutskever et al. 2014), whose output is `h_t`.
        attend: `"before"` or `"after"` the cell's step.
        input_feeding: whether the attentional vector of the step before is
            fed in.
        units: width of the attentional vector; or a layer that makes it from
            `[h_t; c_t]`, of one step `(batch, dim)` or of all `(batch,
            target_len, dim)` (see `keras_attention.attention_vectors`); or
            `None`.
        output_attention: whether the output is the attentional vector (or
            `[h_t; c_t]`); `False`: it is `h_t`.
        cell_input_fn: a serialisable function, or a layer, `(inputs, fed) ->
            cell inputs`, where `fed` holds what is known at the step only,
            `[c_t; output fed back]`; `None` concatenates the two.
        **kwargs: as in `keras.layers.Layer` (`name`, `dtype`, ...).

    Call arguments:
        inputs: `(batch, input_dim)`, the inputs of one step.
        states: a list of tensors, as `get_initial_state` returns them.
        memory: `(batch, source_len, memory_dim)`, the encoder's outputs, or
            a grid `(batch, height, width, channels)`; with several
            attentions also a list, one for each.
        keys: what `project_keys(memory)` returned; computed if left out,
            which at every step is a waste.
        memory_mask: boolean `(batch, source_len)`, `True` = attend; a list
            where `memory` is one.
        training: whether dropout is on. A single step adds no loss of an
            attention (coverage): an `AttentionRNN` does.
        return_attention_scores: also return the alignments.

    Returns:
        `(output, states)`, output `(batch, output_dim)`; with
        `return_attention_scores`, `((output, alignments), states)`,
        alignments `(batch, source_len)`, over a grid `(batch, height,
        width)`, a list if `attention` is one.

    Masking:
        Masked memory gets an alignment of exactly zero. What stands there
        must be finite: `AttentionRNN` and `EncoderDecoder` see to that.

    Raises:
        ValueError: on an unknown `attend`, a `units` that is neither a
            positive integer nor a layer, something that is no attention
            layer, arguments that would have no effect, a call without a
            memory, or one in training with an attention that learns from a
            reward.

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
        output_attention=True,
        cell_input_fn=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if isinstance(cell, (list, tuple)):
            cell = keras.layers.StackedRNNCells(list(cell))
        check_cell(cell, attention, attend, cell_input_fn)
        self.cell = cell
        if isinstance(attention, tuple):
            attention = list(attention)
        self.attention = attention
        self.attend = attend
        self.input_feeding = input_feeding
        if not isinstance(units, keras.layers.Layer):
            units = positive_integer("units", units, optional=True)
        check_effect(
            attention is not None and attend == "before",
            input_feeding,
            units,
            output_attention,
            cell_input_fn,
        )
        self.units = units
        self.output_attention = output_attention
        self.cell_input_fn = cell_input_fn
        self.output_layer = units
        if isinstance(units, int):
            self.output_layer = keras.layers.Dense(
                units,
                activation="tanh",
                use_bias=False,
                dtype=self.dtype_policy,
                name="attention_vector",
            )
        self._memory_dims = None
        self._attention_size = None

    def build(self, inputs_shape, memory_shape=None):
        check_dtypes(
            self,
            [
                *self.cells,
                *self.attentions,
                self.output_layer,
                self.cell_input_fn,
            ],
        )
        shapes = []
        if self.attentions:
            if memory_shape is None:
                raise ValueError(self.no_memory)
            shapes = self.memories(memory_shape, are_shapes=True).values
        for attention, shape in zip(self.attentions, shapes, strict=True):
            if not attention.built:
                attention.build(
                    [(inputs_shape[0], None, self.hidden_size), shape]
                )
        self._memory_dims = [shape[-1] for shape in shapes]
        joined_shape = (inputs_shape[0], self.joined_size)
        if isinstance(self.units, keras.layers.Layer):
            if not self.units.built:
                self.units.build(joined_shape)
            self._attention_size = self.units.compute_output_spec(
                keras.KerasTensor(joined_shape, self.compute_dtype)
            ).shape[-1]
        fed_dim = sum(self._memory_dims) if self.attend == "before" else 0
        if self.input_feeding:
            fed_dim += self.attention_size
        input_dim = inputs_shape[-1] + fed_dim
        if self.cell_input_fn is not None:
            input_dim = self.cell_input_fn(
                keras.KerasTensor((None, inputs_shape[-1]), self.compute_dtype),
                keras.KerasTensor((None, fed_dim), self.compute_dtype),
            ).shape[-1]
        for cell in self.cells:
            if not cell.built:
                cell.build((inputs_shape[0], input_dim))
                cell.built = True
            input_dim = recurrent_cells.output_dim(cell)
        if self.output_layer is not None and not self.output_layer.built:
            self.output_layer.build(joined_shape)
        self.built = True

    def memories(self, memory, keys=None, mask=None, are_shapes=False):
        """Returns the memories of all attentions, checked; see `Memories`."""
        return Memories.of(self, memory, keys, mask, are_shapes)

    def get_initial_state(self, batch_size=None, memory=None):
        """Returns the first states.

        Those of the wrapped cells, then zeros for what is fed back, then what
        the attentions remember.

        Args:
            batch_size: integer or scalar tensor.
            memory: the memory, for attentions that remember alignments, which
                are as long as it is.

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
            shape = (batch_size, self.attention_size)
            states.append(ops.zeros(shape, dtype=dtype))
        if any(one.is_recurrent for one in self.attentions) and memory is None:
            raise ValueError(
                "An attention that remembers its alignments has states as "
                "long as the memory. Call `get_initial_state(batch_size, "
                "memory=memory)`."
            )
        lengths = [0] * len(self.attentions)
        if memory is not None and self.attentions:
            # No keys: only the lengths are asked for.
            lengths = self.memories(memory, [None] * len(lengths)).lengths
        for attention, length in zip(self.attentions, lengths, strict=True):
            states += attention.first_past(batch_size, length).tensors()
        return states

    def project_keys(self, memory):
        """Returns the keys of a memory: once per sequence.

        With a list of attentions, a list.
        """
        if not self.attentions:
            return None
        keys = self.memories(memory).keys
        return keys if isinstance(self.attention, list) else keys[0]

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
        if training:
            check_reward(self.attentions)
        memories = self.memories(memory, keys, memory_mask)
        output, step = self.step(
            self.project_inputs(inputs), states, memories, training
        )
        if not return_attention_scores:
            return output, step.states
        return (output, self.shown(step.alignments, memories)), step.states

    def shown(self, alignments, memories):
        """Returns alignments as a caller sees them.

        Over grids as grids; `None` without attention; a list only if
        `attention` is one.
        """
        if not self.attentions:
            return None
        alignments = memories.unflatten(alignments)
        return alignments if isinstance(self.attention, list) else alignments[0]

    def get_config(self):
        return {
            **super().get_config(),
            "cell": serialized(self.cell),
            "attention": serialized(self.attention),
            "attend": self.attend,
            "input_feeding": self.input_feeding,
            "units": serialized(self.units),
            "output_attention": self.output_attention,
            "cell_input_fn": serialized(self.cell_input_fn),
        }

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        for name in ("cell", "attention", "units", "cell_input_fn"):
            config[name] = deserialized(config.get(name))
        return cls(**config)
