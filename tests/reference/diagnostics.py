"""Measures of alignments."""

import itertools

import numpy as np


def covered(alignments):
    """`min(sum_t a_ts, 1)`: Wu et al. (2016), eq. 14."""
    return [min(sum(column), 1.0) for column in np.transpose(alignments)]


def monotonicity(alignments):
    """Share of the moves that do not go back."""
    best = [list(row).index(max(row)) for row in alignments]
    forward = [after >= before for before, after in itertools.pairwise(best)]
    return sum(forward) / len(forward)


def alignment_error_rate(links, sure, possible):
    """`1 - (|A and S| + |A and P|) / (|A| + |S|)`: Och and Ney (2003).

    Of sets of links; the sure ones are possible too.
    """
    possible = possible | sure
    hits = len(links & sure) + len(links & possible)
    return 1 - hits / (len(links) + len(sure))
