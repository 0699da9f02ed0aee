"""What the papers say, in NumPy loops: the expected values of the tests.

Every function follows its equation for one example at a time, on vectors, and
uses nothing of `keras_attention`. Slow, plain, and in float64.
"""

import itertools

import numpy as np


def softmax(scores, allowed=None):
    """Bahdanau et al. (2014), eq. 6, over the allowed positions."""
    alignments = np.zeros(len(scores))
    positions = [
        position
        for position in range(len(scores))
        if allowed is None or allowed[position]
    ]
    if not positions:
        return alignments
    highest = max(scores[position] for position in positions)
    powers = [np.exp(scores[position] - highest) for position in positions]
    for position, power in zip(positions, powers, strict=True):
        alignments[position] = power / sum(powers)
    return alignments


def hardmax(scores, allowed=None):
    """One at the first of the highest allowed scores."""
    alignments = np.zeros(len(scores))
    best = None
    for position, score in enumerate(scores):
        if allowed is not None and not allowed[position]:
            continue
        if best is None or score > scores[best]:
            best = position
    if best is not None:
        alignments[best] = 1.0
    return alignments


def softmax_gradient(scores, upstream, allowed=None):
    """`d loss / d scores`, for `upstream = d loss / d softmax(scores)`."""
    alignments = softmax(scores, allowed)
    gradient = np.zeros(len(scores))
    for i in range(len(scores)):
        for j in range(len(scores)):
            kronecker = 1.0 if i == j else 0.0
            slope = alignments[j] * (kronecker - alignments[i])
            gradient[i] += upstream[j] * slope
    return gradient


def dot_score():
    """Luong et al. (2015), eq. 8, "dot"."""
    return lambda query, key: float(np.dot(query, key))


def scaled_dot_score():
    """Vaswani et al. (2017), eq. 1."""
    return lambda query, key: float(np.dot(query, key) / np.sqrt(len(query)))


def general_score(matrix):
    """Luong et al. (2015), eq. 8, "general": `h_t^T W_a h_s`."""
    return lambda query, key: float(query @ (matrix @ key))


def additive_score(query_matrix, key_matrix, vector, bias=0.0):
    """Bahdanau et al. (2014), A.1.2: `v^T tanh(W_a s + U_a h)`."""

    def score(query, key):
        return float(
            vector @ np.tanh(query_matrix @ query + key_matrix @ key + bias)
        )

    return score


def concat_score(matrix, vector):
    """Luong et al. (2015), eq. 8, "concat": `v^T tanh(W_a [h_t; h_s])`."""

    def score(query, key):
        return float(vector @ np.tanh(matrix @ np.concatenate([query, key])))

    return score


def attend(query, value, key, score, normalizer=softmax, allowed=None):
    """One query over one source: Bahdanau et al. (2014), eqs. 5-6.

    Returns:
        `(context, alignments)`, `(value_dim,)` and `(source_len,)`.
    """
    scores = [score(query, one) for one in key]
    alignments = normalizer(scores, allowed)
    context = np.zeros(value.shape[-1])
    for weight, one in zip(alignments, value, strict=True):
        context += weight * one
    return context, alignments


def attention(
    query, value, key, score, normalizer=softmax, mask=None, causal=False
):
    """A whole batch: contexts and alignments, by loops over `attend`."""
    contexts, alignments = [], []
    for row in range(len(query)):
        for position, one in enumerate(query[row]):
            allowed = [
                (mask is None or bool(mask[row][source]))
                and (not causal or source <= position)
                for source in range(len(value[row]))
            ]
            context, weights = attend(
                one, value[row], key[row], score, normalizer, allowed
            )
            contexts.append(context)
            alignments.append(weights)
    shape = query.shape[:2]
    return (
        np.reshape(contexts, (*shape, value.shape[-1])),
        np.reshape(alignments, (*shape, value.shape[1])),
    )


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


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


def length_penalty(length, exponent):
    """Wu et al. (2016), eq. 14."""
    return ((5.0 + length) / 6.0) ** exponent


def greedy_search(log_probabilities, limit, end):
    """Returns `(tokens, score)`.

    Args:
        log_probabilities: function of a tuple of tokens (without start) to
            the log-probabilities of the next one.
        limit: the most tokens.
        end: the end token.
    """
    tokens, score = (), 0.0
    while len(tokens) < limit and (not tokens or tokens[-1] != end):
        following = log_probabilities(tokens)
        best = int(np.argmax(following))
        tokens, score = (*tokens, best), score + following[best]
    return tokens, score


def sequence_score(log_probabilities, tokens):
    """The sum of log-probabilities of a sequence."""
    return sum(
        log_probabilities(tokens[:index])[token]
        for index, token in enumerate(tokens)
    )


def best_sequence(log_probabilities, vocabulary, limit, end, exponent):
    """The best of all sequences that end within the limit: brute force.

    Returns:
        `(tokens, score)`, the score divided by the length penalty.
    """
    others = [token for token in range(vocabulary) if token != end]
    best = ((), -np.inf)
    for length in range(limit):
        for start in itertools.product(others, repeat=length):
            tokens = (*start, end)
            score = sequence_score(log_probabilities, tokens)
            score /= length_penalty(len(tokens), exponent)
            if score > best[1]:
                best = (tokens, score)
    return best


def beam_search(log_probabilities, vocabulary, beam, limit, end, exponent):
    """Beam search with lists, to the limit, without any early stop.

    Ended hypotheses stay and compete by their penalised score.

    Returns:
        `(tokens, score)`, the score divided by the length penalty.
    """

    def rank(hypothesis):
        tokens, score = hypothesis
        return score / length_penalty(len(tokens), exponent)

    hypotheses = [((), 0.0)]
    for _ in range(limit):
        grown = []
        for tokens, score in hypotheses:
            if tokens and tokens[-1] == end:
                grown.append((tokens, score))
                continue
            following = log_probabilities(tokens)
            grown += [
                ((*tokens, token), score + following[token])
                for token in range(vocabulary)
            ]
        hypotheses = sorted(grown, key=rank, reverse=True)[:beam]
    ended = [one for one in hypotheses if one[0][-1] == end]
    best = max(ended or hypotheses, key=rank)
    return best[0], rank(best)
