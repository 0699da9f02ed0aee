"""Recurrent cells that a user might have written."""

import keras


@keras.saving.register_keras_serializable(package="tests")
class ElmanCell(keras.layers.Layer):
    """A user's own cell: one state, an integer `state_size`."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.state_size = units

    def build(self, input_shape):
        self.kernel = self.add_weight(
            name="kernel", shape=(input_shape[-1], self.units)
        )
        self.recurrent_kernel = self.add_weight(
            name="recurrent_kernel", shape=(self.units, self.units)
        )

    def call(self, inputs, states):
        hidden = keras.ops.tanh(
            keras.ops.matmul(inputs, self.kernel)
            + keras.ops.matmul(states[0], self.recurrent_kernel)
        )
        return hidden, [hidden]

    def get_config(self):
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable(package="tests")
class NestedCell(ElmanCell):
    """A user's own cell: nested states, the second one a running sum."""

    def __init__(self, units, **kwargs):
        super().__init__(units, **kwargs)
        self.state_size = [units, [units]]
        self.output_size = units

    def get_initial_state(self, batch_size=None):
        shape = (batch_size, self.units)
        ones = keras.ops.ones(shape, dtype=self.compute_dtype)
        return [keras.ops.zeros_like(ones), [ones]]

    def call(self, inputs, states):
        hidden, (total,) = states
        hidden, _ = super().call(inputs, [hidden])
        return hidden, [hidden, [total + hidden]]
