"""Recurrent cells by name, with the input's product taken out of the loop.

`cell(inputs, states)` multiplies the inputs at every step. For `LSTMCell`,
`GRUCell` and those with layer normalisation the product of all steps can be
taken at once, before the loop (`project_inputs`), and the loop is left with
the rest (`step`). Other cells are called as they are.
"""

from __future__ import annotations

import contextlib
import threading
from typing import Any, NamedTuple

import keras
from keras import ops, tree

from keras_attention.layer_norm_cells import (
    LayerNormCell,
    LayerNormGRUCell,
    LayerNormLSTMCell,
)

# What an encoder's cell may be called.
CELLS = {
    "gru": keras.layers.GRUCell,
    "lstm": keras.layers.LSTMCell,
    "layer_norm_gru": LayerNormGRUCell,
    "layer_norm_lstm": LayerNormLSTMCell,
}

_STATE = threading.local()


def cells_of(cell):
    """Returns the cells of a stack, first to last; of one cell, `[cell]`.

    A stack with a `call` of its own (residual, say) is one cell.
    """
    stack = keras.layers.StackedRNNCells
    if isinstance(cell, stack) and type(cell).call is stack.call:
        return list(cell.cells)
    return [cell]


def state_sizes(cell):
    """Returns the widths of a cell's states as a flat list of integers."""
    return [int(size) for size in tree.flatten(cell.state_size)]


def output_dim(cell):
    """Returns the width of a cell's output."""
    size = getattr(cell, "output_size", None)
    return int(state_sizes(cell)[0] if size is None else size)


def initial_states(cell, batch_size, dtype):
    """Returns a cell's first states as a flat list: its own, else zeros."""
    make = getattr(cell, "get_initial_state", None)
    if make is None:
        return [
            ops.zeros((batch_size, size), dtype=dtype)
            for size in state_sizes(cell)
        ]
    states = tree.flatten(make(batch_size=batch_size))
    return [ops.cast(state, dtype) for state in states]


@contextlib.contextmanager
def dropout_masks(cells, batch_size, training):
    """Inside this context, built cells drop the same units at every step.

    Keras's cells keep their dropout masks until they are told to reset: left
    alone, they would draw them inside the loop and keep them for ever.
    """
    dropping = [
        one
        for cell in (cells if training else ())
        for one in _cells_within(cell)
        if getattr(one, "get_dropout_mask", None) is not None
    ]
    for cell in dropping:
        dtype = cell.compute_dtype
        dim, units = cell.kernel.shape[0], cell.units
        cell.get_dropout_mask(ops.ones((batch_size, dim), dtype))
        cell.get_recurrent_dropout_mask(ops.ones((batch_size, units), dtype))
    try:
        yield
    finally:
        for cell in dropping:
            cell.reset_dropout_mask()
            cell.reset_recurrent_dropout_mask()


def _cells_within(cell):
    """All cells of a stack, whatever its `call` does with them."""
    if not isinstance(cell, keras.layers.StackedRNNCells):
        return [cell]
    return [one for inner in cell.cells for one in _cells_within(inner)]


@contextlib.contextmanager
def kernel_for_loop(cell, input_dim):
    """Inside this context, `step` takes its matrices from before the loop.

    The rows of the kernel that what is `fed` is multiplied with are cut out
    once: of what is cut out inside a loop, TensorFlow keeps a copy for every
    step, for the gradient. In an LSTM what is fed and the state are one
    product, whose matrix is put together here.

    Args:
        cell: a built cell.
        input_dim: width of what `project_inputs` got, the first rows of the
            cell's kernel.
    """
    before = getattr(_STATE, "kernel", None)
    _STATE.kernel = None
    if is_projectable(cell) and cell.kernel.shape[0] > input_dim:
        dtype = cell.compute_dtype
        matrix = ops.cast(cell.kernel, dtype)[input_dim:]
        if type(cell) is keras.layers.LSTMCell:
            recurrent = ops.cast(cell.recurrent_kernel, dtype)
            matrix = ops.concatenate([matrix, recurrent], axis=0)
        _STATE.kernel = (cell, matrix)
    try:
        yield
    finally:
        _STATE.kernel = before


def is_projectable(cell):
    """Whether the input's product can be taken out of this cell's loop."""
    return (
        type(cell) in CELLS.values()
        and not cell.dropout
        and not cell.recurrent_dropout
    )


class Whole(NamedTuple):
    """Inputs of a single step, not projected beforehand.

    With what is fed they are one product with the cell's kernel as it is.
    Where there is no loop to take a product out of, parts of the kernel would
    be cut out, and copied, in vain.

    Attributes:
        inputs: `(batch, dim)`.
    """

    inputs: Any


