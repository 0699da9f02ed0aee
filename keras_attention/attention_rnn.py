"""`AttentionRNN`: an `AttentionCell` over a whole target sequence."""

from __future__ import annotations

import keras
from keras import ops

from keras_attention import functional, recurrent_cells
from keras_attention.attention import PACKAGE
from keras_attention.attention_cell import AttentionCell, join
from keras_attention.time_loop import time_loop


@keras.saving.register_keras_serializable(package=PACKAGE)
class AttentionRNN(keras.layers.Layer):
    """Runs an `AttentionCell` over the time axis of its inputs.

    What `keras.layers.RNN` is to a cell, with a memory to look at. The keys
    are projected once; whatever does not depend on the step before (the
    inputs' product, and, with `attend="after"` and no input feeding, the
    attention itself) is computed outside the loop, with the same result.

    Args:
        cell: an `AttentionCell`.
        return_sequences: return the outputs of all steps, not of the last.
        return_state: also return the states after the last step.
        return_attention_scores: also return the alignments.
        **kwargs: as in `keras.layers.Layer` (`name`, `dtype`, ...).

    Call arguments:
        inputs: `(batch, target_len, input_dim)`.
        memory: `(batch, source_len, memory_dim)`, the encoder's outputs.
        initial_state: a list of tensors `(batch, width)` for the states, or
            for the wrapped cells' states only; zeros if left out.
        memory_mask: boolean `(batch, source_len)`; the mask that Keras
            carries with `memory` is found by itself.
        training: whether dropout is on.

    Returns:
        The outputs `(batch, target_len, output_dim)` (or `(batch,
        output_dim)`); then, where asked for, the alignments `(batch,
        target_len, source_len)`, then the list of states.

    Masking:
        Masked memory is never looked at, whatever it holds. A mask of the
        inputs is passed on, but does not hold the states: targets are padded
        on the right, where nothing after them counts.

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
    ):
        outputs, alignments, states = self.run(
            inputs,
            memory,
            initial_state,
            memory_mask,
            training,
            self.return_attention_scores,
        )
        if not self.return_sequences:
            outputs = outputs[:, -1]
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
    ):
        """Returns `(outputs, alignments or None, states)`; see `call`."""
        if memory_mask is not None:
            memory_mask = ops.cast(memory_mask, "bool")
        keys = None
        if memory is None and self.cell.attention is not None:
            raise ValueError(self.cell.no_memory)
        if memory is not None:
            memory = functional.zero_masked(memory, memory_mask)
            keys = self.cell.project_keys(memory)
        states = self.full_state(initial_state, ops.shape(inputs)[0])
        projected = self.cell.project_inputs(inputs)
        with recurrent_cells.dropout_masks(
            self.cell.cells, ops.shape(inputs)[0], training
        ):
            if self.cell.needs_last_output:
                return self._attend_in_loop(
                    projected,
                    states,
                    (memory, keys, memory_mask, training),
                    return_attention_scores,
                )
            return self._attend_after_loop(
                projected, states, memory, keys, memory_mask, training
            )

    def full_state(self, initial_state, batch_size):
        """Returns a state for each of the cell's: zeros for those missing.

        Args:
            initial_state: `None`, the states of the wrapped cells, or all.
            batch_size: integer or scalar tensor.

        Raises:
            ValueError: if it is of another length.
        """
        given = [] if initial_state is None else list(initial_state)
        wanted = len(self.cell.state_size)
        if len(given) not in (0, len(self.cell.cell_state_size), wanted):
            raise ValueError(
                f"`initial_state` must have {wanted} tensors, of widths "
                f"{self.cell.state_size}. Received: {len(given)}."
            )
        zeros = self.cell.get_initial_state(batch_size)
        given = [ops.cast(state, self.compute_dtype) for state in given]
        return given + zeros[len(given) :]

    def _attend_in_loop(self, projected, states, memory, with_alignments):
        feeds = self.cell.input_feeding
        width = self.cell.output_size if feeds else self.cell.joined_size

        def step(step_inputs, states):
            # What is not fed back is computed after the loop, at once.
            run = self.cell.step if feeds else self.cell.advance
            outputs, alignments, states = run(step_inputs, states, *memory)
            if with_alignments:
                # One tensor a step: beside the output, split after the loop.
                outputs = ops.concatenate([outputs, alignments], axis=-1)
            return outputs, states

        full_width = width
        if with_alignments:
            full_width = width + ops.shape(memory[0])[1]
        outputs, states = time_loop(step, projected, states, full_width)
        alignments = None
        if with_alignments:
            alignments = outputs[..., width:]
            batch, length = ops.shape(projected)[:2]
            # Where the source's length is unknown, so is the width of both
            # together, and the slice forgets its own.
            outputs = ops.reshape(outputs[..., :width], (batch, length, width))
        if not feeds:
            outputs = self.cell.finish(outputs)
        return outputs, alignments, states

    def _attend_after_loop(
        self, projected, states, memory, keys, memory_mask, training
    ):
        def step(step_inputs, states):
            return self.cell.run_cells(step_inputs, states, training=training)

        hidden, states = time_loop(
            step, projected, states, self.cell.hidden_size
        )
        context = alignments = None
        if self.cell.attention is not None:
            context, alignments = self.cell.look(
                hidden, memory, keys, memory_mask, training
            )
        return self.cell.finish(join(hidden, context)), alignments, states

    def compute_mask(self, inputs, previous_mask=None):
        del inputs
        return previous_mask if self.return_sequences else None

    def get_config(self):
        return {
            **super().get_config(),
            "cell": keras.saving.serialize_keras_object(self.cell),
            "return_sequences": self.return_sequences,
            "return_state": self.return_state,
            "return_attention_scores": self.return_attention_scores,
        }

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        config["cell"] = keras.saving.deserialize_keras_object(config["cell"])
        return cls(**config)
