"""LSTM and GRU cells with layer normalisation."""

from __future__ import annotations

import keras
from keras import ops, tree

from keras_attention import functional
from keras_attention.piece import PACKAGE
from keras_attention.registry import is_number


class LayerNormCell:
    """What the cells have in common: products that are normalised one by one.

    A mixin of a Keras cell. `normalized_step` takes what the inputs come to
    from outside (`normalized_inputs`), so that a loop over time has it from
    before.
    """

    def _check(self, epsilon):
        name = type(self).__name__
        if not is_number(epsilon) or not epsilon > 0:
            raise ValueError(
                f"`epsilon` must be a positive number. Received: "
                f"epsilon={epsilon!r}."
            )
        if self.dropout or self.recurrent_dropout:
            raise ValueError(
                f"{name} has no dropout inside: put a keras.layers.Dropout "
                "before it, or use the encoder-decoder's. Received: "
                f"dropout={self.dropout}, "
                f"recurrent_dropout={self.recurrent_dropout}."
            )
        self.epsilon = float(epsilon)

    def _add_scale(self, name, size):
        return self.add_weight(name=name, shape=(size,), initializer="ones")

    def _normalize(self, values, scale):
        """Layer normalisation over the last axis, in float32 at least."""
        wide = functional.widened(values)
        centred = wide - ops.mean(wide, axis=-1, keepdims=True)
        variance = ops.mean(ops.square(centred), axis=-1, keepdims=True)
        normalized = centred * ops.rsqrt(variance + self.epsilon)
        return ops.cast(normalized * ops.cast(scale, wide.dtype), values.dtype)

    def _product(self, values, kernel):
        return ops.matmul(values, ops.cast(kernel, values.dtype))

    def call(self, inputs, states, training=False):
        """Runs one step; see `keras.layers.LSTMCell` and `GRUCell`."""
        del training
        inputs = ops.cast(inputs, self.compute_dtype)
        projected = self.normalized_inputs(self._product(inputs, self.kernel))
        output, new_states = self.normalized_step(
            projected, tree.flatten(states)
        )
        return output, new_states if tree.is_nested(states) else new_states[0]

    def get_config(self):
        return {**super().get_config(), "epsilon": self.epsilon}


@keras.saving.register_keras_serializable(package=PACKAGE)
class LayerNormLSTMCell(LayerNormCell, keras.layers.LSTMCell):
    """An LSTM cell whose gates and carry are normalised.

    Ba, Kiros and Hinton (2016), eqs. 20-22, with LN(.) the layer
    normalisation over all gates together, without a shift of its own:

        i, f, g, o = LN(W x_t) s_x + LN(U h_{t-1}) s_h + b
        c_t = sigmoid(f) c_{t-1} + sigmoid(i) tanh(g)
        h_t = sigmoid(o) tanh(LN(c_t) s_c + b_c)

    It goes where a `keras.layers.LSTMCell` does: into `keras.layers.RNN`, an
    `AttentionCell`, and by its name `"layer_norm_lstm"` into a
    `RecurrentEncoder`.

    Args:
        units: width of the state.
        epsilon: what is added to the variance.
        **kwargs: as in `keras.layers.LSTMCell`, without `dropout` and
            `recurrent_dropout`.

    Call arguments:
        inputs: `(batch, dim)`.
        states: hidden state and carry, `(batch, units)` each.

    Returns:
        `(h_t, [h_t, c_t])`.

    Raises:
        ValueError: on an `epsilon` that is not positive, or dropout.

    Example:

    >>> layer = keras.layers.RNN(LayerNormLSTMCell(7))
    >>> layer(ops.ones((2, 5, 3))).shape
    TensorShape([2, 7])
    """

    def __init__(self, units, epsilon=1e-3, **kwargs):
        super().__init__(units, **kwargs)
        self._check(epsilon)

    def build(self, input_shape):
        super().build(input_shape)
        units = self.units
        self.input_scale = self._add_scale("input_scale", 4 * units)
        self.recurrent_scale = self._add_scale("recurrent_scale", 4 * units)
        self.carry_scale = self._add_scale("carry_scale", units)
        self.carry_bias = self.add_weight(
            name="carry_bias", shape=(units,), initializer="zeros"
        )

    def normalized_inputs(self, projected):
        """Returns the inputs' part of the gates, of one step or of all.

        Args:
            projected: `W x_t`, `(..., 4 units)`.

        Returns:
            `LN(W x_t) s_x + b`, `(..., 4 units)`.
        """
        gates = self._normalize(projected, self.input_scale)
        if self.use_bias:
            gates = gates + ops.cast(self.bias, gates.dtype)
        return gates

    def normalized_step(self, projected, states):
        """Runs one step.

        Args:
            projected: what `normalized_inputs` returned, `(batch, 4 units)`.
            states: `[h_{t-1}, c_{t-1}]`.

        Returns:
            As `call`.
        """
        hidden, carry = states
        recurrent = self._product(hidden, self.recurrent_kernel)
        gates = projected + self._normalize(recurrent, self.recurrent_scale)
        gate_in, gate_forget, candidate, gate_out = ops.split(gates, 4, axis=-1)
        carry = self.recurrent_activation(gate_forget) * carry
        carry = carry + self.recurrent_activation(gate_in) * self.activation(
            candidate
        )
        shown = self._normalize(carry, self.carry_scale)
        shown = shown + ops.cast(self.carry_bias, shown.dtype)
        hidden = self.recurrent_activation(gate_out) * self.activation(shown)
        return hidden, [hidden, carry]


