"""One step, repeated over time: the loop under encoders and decoders.

There are two loops over the same step, with the same results:

- in training, the loop of Keras's own recurrent layers: differentiable, and
  the fastest that compiles with XLA;
- inside `with inference_loop():`, a while loop that writes its outputs in
  place: no gradient, but it converts to LiteRT's builtin operators with a
  dynamic batch and a dynamic length.
"""

from __future__ import annotations

import contextlib
import threading

import keras
from keras import ops, tree

# The function below `keras.layers.RNN`.
from keras_attention.private_keras import keras_rnn

_STATE = threading.local()


@contextlib.contextmanager
def inference_loop():
    """Inside this context, `time_loop` writes in place and has no gradient.

    For exporters: what is traced inside converts to LiteRT builtins.
    """
    before = is_in_place()
    _STATE.in_place = True
    try:
        yield
    finally:
        _STATE.in_place = before


def is_in_place():
    """Whether loops write in place now; see `inference_loop`."""
    return getattr(_STATE, "in_place", False)


def time_loop(step, inputs, initial_states, widths, extras=None, variables=()):
    """Runs `step` over the time axis of `inputs`.

    Args:
        step: a function `(inputs (batch, dim), states) -> (outputs
            (batch, width), states)`; with several `widths`, the outputs are a
            list of as many tensors.
        inputs: `(batch, time, dim)`.
        initial_states: a nested structure of tensors `(batch, ...)`.
        widths: width of the outputs, an integer or a scalar tensor; or a list
            of widths.
        extras: a nested structure of tensors `(batch, time, ...)` that need
            no gradient; `step` gets their part of the time, `(batch, ...)`,
            as a third argument.
        variables: Keras variables that the step reads: they are read once,
            before the loop. TensorFlow keeps, for the gradient, whatever is
            read or computed inside, once for every step: matrices too.

    Returns:
        `(outputs, states)`: `(batch, time, width)` or a list of such, and the
        states after the last step in the structure of `initial_states`.

    Example:

    >>> outputs, total = time_loop(
    ...     lambda x, states: (states[0] + x, [states[0] + x]),
    ...     ops.ones((1, 3, 1)),
    ...     [ops.zeros((1, 1))],
    ...     widths=1,
    ... )
    >>> outputs[0, :, 0].numpy()
    array([1., 2., 3.], dtype=float32)
    """
    several = isinstance(widths, list)
    flat = tree.flatten(initial_states)
    counts = extras is not None and bool(tree.flatten(extras))
    if counts:
        flat = [*flat, ops.zeros((), dtype="int32")]

    # Keras's loop wants one input, flat states and one output; the step its
    # own structures.
    def flat_step(step_inputs, flat_states):
        flat_states, further = list(flat_states), []
        if counts:
            time = flat_states.pop()
            further = [_at(extras, time)]
        elif extras is not None:
            further = [extras]
        states = tree.pack_sequence_as(initial_states, flat_states)
        outputs, states = step(step_inputs, states, *further)
        if several:
            outputs = _joined(outputs)
        flat_states = tree.flatten(states)
        return outputs, [*flat_states, time + 1] if counts else flat_states

    run = _in_place if is_in_place() else _differentiable
    total = widths
    if several:
        total = sum(widths[1:], start=widths[0])
    with _read_once(variables):
        outputs, flat = run(flat_step, inputs, flat, total)
    if several:
        outputs = _parted(outputs, widths)
    flat = list(flat)[:-1] if counts else flat
    return outputs, tree.pack_sequence_as(initial_states, list(flat))


def _read_once(variables):
    if keras.backend.backend() != "tensorflow" or is_in_place():
        return contextlib.nullcontext()
    return _ReadOnce(variables)


class _ReadOnce(keras.StatelessScope):
    """Inside, given variables stand for what was read before.

    All others are what they are outside, and can be assigned to.
    """

    def __init__(self, variables):
        super().__init__()
        # A copy: of a variable TensorFlow has no tensor until it is read.
        self._values = {id(one): ops.copy(one.value) for one in variables}

    def get_current_value(self, variable):
        value = self._values.get(id(variable))
        if value is None and self.original_scope is not None:
            return self.original_scope.get_current_value(variable)
        return value

    def add_update(self, update):
        if self.original_scope is not None:
            self.original_scope.add_update(update)
        else:
            variable, value = update
            variable._direct_assign(value)


def _at(tensors, time):
    """The part of `(batch, time, ...)` tensors at one time."""
    return tree.map_structure(lambda one: ops.take(one, time, axis=1), tensors)


def _joined(outputs):
    if len(outputs) == 1:
        return outputs[0]
    return ops.concatenate(outputs, axis=-1)


def _parted(outputs, widths):
    """Takes joined outputs apart again."""
    if len(widths) == 1:
        return [outputs]
    batch, length = ops.shape(outputs)[:2]
    parts, start = [], 0
    for width in widths:
        part = outputs[..., start : start + width]
        if isinstance(width, int):
            # Where another part's width is unknown, so is that of all
            # together, and the slice forgets its own.
            part = ops.reshape(part, (batch, length, width))
        parts.append(part)
        start = start + width
    return parts


def _differentiable(step, inputs, states, width):
    if inputs.shape[1] == 0:  # Keras's loop looks at the first step.
        empty = (ops.shape(inputs)[0], 0, width)
        return ops.zeros(empty, dtype=inputs.dtype), states
    _, outputs, states = keras_rnn(step, inputs, states)
    return outputs, states


def _in_place(step, inputs, states, width):
    batch, length = ops.shape(inputs)[0], ops.shape(inputs)[1]
    inputs = ops.swapaxes(inputs, 0, 1)  # (time, batch, dim)
    outputs = ops.zeros((length, batch, width), dtype=inputs.dtype)

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
