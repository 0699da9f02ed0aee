"""`AttentionRNN`: an `AttentionCell` over a whole target sequence."""

from __future__ import annotations

import contextlib

import keras
from keras import ops

from keras_attention import functional, recurrent_cells
from keras_attention.attention_cell import AttentionCell
from keras_attention.attention_inputs import agree
from keras_attention.cell_steps import join
from keras_attention.piece import PACKAGE
from keras_attention.private_keras import carried_mask
from keras_attention.serialization import serialized
from keras_attention.time_loop import is_in_place, time_loop


@keras.saving.register_keras_serializable(package=PACKAGE)
class AttentionRNN(keras.layers.Layer):
    """Runs an `AttentionCell` over the time axis of its inputs.

    What `keras.layers.RNN` is to a cell, with a memory to look at. The keys
    are projected once; whatever does not depend on the step before (the
    inputs' product, and, with `attend="after"` and no input feeding, the
    attention itself) is computed outside the loop, with the same result.

    Args:
        cell: an `AttentionCell`.
        return_sequences: return the outputs of all steps, not of the last
            one that is not masked.
        return_state: also return the states after the last step.
        return_attention_scores: also return the alignments.
        **kwargs: as in `keras.layers.Layer` (`name`, `dtype`, ...).

    Call arguments:
        inputs: `(batch, target_len, input_dim)`.
        memory: `(batch, source_len, memory_dim)`, the encoder's outputs, or
            a grid `(batch, height, width, channels)`; with several
            attentions also a list, one for each.
        initial_state: a list of tensors `(batch, width)` for the states, or
            for the wrapped cells' states only; zeros if left out.
        memory_mask: boolean `(batch, source_len)`; the mask that Keras
            carries with `memory` is found by itself.
        training: whether dropout is on.
        inputs_mask: boolean `(batch, target_len)`; the mask that Keras
            carries with `inputs` is found by itself.

    Returns:
        The outputs `(batch, target_len, output_dim)` (or `(batch,
        output_dim)`); then, where asked for, the alignments `(batch,
        target_len, source_len)` (over a grid `(batch, target_len, height,
        width)`; a list if the cell's `attention` is one), then the list of
        states.

    Masking:
        Masked memory is never looked at, whatever it holds. The mask that
        Keras carries with the inputs is passed on, but does not hold the
        states: targets are padded on the right, where nothing after them
        counts. So the states that `return_state` returns are those after the
        padding. A loss of the attention (coverage) leaves masked steps out.

    Raises:
        ValueError: if `cell` is not an `AttentionCell`, or on an initial
            state of the wrong length.

    Example:

    >>> layer = AttentionRNN(
    ...     keras_attention.AttentionCell(
    ...         keras.layers.LSTMCell(7), keras_attention.AdditiveAttention(13)
    ...     )
    ... )
    >>> layer(ops.ones((2, 3, 4)), memory=ops.ones((2, 5, 11))).shape
    TensorShape([2, 3, 18])
    """

    def __init__(
        self,
        cell,
        return_sequences=True,
        return_state=False,
        return_attention_scores=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if not isinstance(cell, AttentionCell):
            raise ValueError(
                "`cell` must be an AttentionCell: "
                "AttentionRNN(AttentionCell(keras.layers.LSTMCell(256), "
                f"AdditiveAttention(128))). Received: cell={cell!r}."
            )
        if return_attention_scores and cell.attention is None:
            raise ValueError(
                "`return_attention_scores` needs a cell with an attention. "
                "Received: AttentionCell(attention=None)."
            )
        self.cell = cell
        self.return_sequences = return_sequences
        self.return_state = return_state
        self.return_attention_scores = return_attention_scores
        self.supports_masking = True

    def build(self, inputs_shape, memory_shape=None):
        if self.cell.compute_dtype != self.compute_dtype:
            raise ValueError(
                f"{type(self).__name__} and its cell must compute in one "
                f"dtype. Received: {self.compute_dtype} and "
                f"{self.cell.compute_dtype}. Give both the same `dtype`, or "
                "call keras.config.set_dtype_policy first."
            )
        if not self.cell.built:
            self.cell.build((inputs_shape[0], inputs_shape[-1]), memory_shape)
        self.built = True

    def call(
        self,
        inputs,
        memory=None,
        initial_state=None,
        memory_mask=None,
        training=False,
        inputs_mask=None,
    ):
        if inputs_mask is None:
            # Keras fills it in only where there are further tensors.
            inputs_mask = carried_mask(inputs)
        outputs, alignments, states = self.run(
            inputs,
            memory,
            initial_state,
            memory_mask,
            training,
            self.return_attention_scores,
            inputs_mask,
        )
        if not self.return_sequences:
            outputs = functional.last_unmasked(outputs, inputs_mask)
        results = [outputs]
        if self.return_attention_scores:
            results.append(alignments)
        if self.return_state:
            results.append(states)
        return results[0] if len(results) == 1 else tuple(results)

    def run(
        self,
        inputs,
        memory=None,
        initial_state=None,
        memory_mask=None,
        training=False,
        return_attention_scores=False,
        inputs_mask=None,
    ):
        """Returns `(outputs, alignments or None, states)`; see `call`."""
        if len(inputs.shape) != 3:
            raise ValueError(
                f"{type(self).__name__} expects inputs of rank 3, (batch, "
                "target_len, input_dim). Received: inputs of shape "
                f"{tuple(inputs.shape)}. Ids go through a "
                "keras.layers.Embedding first."
            )
        # Keras leaves integers as they are.
        inputs = ops.cast(inputs, self.compute_dtype)
        if inputs_mask is not None:
            inputs_mask = ops.cast(inputs_mask, "bool")
        cell = self.cell
        memories = cell.memories(
            memory, [None] * len(cell.attentions), memory_mask
        ).zero_masked(cell)
        states = self.full_state(initial_state, ops.shape(inputs)[0], memory)
        projected = cell.project_inputs(inputs)
        batch, length = ops.shape(inputs)[0], ops.shape(inputs)[1]
        noise = [
            attention.draw((batch, length, source_len), training)
            for attention, source_len in zip(
                cell.attentions, memories.lengths, strict=True
            )
        ]
        with (
            recurrent_cells.dropout_masks(cell.cells, batch, training),
            self._kernel_for_loop(inputs.shape[-1]),
        ):
            if cell.needs_last_output:
                results = self._attend_in_loop(
                    projected,
                    states,
                    memories,
                    training,
                    noise,
                    return_attention_scores,
                )
            else:
                results = self._attend_after_loop(
                    projected, states, memories, training, noise
                )
        outputs, alignments, notes, states = results
        for attention, noted in zip(self._noting, notes, strict=False):
            attention.report(noted, inputs_mask)
        if not return_attention_scores:
            return outputs, None, states
        return outputs, cell.shown(alignments, memories), states

    def _kernel_for_loop(self, input_dim):
        if self.cell.cell_input_fn is not None or is_in_place():
            return contextlib.nullcontext()
        return recurrent_cells.kernel_for_loop(self.cell.cells[0], input_dim)

    def full_state(self, initial_state, batch_size, memory=None):
        """Returns a state for each of the cell's, first ones where missing.

        Args:
            initial_state: `None`, the states of the wrapped cells, or all; a
                single one may come without a list.
            batch_size: integer or scalar tensor.
            memory: the memory, see `AttentionCell.get_initial_state`.

        Raises:
            ValueError: if it is of another length, or of other widths.
        """
        if hasattr(initial_state, "shape"):
            initial_state = [initial_state]
        given = [] if initial_state is None else list(initial_state)
        wanted = self.cell.num_states
        if len(given) not in (0, len(self.cell.cell_state_size), wanted):
            raise ValueError(
                "`initial_state` must have "
                f"{len(self.cell.cell_state_size)} tensors, of widths "
                f"{self.cell.cell_state_size}, for the wrapped cells, or "
                f"{wanted} for all states. Received: {len(given)}."
            )
        first = self.cell.get_initial_state(batch_size, memory)
        for state, one in zip(given, first, strict=False):
            if not agree(state.shape[1:], one.shape[1:]):
                raise ValueError(
                    "`initial_state` must have tensors of widths "
                    f"{self.cell.cell_state_size} for the wrapped cells. "
                    f"Received: {[tuple(one.shape) for one in given]}. "
                    "A keras_attention.Bridge makes them of an encoder's "
                    "states."
                )
        return [
            ops.cast(state, one.dtype)
            for state, one in zip(given, first, strict=False)
        ] + first[len(given) :]

    def _attend_in_loop(
        self, projected, states, memories, training, noise, with_alignments
    ):
        cell = self.cell
        # What is not fed back is computed after the loop, at once.
        feeds = cell.input_feeding
        widths = [cell.output_size if feeds else cell.joined_size]
        if with_alignments:
            widths += memories.lengths
        if training:
            widths += [one.num_notes for one in self._noting]

        def step(step_inputs, states, noise):
            run = cell.step if feeds else self._advance
            outputs, done = run(step_inputs, states, memories, training, noise)
            alignments = done.alignments if with_alignments else []
            return [outputs, *alignments, *done.notes], done.states

        outputs, states = time_loop(
            step, projected, states, widths, noise, cell.weights
        )
        outputs, *rest = outputs
        alignments = None
        if with_alignments:
            alignments = rest[: len(cell.attentions)]
            rest = rest[len(cell.attentions) :]
        if not feeds:
            outputs = cell.output_of(outputs)
        return outputs, alignments, rest, states

    def _advance(self, *inputs):
        """As `AttentionCell.step`, but gives `[h_t; c_t]`."""
        step = self.cell.advance(*inputs)
        remembered = [one for past in step.pasts for one in past.tensors()]
        return step.joined, step._replace(states=[*step.states, *remembered])

    def _attend_after_loop(self, projected, states, memories, training, noise):
        def step(step_inputs, states):
            return self.cell.run_cells(step_inputs, states, training=training)

        own, _, pasts = self.cell.split_states(states)
        hidden, states = time_loop(
            step,
            projected,
            own,
            self.cell.hidden_size,
            variables=self.cell.weights,
        )
        looks = self.cell.look(hidden, memories, training, pasts, noise)
        joined = join(hidden, [one.context for one in looks])
        remembered = [one for look in looks for one in look.past.tensors()]
        return (
            self.cell.output_of(joined),
            [one.alignments for one in looks],
            [one.notes for one in looks if one.notes is not None],
            [*states, *remembered],
        )

    @property
    def _noting(self):
        """The attentions that note something in training."""
        return [one for one in self.cell.attentions if one.num_notes]

    def compute_mask(self, inputs, previous_mask=None):
        del inputs
        return previous_mask if self.return_sequences else None

    def get_config(self):
        return {
            **super().get_config(),
            "cell": serialized(self.cell),
            "return_sequences": self.return_sequences,
            "return_state": self.return_state,
            "return_attention_scores": self.return_attention_scores,
        }

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        config["cell"] = keras.saving.deserialize_keras_object(config["cell"])
        return cls(**config)
