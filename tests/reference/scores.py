"""Scores: how well a query matches the keys.

Two kinds of functions. A *pair function* `(query, key) -> score` compares
one query with one key; `each` turns it into the other kind. A *score*
`(query, keys, past) -> scores` looks at all keys of the source at once,
`(source_len, key_dim)`, and at what earlier steps left behind (`Past`);
it returns `(source_len,)`, with `-inf` where it has no score to give.
"""

import numpy as np


def dot_score():
    """Luong et al. (2015), section 3.1, "dot". A pair function."""
    return lambda query, key: float(np.dot(query, key))


def scaled_dot_score():
    """Vaswani et al. (2017), eq. 1. A pair function."""
    return lambda query, key: float(np.dot(query, key) / np.sqrt(len(query)))


def general_score(matrix):
    """Luong et al. (2015), section 3.1, "general": `h_t^T W_a h_s`.

    A pair function.
    """
    return lambda query, key: float(query @ (matrix @ key))


def additive_score(query_matrix, key_matrix, vector, bias=0.0):
    """Bahdanau et al. (2014), A.1.2: `v^T tanh(W_a s + U_a h + b)`.

    A pair function. The paper has no bias; Chorowski et al. (2015) do.
    """

    def score(query, key):
        return float(
            vector @ np.tanh(query_matrix @ query + key_matrix @ key + bias)
        )

    return score


def normalized_additive_score(
    query_matrix, key_matrix, vector, gain, bias=0.0, offset=0.0
):
    """`(g v / ||v||)^T tanh(W q + U k + b) + r`. A pair function.

    Salimans and Kingma (2016), eq. 2 (`w = g v / ||v||`), applied to the
    vector of the additive score, as Raffel et al. (2017) do for monotonic
    attention; `r`, the `offset`, is theirs.
    """
    length = np.sqrt(sum(one**2 for one in vector))
    return lambda query, key: (
        additive_score(query_matrix, key_matrix, gain * vector / length, bias)(
            query, key
        )
        + offset
    )


def concat_score(matrix, vector):
    """Luong et al. (2015), section 3.1, "concat": `v^T tanh(W_a [h_t; h_s])`.

    A pair function.
    """

    def score(query, key):
        return float(vector @ np.tanh(matrix @ np.concatenate([query, key])))

    return score


def each(pair_score):
    """Turns a pair function into a score: each key by itself."""

    def score(query, keys, past=None):
        del past
        return np.array([pair_score(query, key) for key in keys])

    return score


def location_score(matrix):
    """Luong et al. (2015), section 3.1, "location": `a_t = softmax(W_a h_t)`.

    Args:
        matrix: `W_a`, `(longest source, query_dim)`. A source position
            beyond it has no score: it gets nothing.
    """

    def score(query, keys, past=None):
        del past
        scores = np.full(len(keys), -np.inf)
        for position in range(min(len(keys), len(matrix))):
            scores[position] = matrix[position] @ query
        return scores

    return score


def location_features(alignments, filters):
    """Chorowski et al. (2015), eq. 8: `f_i = F * alpha_{i-1}`.

    As Keras convolves ("same"): the filter is not turned round, its middle
    (the left one of two) lies over the position, and there is nothing but
    zeros outside of the source.

    Args:
        alignments: `(source_len,)`.
        filters: `(number of filters, width)`.

    Returns:
        `(source_len, number of filters)`.
    """
    count, width = filters.shape
    features = np.zeros((len(alignments), count))
    for position in range(len(alignments)):
        for offset in range(width):
            source = position + offset - (width - 1) // 2
            if 0 <= source < len(alignments):
                for one in range(count):
                    features[position, one] += (
                        filters[one, offset] * alignments[source]
                    )
    return features


def location_sensitive_score(
    query_matrix,
    key_matrix,
    location_matrix,
    filters,
    vector,
    bias=0.0,
    of="alignments",
):
    """Chorowski et al. (2015), eqs. 8-9: `w^T tanh(W s + V h + U f + b)`.

    Args:
        query_matrix, key_matrix, location_matrix: `W`, `V` and `U`, each
            `(units, width of what it is applied to)`.
        filters: `F`, `(number of filters, width)`; see `location_features`.
        vector, bias: `w` and `b`, `(units,)`.
        of: the field of `Past` that is convolved: `"alignments"`, or
            `"accumulated"` as Shen et al. (2018, Tacotron 2) do.
    """

    def score(query, keys, past):
        features = location_features(getattr(past, of), filters)
        return np.array(
            [
                vector
                @ np.tanh(
                    query_matrix @ query
                    + key_matrix @ key
                    + location_matrix @ feature
                    + bias
                )
                for key, feature in zip(keys, features, strict=True)
            ]
        )

    return score


def coverage_score(query_matrix, key_matrix, coverage_vector, vector, bias=0.0):
    """See et al. (2017), eq. 11: `v^T tanh(W_h h_i + W_s s_t + w_c c_i + b)`.

    `c`, eq. 10, is the sum of the alignments of all earlier steps.
    """

    def score(query, keys, past):
        return np.array(
            [
                vector
                @ np.tanh(
                    key_matrix @ key
                    + query_matrix @ query
                    + coverage_vector * covered
                    + bias
                )
                for key, covered in zip(keys, past.accumulated, strict=True)
            ]
        )

    return score


def coverage(alignments):
    """See et al. (2017), eq. 10: `c_t`, the sum of `a_t'` over `t' < t`.

    Args:
        alignments: `(target_len, source_len)`.

    Returns:
        The same shape; the first row is zero.
    """
    covered = np.zeros(np.shape(alignments))
    for step in range(len(alignments)):
        for earlier in range(step):
            covered[step] += alignments[earlier]
    return covered


def coverage_loss(alignments):
    """See et al. (2017), eq. 12: `sum_i min(a_i, c_i)` of each step.

    Args:
        alignments: `(target_len, source_len)`.

    Returns:
        `(target_len,)`.
    """
    losses = np.zeros(len(alignments))
    for step, covered in enumerate(coverage(alignments)):
        for now, before in zip(alignments[step], covered, strict=True):
            losses[step] += min(now, before)
    return losses
