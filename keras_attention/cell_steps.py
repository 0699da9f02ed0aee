"""`CellSteps`: how an `AttentionCell` steps."""

from __future__ import annotations

from typing import Any, NamedTuple

from keras import ops

from keras_attention import recurrent_cells
from keras_attention.cell_sizes import CellSizes
from keras_attention.past import from_tensors


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


class CellSteps(CellSizes):
    """The steps of an `AttentionCell`, which it is mixed into."""

    def project_inputs(self, inputs):
        """Returns the part of the step that the inputs alone decide.

        Args:
            inputs: `(batch, dim)`, or `(batch, target_len, dim)` at once. Of
                a single step nothing is taken out: `recurrent_cells.Whole`.
        """
        if self.cell_input_fn is not None:
            return inputs
        if len(inputs.shape) == 2:
            return recurrent_cells.Whole(inputs)
        return recurrent_cells.project_inputs(self.cells[0], inputs)

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
        vector = None
        if self.input_feeding or self.output_attention:
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


def join(hidden, contexts):
    """Returns `[h_t; c_t]`, or `h_t` where there is no context."""
    if not contexts:
        return hidden
    return ops.concatenate([hidden, *contexts], axis=-1)
