"""One step, repeated over time: the loop under encoders and decoders.

There are two loops over the same step, with the same results:

- in training, the loop of Keras's own recurrent layers: differentiable, and
  the fastest that compiles with XLA;
- inside `with inference_loop():`, a while loop that writes its outputs in
  place: no gradient, but it converts to LiteRT's builtin operators with a
  dynamic batch and a dynamic length.

This is the only file that touches a private Keras module.
"""

from __future__ import annotations

import contextlib
import threading

from keras import ops, tree

# `keras.layers.RNN` passes nothing but inputs and states to its cell, and
# `keras.ops.scan` fails under XLA in training: hence the function below both.
from keras.src.backend import rnn as _keras_rnn

_STATE = threading.local()


@contextlib.contextmanager
def inference_loop():
    """Inside this context, `time_loop` writes in place and has no gradient.

    For exporters: what is traced inside converts to LiteRT builtins.
    """
    before = getattr(_STATE, "in_place", False)
    _STATE.in_place = True
    try:
        yield
    finally:
        _STATE.in_place = before


def time_loop(step, inputs, initial_states, output_dim):
    """Runs `step` over the time axis of `inputs`.

    Args:
        step: a function `(inputs (batch, dim), states) -> (outputs
            (batch, output_dim), states)`.
        inputs: `(batch, time, dim)`.
        initial_states: a nested structure of tensors `(batch, ...)`.
        output_dim: width of the outputs, an integer or a scalar tensor.

    Returns:
        `(outputs, states)`: `(batch, time, output_dim)`, and the states after
        the last step in the structure of `initial_states`.

    Example:

    >>> outputs, total = time_loop(
    ...     lambda x, states: (states[0] + x, [states[0] + x]),
    ...     ops.ones((1, 3, 1)),
    ...     [ops.zeros((1, 1))],
    ...     output_dim=1,
    ... )
    >>> outputs[0, :, 0].numpy()
    array([1., 2., 3.], dtype=float32)
    """

    # Keras's loop wants flat states; the step its own structure.
    def flat_step(step_inputs, flat_states):
        states = tree.pack_sequence_as(initial_states, list(flat_states))
        outputs, states = step(step_inputs, states)
        return outputs, tree.flatten(states)

    flat = tree.flatten(initial_states)
    run = _in_place if getattr(_STATE, "in_place", False) else _differentiable
    outputs, flat = run(flat_step, inputs, flat, output_dim)
    return outputs, tree.pack_sequence_as(initial_states, list(flat))


def _differentiable(step, inputs, states, output_dim):
    del output_dim
    _, outputs, states = _keras_rnn(step, inputs, states)
    return outputs, states


def _in_place(step, inputs, states, output_dim):
    batch, length = ops.shape(inputs)[0], ops.shape(inputs)[1]
    inputs = ops.swapaxes(inputs, 0, 1)  # (time, batch, dim)
    outputs = ops.zeros((length, batch, output_dim), dtype=inputs.dtype)

    def body(time, outputs, *states):
        step_outputs, states = step(ops.take(inputs, time, axis=0), states)
        outputs = ops.slice_update(
            outputs, (time, 0, 0), ops.expand_dims(step_outputs, 0)
        )
        return (time + 1, outputs, *states)

    _, outputs, *states = ops.while_loop(
        lambda time, *_: time < length,
        body,
        (ops.zeros((), dtype="int32"), outputs, *states),
    )
    return ops.swapaxes(outputs, 0, 1), states
