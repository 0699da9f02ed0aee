"""Normalisers: how scores become alignments.

A normaliser is a function `(scores, allowed=None, past=None) -> alignments`
of one query, over `source_len` positions. `allowed` is a list of booleans
(`None`: all are allowed); `past` is what earlier steps left behind (`Past`),
and only the monotonic ones look at it.
"""

import numpy as np

from tests.reference.elementwise import sigmoid


def allowed_positions(scores, allowed):
    return [
        position
        for position in range(len(scores))
        if allowed is None or allowed[position]
    ]


def softmax(scores, allowed=None, past=None):
    """Bahdanau et al. (2014), eq. 6, over the allowed positions."""
    del past
    alignments = np.zeros(len(scores))
    positions = allowed_positions(scores, allowed)
    if not positions:
        return alignments
    highest = max(scores[position] for position in positions)
    powers = [np.exp(scores[position] - highest) for position in positions]
    for position, power in zip(positions, powers, strict=True):
        alignments[position] = power / sum(powers)
    return alignments


def hardmax(scores, allowed=None, past=None):
    """One at the first of the highest allowed scores."""
    del past
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


def sparsemax(scores, allowed=None, past=None):
    """Martins and Astudillo (2016), Algorithm 1, over the allowed positions.

    The point of the probability simplex that lies nearest to the scores.
    """
    del past
    alignments = np.zeros(len(scores))
    positions = allowed_positions(scores, allowed)
    if not positions:
        return alignments
    ordered = sorted((scores[one] for one in positions), reverse=True)
    # The support: the largest k with 1 + k z_(k) > z_(1) + ... + z_(k).
    support = max(
        k
        for k in range(1, len(ordered) + 1)
        if 1 + k * ordered[k - 1] > sum(ordered[:k])
    )
    threshold = (sum(ordered[:support]) - 1) / support
    for position in positions:
        alignments[position] = max(scores[position] - threshold, 0.0)
    return alignments


def sparsemax_gradient(scores, upstream, allowed=None):
    """`d loss / d scores`, for `upstream = d loss / d sparsemax(scores)`.

    Martins and Astudillo (2016), the Jacobian: on the support `S` it is
    `[i = j] - 1 / |S|`, elsewhere zero.
    """
    alignments = sparsemax(scores, allowed)
    support = [one for one in range(len(scores)) if alignments[one] > 0]
    gradient = np.zeros(len(scores))
    for i in support:
        for j in support:
            kronecker = 1.0 if i == j else 0.0
            gradient[i] += upstream[j] * (kronecker - 1 / len(support))
    return gradient


def stop_probabilities(scores, allowed=None):
    """Raffel et al. (2017), eq. 12: `p = sigmoid(e)`, the chance to stop.

    A position that is not allowed is passed over: zero.
    """
    return np.array(
        [
            sigmoid(score) if allowed is None or allowed[position] else 0.0
            for position, score in enumerate(scores)
        ]
    )


def monotonic(scores, allowed=None, past=None):
    """Raffel et al. (2017), eq. 9: the expected hard monotonic alignments.

    `alpha_ij = p_ij sum_{k <= j} alpha_{i-1,k} prod_{l=k}^{j-1} (1 - p_il)`.
    What is missing to one is the chance that no position was chosen; it
    stays missing in all later steps.
    """
    stop = stop_probabilities(scores, allowed)
    alignments = np.zeros(len(scores))
    for j in range(len(scores)):
        for k in range(j + 1):
            arrives = past.alignments[k]
            for between in range(k, j):
                arrives *= 1 - stop[between]
            alignments[j] += stop[j] * arrives
    return alignments


def hard_monotonic(scores, allowed=None, past=None):
    """Raffel et al. (2017), section 2.2, deciding by `p > 0.5`.

    One at the first position with `p > 0.5`, from that of the step before
    on; zeros if there is none, and from then on.
    """
    stop = stop_probabilities(scores, allowed)
    alignments = np.zeros(len(scores))
    started = False
    for position in range(len(scores)):
        started = started or past.alignments[position] == 1
        if started and stop[position] > 0.5:
            alignments[position] = 1.0
            break
    return alignments


def first_position(source_len):
    """Where monotonic attention starts: one at the first position.

    Raffel et al. (2017), Algorithm 1: `t_0 = 1`.
    """
    alignments = np.zeros(source_len)
    alignments[0] = 1.0
    return alignments
