"""Recurrent encoders: a sequence in, a memory and a state out."""

from __future__ import annotations

import keras
from keras import ops

from keras_attention import functional, recurrent_cells
from keras_attention.attention_inputs import check_dropout
from keras_attention.piece import PACKAGE
from keras_attention.recurrent_cells import CELLS
from keras_attention.registry import (
    check_boolean,
    check_name,
    check_seed,
    positive_integer,
)
from keras_attention.time_loop import time_loop


class SequenceDropout(keras.layers.Dropout):
    """Dropout with one mask for all positions of a sequence or a grid.

    Variational dropout (Gal and Ghahramani 2016). It also draws far fewer
    random numbers, which XLA is slow at on a CPU: an independent mask for
    each step took half of a training step's time.

    Args:
        rate: share dropped, in `[0, 1)`.
        **kwargs: as in `keras.layers.Dropout`.

    Call arguments:
        inputs: `(batch, ..., dim)`.
        training: whether anything is dropped.

    Example:

    >>> SequenceDropout(0.5)(ops.ones((2, 3, 5, 7)), training=True).shape
    TensorShape([2, 3, 5, 7])
    """

    def call(self, inputs, training=False):
        if not training or not self.rate:
            return inputs
        batch, *positions, dim = ops.shape(inputs)
        return keras.random.dropout(
            inputs,
            self.rate,
            noise_shape=(batch, *(1 for _ in positions), dim),
            seed=self.seed_generator,
        )


@keras.saving.register_keras_serializable(package=PACKAGE)
class RecurrentEncoder(keras.layers.Layer):
    """LSTM or GRU layers over a sequence, by default in both directions.

    Each layer reads the outputs of the one below; the two directions are
    concatenated (Schuster and Paliwal 1997; as the annotations of Bahdanau
    et al. 2014, A.2.1). Both directions run in one loop.

    Args:
        units: width of each direction.
        cell: `"lstm"`, `"gru"`, `"layer_norm_lstm"` or `"layer_norm_gru"`
            (Ba et al. 2016).
        num_layers: number of layers.
        bidirectional: whether each layer also reads backwards.
        dropout: share dropped from each layer's outputs but the last's, in
            training, in `[0, 1)`.
        seed: integer seed of the dropout.
        **kwargs: as in `keras.layers.Layer` (`name`, `dtype`, ...).

    Call arguments:
        inputs: `(batch, source_len, dim)` floats.
        mask: boolean `(batch, source_len)`; the mask that Keras carries with
            `inputs` is found by itself.
        training: whether dropout is on.

    Returns:
        `(memory, states)`: memory `(batch, source_len, memory_dim)` with
        `memory_dim = units * directions`, and the list of the last states of
        all cells, `(batch, units)` each.

    Masking:
        A masked step leaves the states as they were, in both directions, and
        its memory is zero. The mask is passed on with the memory.

    Raises:
        ValueError: on a `units` or `num_layers` that is not a positive
            integer, or an unknown cell.

    Example:

    >>> memory, states = RecurrentEncoder(7)(ops.ones((2, 5, 3)))
    >>> memory.shape, len(states)
    (TensorShape([2, 5, 14]), 4)
    """

    def __init__(
        self,
        units,
        cell="lstm",
        num_layers=1,
        bidirectional=True,
        dropout=0.0,
        seed=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_name("cell", cell, CELLS)
        check_boolean("bidirectional", bidirectional)
        check_dropout(dropout)
        check_seed(seed)
        self.units = positive_integer("units", units)
        self.cell = cell
        self.num_layers = positive_integer("num_layers", num_layers)
        self.bidirectional = bidirectional
        self.dropout = dropout
        self.seed = seed
        self.dropout_layer = SequenceDropout(
            dropout, seed=seed, dtype=self.dtype_policy
        )
        directions = ("forward", "backward")[: 1 + bool(bidirectional)]
        self.cells = [
            [
                CELLS[cell](
                    units, name=f"{name}_{index}", dtype=self.dtype_policy
                )
                for name in directions
            ]
            for index in range(num_layers)
        ]
        self.supports_masking = True

    @property
    def memory_dim(self):
        """Width of the memory."""
        return self.units * (2 if self.bidirectional else 1)

    def build(self, inputs_shape):
        dim = inputs_shape[-1]
        for layer in self.cells:
            for cell in layer:
                cell.build((inputs_shape[0], dim))
            dim = self.memory_dim
        self.built = True

    def call(self, inputs, mask=None, training=False):
        if len(inputs.shape) != 3:
            raise ValueError(
                f"{type(self).__name__} expects inputs of rank 3, (batch, "
                "source_len, dim). Received: inputs of shape "
                f"{tuple(inputs.shape)}. Ids go through a "
                "keras.layers.Embedding first."
            )
        # Keras leaves integers as they are.
        inputs = ops.cast(inputs, self.compute_dtype)
        if mask is not None:
            mask = ops.cast(mask, "bool")
        # Masked steps are skipped, but their gradient must be finite too.
        memory = functional.zero_masked(inputs, mask)
        all_states = []
        for index, cells in enumerate(self.cells):
            if index:
                memory = self.dropout_layer(memory, training=training)
            memory, states = self._run_layer(cells, memory, mask)
            all_states.extend(states)
        return memory, all_states

    def _run_layer(self, cells, inputs, mask):
        batch = ops.shape(inputs)[0]
        projected = [
            recurrent_cells.project_inputs(cell, inputs) for cell in cells
        ]
        if mask is not None:
            # As a column beside the inputs: one tensor for the loop.
            column = ops.cast(ops.expand_dims(mask, -1), inputs.dtype)
            projected = [
                ops.concatenate([one, column], axis=-1) for one in projected
            ]
        # The backward cell reads the sequence from its end.
        projected = [
            ops.flip(one, axis=1) if index else one
            for index, one in enumerate(projected)
        ]
        width = projected[0].shape[-1]
        states = [
            [
                ops.zeros((batch, size), dtype=self.compute_dtype)
                for size in recurrent_cells.state_sizes(cell)
            ]
            for cell in cells
        ]

        def step(step_inputs, states):
            outputs, new_states = [], []
            for index, (cell, old) in enumerate(
                zip(cells, states, strict=True)
            ):
                own = step_inputs[:, index * width : (index + 1) * width]
                keep = None
                if mask is not None:
                    own, keep = own[:, :-1], own[:, -1:] > 0
                output, new = recurrent_cells.step(cell, own, old)
                if keep is not None:
                    new = [
                        ops.where(keep, one, before)
                        for one, before in zip(new, old, strict=True)
                    ]
                    output = ops.where(keep, output, 0.0)
                outputs.append(output)
                new_states.append(new)
            return ops.concatenate(outputs, axis=-1), new_states

        outputs, states = time_loop(
            step,
            ops.concatenate(projected, axis=-1),
            states,
            widths=self.units * len(cells),
            variables=[one for cell in cells for one in cell.weights],
        )
        if len(cells) == 2:
            forward, backward = ops.split(outputs, 2, axis=-1)
            outputs = ops.concatenate(
                [forward, ops.flip(backward, axis=1)], axis=-1
            )
        return outputs, [one for own in states for one in own]

    def compute_mask(self, inputs, previous_mask=None):
        del inputs
        return [previous_mask]

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "cell": self.cell,
            "num_layers": self.num_layers,
            "bidirectional": self.bidirectional,
            "dropout": self.dropout,
            "seed": self.seed,
        }
