"""Training on all positions at once: the exact marginal likelihood.

With hard attention a decoder says `y_t` looking at one position `s`. Where
its state does not depend on where it looked before, the sum over all positions
is cheap (Wu, Shapiro and Cotterell 2018, exact marginalisation):

    log p(y_t) = log sum_s alpha_ts p(y_t | h_t, m_s)

with `p(y | h, m) = softmax(output_layer(finish([h; m])))`. The output layer
works on every pair of a target step and a source position: the memory it takes
is that of `batch * target_len * source_len * vocabulary` numbers, all at once.
"""

from __future__ import annotations

from keras import activations, ops

from keras_attention import functional, recurrent_cells
from keras_attention.normalizers import Marginal
from keras_attention.time_loop import time_loop
from keras_attention.windows import LocalPredictiveWindow


def is_marginal(cell):
    """Whether an attention of an `AttentionCell` has the estimator."""
    return any(isinstance(one.normalizer, Marginal) for one in cell.attentions)


def check(cell, output_layer):
    """Raises a ValueError if a decoder does not allow for the sum.

    Args:
        cell: an `AttentionCell`.
        output_layer: that of the model, or `None`.
    """
    needs = "The 'marginal' estimator sums over the positions of each step"
    if len(cell.attentions) != 1:
        raise ValueError(
            f"{needs}, and with several attentions over all their "
            "combinations: give the cell one attention. Received: "
            f"{len(cell.attentions)}."
        )
    attention = cell.attentions[0]
    if cell.attend != "after" or cell.input_feeding or attention.is_recurrent:
        raise ValueError(
            f"{needs}, so that the decoder's state must not depend on where "
            "it looked: use AttentionCell(attend='after', "
            "input_feeding=False) and a score and a window that do not "
            "remember alignments. Received: "
            f"attend={cell.attend!r}, input_feeding={cell.input_feeding}, "
            f"remembered: {attention.remembers}."
        )
    if not cell.output_attention or output_layer is None:
        raise ValueError(
            f"{needs}, each with an output of its own: give the "
            "EncoderDecoder an `output_layer` (and leave output_attention=True "
            f"in the cell). Received: output_layer={output_layer!r}, "
            f"output_attention={cell.output_attention}."
        )
    if getattr(output_layer, "activation", None) is activations.softmax:
        raise ValueError(
            f"{needs} and takes the softmax of the outputs itself: leave "
            "activation='softmax' out of the `output_layer`, and compile with "
            "a loss with from_logits=True."
        )
    if isinstance(attention.window, LocalPredictiveWindow):
        raise ValueError(
            f"{needs} that are allowed, and the window 'local_p' weighs them: "
            "use another window."
        )
    if attention.dropout:
        raise ValueError(
            f"{needs}, of which none is drawn, so that there is nothing to "
            "drop: set dropout=0 in the attention. Received: "
            f"dropout={attention.dropout}."
        )


def log_likelihoods(
    decoder, target, memory, states, mask, output_of, training=True
):
    """Returns the logarithm of the mixture of all positions' outputs.

    Args:
        decoder: an `AttentionRNN`, built, whose cell `check` has passed.
        target: `(batch, target_len, dim)`, the decoder's inputs.
        memory: `(batch, source_len, memory_dim)`, or a grid.
        states: the decoder's first states.
        mask: boolean `(batch, source_len)`, or `None`.
        output_of: what makes logits of what the decoder puts out, `(batch,
            length, dim) -> (batch, length, vocabulary)`.
        training: whether dropout is on.

    Returns:
        `(log_likelihoods, alignments)`: `(batch, target_len, vocabulary)`,
        which are logits too, and `(batch, target_len, source_len)`.
    """
    cell = decoder.cell
    batch, target_len = ops.shape(target)[0], ops.shape(target)[1]
    memories = cell.memories(memory, [None], mask).zero_masked(cell)
    own, _, pasts = cell.split_states(decoder.full_state(states, batch, memory))

    def step(inputs, states):
        return cell.run_cells(inputs, states, training=training)

    with recurrent_cells.dropout_masks(cell.cells, batch, training):
        hidden, _ = time_loop(
            step,
            cell.project_inputs(target),
            own,
            cell.hidden_size,
            variables=cell.weights,
        )
    value, keys = memories.values[0], memories.keys[0]
    source_len = ops.shape(value)[1]
    scores, allowed, weights = cell.attentions[0].scored(
        hidden, keys, source_len, memories.allowed[0], pasts[0]
    )
    if weights is not None:
        raise ValueError(
            "The 'marginal' estimator works with windows that allow positions "
            "or do not, and this one weighs them: use another window, or "
            "another estimator."
        )
    outputs = output_of(_pairs(cell, hidden, value, allowed))
    logits = functional.widened(outputs)
    # (batch, target_len, source_len, vocabulary)
    logits = ops.reshape(
        logits, (batch, target_len, source_len, logits.shape[-1])
    )
    log_alignments = functional.masked_log_softmax(scores, allowed)
    joint = ops.expand_dims(log_alignments, -1) + ops.log_softmax(
        logits, axis=-1
    )
    return (
        ops.cast(ops.logsumexp(joint, axis=2), outputs.dtype),
        cell.shown([functional.masked_softmax(scores, allowed)], memories),
    )


def _pairs(cell, hidden, value, allowed):
    """Returns what the decoder puts out for every pair, in one sequence.

    A step that may look nowhere has the same pair everywhere, `[h_t; 0]`: that
    is its output at inference too.

    Args:
        cell: an `AttentionCell`.
        hidden: `(batch, target_len, hidden_size)`.
        value: `(batch, source_len, memory_dim)`.
        allowed: boolean, broadcastable to `(batch, target_len, source_len)`,
            or `None`.

    Returns:
        `(batch, target_len * source_len, output_size)`.
    """
    batch, target_len = ops.shape(hidden)[0], ops.shape(hidden)[1]
    source_len = ops.shape(value)[1]

    def spread(tensor, axis):
        return ops.broadcast_to(
            ops.expand_dims(tensor, axis),
            (batch, target_len, source_len, tensor.shape[-1]),
        )

    seen = spread(value, 1)
    if allowed is not None:
        somewhere = ops.any(allowed, axis=-1, keepdims=True)
        seen = ops.where(ops.expand_dims(somewhere, -1), seen, 0.0)
    joined = ops.concatenate([spread(hidden, 2), seen], axis=-1)
    return cell.output_of(
        ops.reshape(joined, (batch, target_len * source_len, joined.shape[-1]))
    )
