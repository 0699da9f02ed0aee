"""`AttentionCell`: one step of a recurrent decoder with attention."""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
from keras import ops

from keras_attention import recurrent_cells
from keras_attention.cell_checks import check_cell, check_dtypes
from keras_attention.cell_sizes import CellSizes
from keras_attention.memories import Memories
from keras_attention.past import from_tensors
from keras_attention.piece import PACKAGE
from keras_attention.registry import positive_integer
from keras_attention.serialization import deserialized, serialized


class Step(NamedTuple):
    """What came of one step.

    Attributes:
        joined: `[h_t; c_t]`, `(batch, joined_size)`.
        alignments: a list of `(batch, source_len)`, one an attention.
        notes: a list of `(batch, num_notes)`: of the attentions that note
            something, in training.
        states: the states, without the output fed back.
        pasts: a list of `Past`, one an attention.
    """

    joined: Any
    alignments: list
    notes: list
    states: list
    pasts: list


@keras.saving.register_keras_serializable(package=PACKAGE)
class AttentionCell(CellSizes, keras.layers.Layer):
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
            `[h_t; c_t]`; or `None`.
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
        training: whether dropout is on.
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
            layer, or a call without a memory.

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
        check_dtypes(self, [*self.cells, *self.attentions, self.output_layer])
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
        if isinstance(self.units, keras.layers.Layer):
            # Asked before it is built: feeding needs the width.
            self._attention_size = self.units.compute_output_shape(
                (inputs_shape[0], self.joined_size)
            )[-1]
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
            self.output_layer.build((inputs_shape[0], self.joined_size))
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

    def project_inputs(self, inputs):
        """Returns the part of the step that the inputs alone decide.

        Args:
            inputs: `(batch, dim)`, or `(batch, target_len, dim)` at once.
        """
        if self.cell_input_fn is not None:
            return inputs
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

    def step(self, projected, states, memories, training, noise=None):
        """Runs one step on inputs that `project_inputs` has been through.

        Args:
            projected: `(batch, dim)`.
            states: a list of tensors, all states.
            memories: what `memories` returned.
            training: whether dropout is on.
            noise: a list with what `draw` of each attention returned for this
                step, or `None`: drawn here.

        Returns:
            `(output, step)`, a `Step` whose `states` are all of them.
        """
        step = self.advance(projected, states, memories, training, noise)
        vector = self.finish(step.joined)
        fed = [vector] if self.input_feeding else []
        remembered = [one for past in step.pasts for one in past.tensors()]
        step = step._replace(states=[*step.states, *fed, *remembered])
        return self.output_of(step.joined, vector), step

    def advance(self, projected, states, memories, training, noise=None):
        """Runs one step up to `[h_t; c_t]`, of which `finish` makes the rest.

        Returns:
            A `Step`.
        """
        own, fed, pasts = self.split_states(states)
        looks = []
        looks_before = bool(self.attentions) and self.attend == "before"
        if looks_before:
            query = self._query(own)
            looks = self._look(query, memories, training, pasts, noise)
            fed = [*(ops.squeeze(one.context, 1) for one in looks), *fed]
        hidden, own = self.run_cells(projected, own, fed, training)
        if self.attentions and not looks_before:
            looks = self._look(hidden, memories, training, pasts, noise)
        contexts = [ops.squeeze(one.context, 1) for one in looks]
        return Step(
            join(hidden, contexts),
            [ops.squeeze(one.alignments, 1) for one in looks],
            [
                ops.squeeze(one.notes, 1)
                for one in looks
                if one.notes is not None
            ],
            own,
            [one.past for one in looks],
        )

    def run_cells(self, projected, states, fed=(), training=False):
        """Runs the wrapped cells. Returns `(hidden, states)`."""
        output = projected
        further = ops.concatenate(list(fed), axis=-1) if fed else None
        if self.cell_input_fn is not None:
            output = recurrent_cells.project_inputs(
                self.cells[0], self.cell_input_fn(projected, further)
            )
            further = None
        new_states = []
        for index, cell in enumerate(self.cells):
            number = len(recurrent_cells.state_sizes(cell))
            own, states = states[:number], states[number:]
            if index:
                output = recurrent_cells.project_inputs(cell, output)
                further = None
            output, own = recurrent_cells.step(
                cell, output, own, further, training
            )
            new_states.extend(own)
        return output, new_states

    def finish(self, joined):
        """Returns the attentional vector, of one step or of all at once.

        Args:
            joined: `[h_t; c_t]`, `(batch, dim)` or `(batch, target_len, dim)`.
        """
        if self.output_layer is None:
            return joined
        # Luong et al. (2015), eq. 5
        return self.output_layer(joined)

    def output_of(self, joined, vector=None):
        """Returns what the cell puts out: `vector`, or `h_t`."""
        if not self.output_attention:
            return joined[..., : self.hidden_size]
        return self.finish(joined) if vector is None else vector

    def look(self, hidden, memories, training=False, pasts=None, noise=None):
        """Attends with many queries at once, `(batch, target_len, dim)`.

        Returns:
            A list of `Look`, one for each attention.
        """
        number = len(self.attentions)
        return [
            attention.attend(
                hidden, value, keys, mask, training, past, noise_of
            )
            for attention, value, keys, mask, past, noise_of in zip(
                self.attentions,
                memories.values,
                memories.keys,
                memories.allowed,
                pasts or [None] * number,
                noise or [None] * number,
                strict=True,
            )
        ]

    def _look(self, query, memories, training, pasts, noise):
        if noise is not None:
            # A step's part: (batch, source_len).
            noise = [
                {name: ops.expand_dims(one, 1) for name, one in drawn.items()}
                for drawn in noise
            ]
        return self.look(
            ops.expand_dims(query, 1), memories, training, pasts, noise
        )

    def split_states(self, states):
        """Returns `(the cells' states, [what is fed back], [Past, ...])`."""
        states = list(states)
        number = len(self.cell_state_size)
        own, rest = states[:number], states[number:]
        fed = []
        if self.input_feeding:
            fed, rest = rest[:1], rest[1:]
        pasts = []
        for attention in self.attentions:
            number = len(attention.remembers)
            pasts.append(from_tensors(attention.remembers, rest[:number]))
            rest = rest[number:]
        return own, fed, pasts

    def _query(self, states):
        number = len(recurrent_cells.state_sizes(self.cells[-1]))
        return states[-number]

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


def join(hidden, contexts):
    """Returns `[h_t; c_t]`, or `h_t` where there is no context."""
    if not contexts:
        return hidden
    return ops.concatenate([hidden, *contexts], axis=-1)
