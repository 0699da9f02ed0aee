"""What rules and penalties leave of a language given as a function.

Languages are as in `search.py`: a function of a tuple of tokens to the
log-probabilities of the next one.
"""

import itertools
import math

import numpy as np

from tests.reference.search import length_penalty, sequence_score

NEVER = -1e9


def restricted(language, allowed, end):
    """The language without the tokens that `allowed(tokens, token)` refuses.

    Padding is no token; where nothing is left, the end token is.
    """

    def following(tokens):
        found = np.array(language(tokens))
        kept = [
            token for token in range(1, len(found)) if allowed(tokens, token)
        ] or [end]
        refused = [token for token in range(len(found)) if token not in kept]
        found[refused] = NEVER
        return found

    return following


def at_least(minimum, end):
    """Outputs of `minimum` tokens or more, the end token included."""
    return lambda tokens, token: token != end or len(tokens) + 1 >= minimum


def without_words(words):
    """No word, a tuple of tokens, is said."""

    def allowed(tokens, token):
        said = (*tokens, token)
        return not any(said[-len(word) :] == word for word in words)

    return allowed


def without_repetition(size):
    """No n-gram is said twice."""

    def allowed(tokens, token):
        said = (*tokens, token)
        grams = [said[i : i + size] for i in range(len(said) - size + 1)]
        return len(set(grams)) == len(grams)

    return allowed


def beginning_with(prefix):
    """The prefix is said first."""

    def allowed(tokens, token):
        return len(tokens) >= len(prefix) or token == prefix[len(tokens)]

    return allowed


def contains(tokens, word):
    """Whether a tuple of tokens has a word in it, a tuple of tokens."""
    starts = range(len(tokens) - len(word) + 1)
    return any(tokens[start : start + len(word)] == word for start in starts)


def coverage_penalty(attended):
    """Wu et al. (2016), eq. 14, of the sums over the output tokens.

    A sum below 1e-6 counts as 1e-6.
    """
    return sum(math.log(min(max(one, 1e-6), 1.0)) for one in attended)


def sequences(vocabulary, limit, end):
    """All outputs that end within the limit."""
    others = [token for token in range(1, vocabulary) if token != end]
    for length in range(limit):
        for start in itertools.product(others, repeat=length):
            yield (*start, end)


def best_sequences(language, outputs, count, exponent, bonus=None):
    """The `count` best of given outputs.

    Args:
        language: log-probabilities of what follows.
        outputs: tuples of tokens.
        count: how many to return at most.
        exponent: of the length penalty.
        bonus: function of the tokens, added to the penalised score.

    Returns:
        list of `(tokens, score)`, the best first.
    """
    ranked = []
    for tokens in outputs:
        score = sequence_score(language, tokens)
        if score > NEVER / 2:
            score /= length_penalty(len(tokens), exponent)
            ranked.append((tokens, score + (bonus(tokens) if bonus else 0.0)))
    return sorted(ranked, key=lambda one: one[1], reverse=True)[:count]


def sampling_distribution(log_probabilities, temperature, top_k, top_p):
    """The distribution that tokens are drawn from: a loop over the tokens."""
    scaled = np.asarray(log_probabilities, "float64") / temperature
    probabilities = np.exp(scaled - scaled.max())
    likeliest = sorted(
        range(len(scaled)), key=lambda token: (-scaled[token], token)
    )[: top_k or len(scaled)]
    total = sum(probabilities[token] for token in likeliest)
    kept, reached = {}, 0.0
    for token in likeliest:
        if reached >= top_p:
            break
        kept[token] = probabilities[token] / total
        reached += kept[token]
    result = np.zeros(len(scaled))
    for token, probability in kept.items():
        result[token] = probability / reached
    return result


def threefry(key, counter):
    """Threefry-2x32-20 (Salmon et al. 2011, section 4.2) of Python's ints."""
    word = 2**32
    keys = [key[0], key[1], key[0] ^ key[1] ^ 0x1BD11BDA]
    left, right = (counter[0] + keys[0]) % word, (counter[1] + keys[1]) % word
    rotations = [13, 15, 26, 6, 17, 29, 16, 24]
    for number in range(20):
        left = (left + right) % word
        places = rotations[number % 8]
        right = ((right << places) | (right >> (32 - places))) % word ^ left
        if number % 4 == 3:
            group = number // 4 + 1
            left = (left + keys[group % 3]) % word
            right = (right + keys[(group + 1) % 3] + group) % word
    return left, right
