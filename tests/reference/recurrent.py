"""Recurrent cells, a decoder and an encoder over one example."""

import numpy as np

from tests.reference.elementwise import sigmoid


def lstm_cell(kernel, recurrent_kernel, bias):
    """An LSTM step as in Keras: gates in the order i, f, c, o."""

    def step(inputs, states):
        hidden, carry = states
        gates = inputs @ kernel + hidden @ recurrent_kernel + bias
        gate_in, gate_forget, candidate, gate_out = np.split(gates, 4)
        carry = sigmoid(gate_forget) * carry
        carry = carry + sigmoid(gate_in) * np.tanh(candidate)
        hidden = sigmoid(gate_out) * np.tanh(carry)
        return hidden, [hidden, carry]

    return step


def gru_cell(kernel, recurrent_kernel, bias):
    """A GRU step as in Keras with `reset_after=True`: gates z, r, h."""

    def step(inputs, states):
        (hidden,) = states
        x_update, x_reset, x_candidate = np.split(inputs @ kernel + bias[0], 3)
        h_update, h_reset, h_candidate = np.split(
            hidden @ recurrent_kernel + bias[1], 3
        )
        update = sigmoid(x_update + h_update)
        reset = sigmoid(x_reset + h_reset)
        candidate = np.tanh(x_candidate + reset * h_candidate)
        hidden = update * hidden + (1 - update) * candidate
        return hidden, [hidden]

    return step


def layer_norm(values, scale, epsilon):
    """Without a shift; `numpy.std` divides by the number, as here."""
    deviation = np.sqrt(values.std() ** 2 + epsilon)
    return (values - values.mean()) / deviation * scale


def layer_norm_lstm_cell(*weights, epsilon):
    """Ba et al. (2016), eqs. 20-22; weights in the layer's order."""
    kernel, recurrent_kernel, bias, input_scale, state_scale = weights[:5]
    carry_scale, carry_bias = weights[5:]

    def step(inputs, states):
        hidden, carry = states
        gates = layer_norm(inputs @ kernel, input_scale, epsilon) + bias
        gates += layer_norm(hidden @ recurrent_kernel, state_scale, epsilon)
        gate_in, gate_forget, candidate, gate_out = np.split(gates, 4)
        carry = sigmoid(gate_forget) * carry
        carry = carry + sigmoid(gate_in) * np.tanh(candidate)
        shown = layer_norm(carry, carry_scale, epsilon) + carry_bias
        hidden = sigmoid(gate_out) * np.tanh(shown)
        return hidden, [hidden, carry]

    return step


def layer_norm_gru_cell(*weights, epsilon):
    """Ba et al. (2016), eqs. 23-25; weights in the layer's order."""
    kernel, recurrent_kernel, (b_x, b_h), input_scale, state_scale = weights

    def step(inputs, states):
        (hidden,) = states
        units = len(hidden)
        gates, last = slice(2 * units), slice(2 * units, None)

        def product(values, matrix, scale, bias, part):
            found = (values @ matrix)[part]
            return layer_norm(found, scale[part], epsilon) + bias[part]

        of_input = (inputs, kernel, input_scale, b_x)
        of_state = (hidden, recurrent_kernel, state_scale, b_h)
        both = product(*of_input, gates) + product(*of_state, gates)
        update, reset = np.split(sigmoid(both), 2)
        candidate = np.tanh(
            product(*of_input, last) + reset * product(*of_state, last)
        )
        hidden = update * hidden + (1 - update) * candidate
        return hidden, [hidden]

    return step


def elman_cell(kernel, recurrent_kernel):
    """`h_t = tanh(W x_t + U h_{t-1})`."""

    def step(inputs, states):
        hidden = np.tanh(inputs @ kernel + states[0] @ recurrent_kernel)
        return hidden, [hidden]

    return step


def decode(
    inputs,
    memory,
    cells,
    states,
    look=None,
    attend_before=True,
    fed_width=0,
    vector_kernel=None,
):
    """A decoder over one example, step after step.

    Args:
        inputs: `(target_len, input_dim)`.
        memory: `(source_len, memory_dim)`.
        cells: functions `(inputs, states) -> (hidden, states)`, a stack.
        states: a list of states for each cell.
        look: function `(query, memory) -> (context, alignments)`, or `None`.
        attend_before: Bahdanau et al. (2014), A.2.2; else Luong et al.
            (2015), section 3.
        fed_width: width of the output that is fed back (Luong et al. 2015,
            section 3.3); 0 for none.
        vector_kernel: `W_c` of Luong et al. (2015), eq. 5, or `None`.

    Returns:
        `(outputs, alignments, states)`.
    """
    outputs, alignments = [], []
    states = [list(own) for own in states]
    fed = np.zeros(fed_width)
    for one in inputs:
        hidden = states[-1][0]
        whole = one
        if look is not None and attend_before:
            context, weights = look(hidden, memory)
            whole = np.concatenate([whole, context])
        if fed_width:
            whole = np.concatenate([whole, fed])
        hidden = whole
        for index, cell in enumerate(cells):
            hidden, states[index] = cell(hidden, states[index])
        if look is not None and not attend_before:
            context, weights = look(hidden, memory)
        output = hidden
        if look is not None:
            output = np.concatenate([hidden, context])
            alignments.append(weights)
        if vector_kernel is not None:
            output = np.tanh(output @ vector_kernel)
        if fed_width:
            fed = output
        outputs.append(output)
    return np.array(outputs), np.array(alignments), states


def encode(inputs, mask, layers, widths):
    """A recurrent encoder over one example.

    Args:
        inputs: `(source_len, dim)`.
        mask: `(source_len,)`; a masked step is skipped, its memory zero.
        layers: for each layer its cells: `[forward]` or
            `[forward, backward]`.
        widths: the widths of one cell's states.

    Returns:
        `(memory, states)`, the states of all cells in the order of `layers`.
    """
    memory, all_states = inputs, []
    for layer in layers:
        directions = []
        for index, cell in enumerate(layer):
            states = [np.zeros(width) for width in widths]
            outputs = np.zeros((len(inputs), widths[0]))
            order = range(len(inputs))
            for position in reversed(order) if index else order:
                if mask[position]:
                    outputs[position], states = cell(memory[position], states)
            directions.append(outputs)
            all_states += states
        memory = np.concatenate(directions, axis=-1)
    return memory, all_states
