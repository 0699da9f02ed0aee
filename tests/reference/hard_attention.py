"""Hard attention: positions that are drawn, and their exact expectations."""

import itertools

import numpy as np

from tests.reference.normalizers import hardmax, softmax


def log_probability(alignments, position):
    """`log alpha_s`, of the position that was drawn.

    Xu et al. (2015), section 4.1.
    """
    return np.log(alignments[position])


def entropy(alignments):
    """`- sum_s alpha_s log alpha_s`, in nats; `0 log 0 = 0`."""
    return -sum(one * np.log(one) for one in alignments if one > 0)


def effective_positions(alignments):
    """`exp(entropy)`: over how many positions the alignments spread."""
    return np.exp(entropy(alignments))


def log_softmax(scores, allowed):
    """The logarithm of `softmax(scores)`; `-inf` where not allowed."""
    return np.array(
        [
            np.log(one) if one > 0 else -np.inf
            for one in softmax(scores, allowed)
        ]
    )


def gumbel_max(scores, noise, allowed=None):
    """Jang et al. (2017), eq. 1: one at the highest `log pi_i + g_i`.

    Args:
        scores: `(source_len,)`; `pi` is their softmax.
        noise: `g`, `(source_len,)`.
        allowed: booleans, or `None`.
    """
    return hardmax(log_softmax(scores, allowed) + noise, allowed)


def gumbel_softmax(scores, noise, temperature, allowed=None):
    """Jang et al. (2017), eq. 2: `softmax((log pi_i + g_i) / tau)`.

    Args:
        scores: `(source_len,)`; `pi` is their softmax.
        noise: `g`, `(source_len,)`.
        temperature: `tau`.
        allowed: booleans, or `None`.
    """
    return softmax(
        (log_softmax(scores, allowed) + noise) / temperature, allowed
    )


def path_expectation(function, probabilities, steps, source_len):
    """The exact expectation over all paths, by trying every one.

    Args:
        function: function of a tuple of positions, one for each step; a
            number or an array.
        probabilities: function of the positions of the steps before (a
            tuple) to the alignments `(source_len,)` of the next step.
        steps, source_len: integers.
    """
    expected = 0.0
    for path in itertools.product(range(source_len), repeat=steps):
        probability = 1.0
        for step, position in enumerate(path):
            probability *= probabilities(path[:step])[position]
        if probability > 0:
            expected = expected + probability * np.asarray(function(path))
    return expected


def expectation(function, tables):
    """`path_expectation` when each step draws independently of the others.

    Args:
        function: as for `path_expectation`.
        tables: the alignments, `(steps, source_len)`.
    """
    steps, source_len = np.shape(tables)
    return path_expectation(
        function, lambda path: tables[len(path)], steps, source_len
    )


def expectation_gradient(function, scores):
    """`d E[function] / d scores`, by REINFORCE over every path.

    Williams (1992): `E[function * d log p(path) / d scores]`, with `p` the
    softmax of each step's scores, of which the logarithm's slope is
    `onehot(position) - alpha`.

    Args:
        function: function of a tuple of positions to a number.
        scores: `(steps, source_len)`.
    """
    tables = np.array([softmax(one) for one in scores])

    def weighted_slope(path):
        slope = -tables
        for step, position in enumerate(path):
            slope[step, position] += 1.0
        return function(path) * slope

    return expectation(weighted_slope, tables)


def marginal_log_likelihood(alignments, likelihoods):
    """`log sum_s alpha_s p(y | s)`: the output's chance, wherever one looks.

    Wu, Shapiro and Cotterell (2018), the exact marginalisation, of one step.

    Args:
        alignments: `(source_len,)`.
        likelihoods: `p(y | s)` of the output at hand, `(source_len,)`.
    """
    return np.log(
        sum(
            weight * likelihood
            for weight, likelihood in zip(alignments, likelihoods, strict=True)
        )
    )
