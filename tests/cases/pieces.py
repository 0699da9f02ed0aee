"""The reference of every score, window and normaliser.

Each is looked up by the piece's name in its dictionary and made from the
weights of the layer's piece.
"""

import numpy as np

from keras_attention.normalizers import NORMALIZERS, Monotonic
from keras_attention.scores import SCORES
from keras_attention.windows import WINDOWS
from tests import reference
from tests.tensors import numpy


def additive(score):
    return reference.each(
        reference.additive_score(
            numpy(score.query_kernel).T,
            numpy(score.key_kernel).T,
            numpy(score.scale),
            0.0 if score.bias is None else numpy(score.bias),
        )
    )


def concat(score):
    matrix = np.concatenate(
        [numpy(score.query_kernel), numpy(score.key_kernel)]
    )
    return reference.each(reference.concat_score(matrix.T, numpy(score.scale)))


def scaled_general(score):
    return reference.each(
        reference.general_score(numpy(score.gain) * numpy(score.kernel).T)
    )


def matrices(score):
    return numpy(score.query_kernel).T, numpy(score.key_kernel).T


def bias_of(score):
    return 0.0 if score.bias is None else numpy(score.bias)


def normalized_additive(score):
    return reference.each(
        reference.normalized_additive_score(
            *matrices(score),
            numpy(score.scale),
            float(numpy(score.gain)),
            bias_of(score),
        )
    )


def location(score):
    return reference.location_score(numpy(score.kernel).T)


def location_sensitive(score):
    return reference.location_sensitive_score(
        *matrices(score),
        numpy(score.location_kernel).T,
        numpy(score.location_filters)[:, 0].T,
        numpy(score.scale),
        bias_of(score),
    )


def coverage(score):
    return reference.coverage_score(
        *matrices(score),
        numpy(score.coverage_vector),
        numpy(score.scale),
        bias_of(score),
    )


def monotonic(normalizer):
    run = (
        reference.hard_monotonic
        if normalizer.inference_mode == "hard"
        else reference.monotonic
    )
    bias = float(numpy(normalizer.score_bias))

    def biased(scores, allowed=None, past=None):
        return run(np.asarray(scores) + bias, allowed, past)

    return biased


REFERENCE_SCORES = {
    "additive": additive,
    "concat": concat,
    "coverage": coverage,
    "dot": lambda score: reference.each(reference.dot_score()),
    "general": lambda score: reference.each(
        reference.general_score(numpy(score.kernel).T)
    ),
    "location": location,
    "location_sensitive": location_sensitive,
    "normalized_additive": normalized_additive,
    "scaled_dot": lambda score: reference.each(reference.scaled_dot_score()),
    "scaled_general": scaled_general,
}
REFERENCE_WINDOWS = {
    "causal": lambda window: reference.causal,
    "global": lambda window: reference.everywhere,
    "local_m": lambda window: reference.local_m(window.width),
    "local_p": lambda window: reference.local_p(
        window.width, numpy(window.kernel).T, numpy(window.scale)
    ),
}
# At inference.
REFERENCE_NORMALIZERS = {
    "gumbel": lambda normalizer: reference.hardmax,
    "hardmax": lambda normalizer: reference.hardmax,
    "marginal": lambda normalizer: reference.hardmax,
    "monotonic": monotonic,
    "reinforce": lambda normalizer: reference.hardmax,
    "softmax": lambda normalizer: reference.softmax,
    "sparsemax": lambda normalizer: reference.sparsemax,
    "straight_through": lambda normalizer: reference.hardmax,
}
# Scores that compare query and key directly: equal widths.
EQUAL_WIDTHS = {"dot", "scaled_dot"}


def name_of_piece(piece, registry):
    """Returns the first name under which a piece is registered."""
    return next(name for name in registry if registry[name] is type(piece))


def reference_pieces(layer):
    """Returns the references of an attention's pieces, by argument name."""
    return {
        kind: table[name_of_piece(piece, registry)](piece)
        for kind, piece, table, registry in (
            ("score", layer.score, REFERENCE_SCORES, SCORES),
            ("window", layer.window, REFERENCE_WINDOWS, WINDOWS),
            (
                "normalizer",
                layer.normalizer,
                REFERENCE_NORMALIZERS,
                NORMALIZERS,
            ),
        )
    }


def reference_attention(layer, query, value, key=None, mask=None, causal=False):
    """What a layer is to give for a batch: contexts and alignments.

    Args:
        layer: a built attention layer; its weights are read.
        query, value, key: `(batch, len, dim)`.
        mask: `(batch, source_len)`, or `None`.
        causal: whether query `i` sees positions up to `i` only.
    """
    pieces = reference_pieces(layer)
    key = value if key is None else key
    target_len, source_len = query.shape[1], value.shape[1]
    start = None
    if isinstance(layer.normalizer, Monotonic):
        start = reference.first_position(source_len)
    rows = []
    for row in range(len(query)):
        allowed = np.ones((target_len, source_len), bool)
        if mask is not None:
            allowed &= mask[row]
        if causal:
            allowed &= np.tri(target_len, source_len, dtype=bool)
        rows.append(
            reference.attend_in_turn(
                query[row],
                value[row],
                key[row],
                allowed=allowed,
                start=start,
                **pieces,
            )
        )
    return tuple(np.array(one) for one in zip(*rows, strict=True))