@keras.saving.register_keras_serializable(package=PACKAGE)
class LayerNormGRUCell(LayerNormCell, keras.layers.GRUCell):
    """A GRU cell whose gates and candidate are normalised.

    Ba, Kiros and Hinton (2016), eqs. 23-25, with LN(.) the layer
    normalisation without a shift of its own, over both gates together and
    over the candidate by itself:

        z, r = LN(W_g x_t) s_g + LN(U_g h_{t-1}) t_g + b_g
        g = tanh(LN(W x_t) s + b + r (LN(U h_{t-1}) t + d))
        h_t = z h_{t-1} + (1 - z) g

    with `sigmoid(z)` for `z` and `sigmoid(r)` for `r`. (Keras's update gate
    keeps the old state; the paper's takes the new one.)

    It goes where a `keras.layers.GRUCell` does: into `keras.layers.RNN`, an
    `AttentionCell`, and by its name `"layer_norm_gru"` into a
    `RecurrentEncoder`.

    Args:
        units: width of the state.
        epsilon: what is added to the variance.
        **kwargs: as in `keras.layers.GRUCell`, without `dropout`,
            `recurrent_dropout` and `reset_after`.

    Call arguments:
        inputs: `(batch, dim)`.
        states: the state, `(batch, units)`, by itself or in a list.

    Returns:
        `(h_t, h_t)`, the second as the states were given.

    Raises:
        ValueError: on an `epsilon` that is not positive, dropout, or
            `reset_after=False`.

    Example:

    >>> encoder = keras_attention.RecurrentEncoder(7, cell="layer_norm_gru")
    >>> memory, states = encoder(ops.ones((2, 5, 3)))
    >>> memory.shape
    TensorShape([2, 5, 14])
    """

    def __init__(self, units, epsilon=1e-3, **kwargs):
        super().__init__(units, **kwargs)
        self._check(epsilon)
        if not self.reset_after:
            raise ValueError(
                "LayerNormGRUCell resets after the product, as its equations "
                "do. Received: reset_after=False."
            )

    def build(self, input_shape):
        super().build(input_shape)
        units = self.units
        self.input_scale = self._add_scale("input_scale", 3 * units)
        self.recurrent_scale = self._add_scale("recurrent_scale", 3 * units)

    def normalized_inputs(self, projected):
        """Returns the inputs' part of gates and candidate, of one step or all.

        Args:
            projected: `[W_g; W] x_t`, `(..., 3 units)`.

        Returns:
            `[LN(W_g x_t) s_g + b_g; LN(W x_t) s + b]`, `(..., 3 units)`.
        """
        return self._normalized_parts(projected, self.input_scale, 0)

    def normalized_step(self, projected, states):
        """Runs one step.

        Args:
            projected: what `normalized_inputs` returned, `(batch, 3 units)`.
            states: `[h_{t-1}]`.

        Returns:
            `(h_t, [h_t])`.
        """
        (hidden,) = states
        recurrent = self._normalized_parts(
            self._product(hidden, self.recurrent_kernel),
            self.recurrent_scale,
            1,
        )
        end = 2 * self.units
        gates = self.recurrent_activation(
            projected[:, :end] + recurrent[:, :end]
        )
        update, reset = ops.split(gates, 2, axis=-1)
        candidate = self.activation(
            projected[:, end:] + reset * recurrent[:, end:]
        )
        hidden = update * hidden + (1 - update) * candidate
        return hidden, [hidden]

    def _normalized_parts(self, values, scale, which):
        """Gates and candidate, each normalised, with that row of the bias."""
        end = 2 * self.units
        normalized = ops.concatenate(
            [
                self._normalize(values[..., :end], scale[:end]),
                self._normalize(values[..., end:], scale[end:]),
            ],
            axis=-1,
        )
        if not self.use_bias:
            return normalized
        return normalized + ops.cast(self.bias, normalized.dtype)[which]