def project_inputs(cell, inputs):
    """Returns the part of the cell's gates that `inputs` alone decide.

    Cells with layer normalisation have it normalised already, unless there
    are further inputs: then the sum of both is normalised in the loop.

    Args:
        cell: a built cell of `CELLS` (`is_projectable`). If its
            kernel has more rows than `inputs` has columns, the rows that
            remain are for what `step` gets as `fed`.
        inputs: `(batch, dim)` or `(batch, time, dim)`.

    Returns:
        `(batch, gates)` or `(batch, time, gates)`; other cells: `inputs`.
    """
    if not is_projectable(cell):
        return inputs
    kernel = ops.cast(cell.kernel, inputs.dtype)
    if kernel.shape[0] != inputs.shape[-1]:
        kernel = kernel[: inputs.shape[-1]]
    projected = ops.matmul(inputs, kernel)
    if isinstance(cell, LayerNormCell):
        # The kernel has further rows: the rest of the sum is yet to come.
        if cell.kernel.shape[0] != inputs.shape[-1]:
            return projected
        return cell.normalized_inputs(projected)
    if not cell.use_bias:
        return projected
    bias = ops.cast(cell.bias, inputs.dtype)
    return projected + (bias[0] if len(bias.shape) == 2 else bias)


def step(cell, projected, states, fed=None, training=False):
    """Runs one step of a cell.

    Args:
        cell: a built Keras RNN cell.
        projected: what `project_inputs` returned for this step; or `Whole`
            inputs.
        states: the cell's states, a list of `(batch, width)`.
        fed: further inputs `(batch, fed_dim)`, known only inside the loop
            (a context, the last output), or `None`.
        training: whether the cell's dropout is on.

    Returns:
        `(output, states)`; the same as the cell itself gives for the inputs
        `[inputs; fed]`.
    """
    is_whole = isinstance(projected, Whole)
    if is_whole or not is_projectable(cell):
        inputs = projected.inputs if is_whole else projected
        if fed is not None:
            inputs = ops.concatenate([inputs, fed], axis=-1)
        if not is_projectable(cell):
            return _call(cell, inputs, states, training)
        projected, fed = project_inputs(cell, inputs), None
    if fed is not None:
        kernel = _kernel_from_before(cell)
        if kernel is not None and type(cell) is keras.layers.LSTMCell:
            hidden = ops.concatenate([fed, states[0]], axis=-1)
            return _lstm_gates(
                cell, projected + ops.matmul(hidden, kernel), states[1]
            )
        if kernel is None:
            rows = cell.kernel.shape[0] - fed.shape[-1]
            kernel = ops.cast(cell.kernel, fed.dtype)[rows:]
        projected = projected + ops.matmul(fed, kernel)
        if isinstance(cell, LayerNormCell):
            projected = cell.normalized_inputs(projected)
    if isinstance(cell, LayerNormCell):
        return cell.normalized_step(projected, states)
    if isinstance(cell, keras.layers.LSTMCell):
        return _lstm_step(cell, projected, states)
    return _gru_step(cell, projected, states)


def _kernel_from_before(cell):
    """The matrix that `kernel_for_loop` has of this cell, or `None`."""
    found = getattr(_STATE, "kernel", None)
    return found[1] if found is not None and found[0] is cell else None


def _call(cell, inputs, states, training):
    options = {}
    if getattr(cell, "_call_has_training_arg", False):
        options["training"] = training
    states = list(states)
    if tree.is_nested(cell.state_size):
        states = tree.pack_sequence_as(cell.state_size, states)
    output, new_states = cell(inputs, states, **options)
    return output, tree.flatten(new_states)


def _lstm_step(cell, projected, states):
    hidden, carry = states
    gates = projected + ops.matmul(
        hidden, ops.cast(cell.recurrent_kernel, hidden.dtype)
    )
    return _lstm_gates(cell, gates, carry)


def _lstm_gates(cell, gates, carry):
    # Hochreiter and Schmidhuber (1997), with the gates in Keras's order.
    gate_in, gate_forget, candidate, gate_out = ops.split(gates, 4, axis=-1)
    carry = cell.recurrent_activation(
        gate_forget
    ) * carry + cell.recurrent_activation(gate_in) * cell.activation(candidate)
    hidden = cell.recurrent_activation(gate_out) * cell.activation(carry)
    return hidden, [hidden, carry]


def _gru_step(cell, projected, states):
    # Cho et al. (2014), with the gates in Keras's order.
    (hidden,) = states
    units = cell.units
    kernel = ops.cast(cell.recurrent_kernel, hidden.dtype)
    x_update, x_reset, x_candidate = ops.split(projected, 3, axis=-1)
    if cell.reset_after:
        recurrent = ops.matmul(hidden, kernel)
        if cell.use_bias:
            recurrent = recurrent + ops.cast(cell.bias, hidden.dtype)[1]
        h_update, h_reset, h_candidate = ops.split(recurrent, 3, axis=-1)
        reset = cell.recurrent_activation(x_reset + h_reset)
        h_candidate = reset * h_candidate
    else:
        gates = ops.matmul(hidden, kernel[:, : 2 * units])
        h_update, h_reset = ops.split(gates, 2, axis=-1)
        reset = cell.recurrent_activation(x_reset + h_reset)
        h_candidate = ops.matmul(reset * hidden, kernel[:, 2 * units :])
    update = cell.recurrent_activation(x_update + h_update)
    candidate = cell.activation(x_candidate + h_candidate)
    hidden = update * hidden + (1 - update) * candidate
    return hidden, [hidden]
