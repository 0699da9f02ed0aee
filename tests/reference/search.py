"""Searches over a language given as a function."""

import itertools

import numpy as np

IMPOSSIBLE = -1e8  # no sequence that may be said is so unlikely


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
        grown = [one for one in grown if one[1] > IMPOSSIBLE]
        hypotheses = sorted(grown, key=rank, reverse=True)[:beam]
    ended = [one for one in hypotheses if one[0][-1] == end]
    best = max(ended or hypotheses, key=rank)
    return best[0], rank(best)
