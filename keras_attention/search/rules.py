"""Rules: which tokens a search may say next.

A rule is a function of what a hypothesis has said so far; a search takes any
number of them. To add one, write a class here and a line in `RULES`.
"""

from __future__ import annotations

import math
import numbers
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from keras_attention.piece import PACKAGE
from keras_attention.registry import get as _get
from keras_attention.registry import positive_integer

ROUNDING = 1e-4  # less than this, a ratio of tokens is off in float32


class Progress(NamedTuple):
    """What a rule may look at. A search over beams has `batch * beam` rows.

    Attributes:
        tokens: int32 `(rows, max_length)`, said so far; zeros from `time` on.
        time: scalar int32, how many steps there were.
        source_lengths: int32 `(rows,)`, or `None` if the search was given no
            `source_mask`.
        end_token: id that ends a sequence.
        vocabulary: number of tokens, padding (id 0) included.
    """

    tokens: Any
    time: Any
    source_lengths: Any
    end_token: int
    vocabulary: int


class Rule:
    """Base class of rules: what may not be said now.

    Example: a rule of one's own, no token twice in a row.

    >>> class NoEcho(Rule):
    ...     def __call__(self, progress):
    ...         latest = progress.tokens[:, progress.time - 1]
    ...         tokens = ops.arange(progress.vocabulary)
    ...         return ops.not_equal(tokens, ops.expand_dims(latest, 1))
    >>> progress = Progress(ops.array([[4, 0]]), 1, None, 2, 5)
    >>> NoEcho()(progress).numpy().tolist()
    [[True, True, True, True, False]]
    """

    def __call__(self, progress):
        """Says which tokens may come next.

        Args:
            progress: a `Progress`.

        Returns:
            Boolean `(rows or 1, vocabulary)`, `True` = may be said.
        """
        raise NotImplementedError(
            f"{type(self).__name__} must implement `__call__(progress)`."
        )

    def get_config(self):
        return {}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


@keras.saving.register_keras_serializable(PACKAGE)
class MinimumLength(Rule):
    """Keeps the end token back while an output is too short.

    An output has at least `max(length, ceil(ratio * n))` tokens, the end token
    included, where `n` is the number of source tokens. A search's limit goes
    first: what reaches it is cut off.

    Args:
        length: tokens, not negative.
        ratio: tokens for each token of the source, not negative. Other than
            0 it needs the search's `source_mask`.

    Example:

    >>> always_two = lambda tokens, states, memory: (
    ...     ops.one_hot(ops.zeros_like(tokens) + 2, 4), states, None
    ... )
    >>> search = keras_attention.search.GreedySearch(rules=[MinimumLength(3)])
    >>> search(always_two, [ops.zeros((1, 1))], None, 5).tokens.numpy()
    array([[1, 1, 2, 0, 0]], dtype=int32)
    """

    def __init__(self, length=0, ratio=0.0):
        for name, value in (("length", length), ("ratio", ratio)):
            if not isinstance(value, numbers.Real) or not 0 <= value < math.inf:
                raise ValueError(
                    f"`{name}` must be a number, 0 or larger. "
                    f"Received: {name}={value!r}."
                )
        self.length = length
        self.ratio = ratio

    def __call__(self, progress):
        minimum = ops.full((1,), math.ceil(self.length), dtype="int32")
        if self.ratio:
            if progress.source_lengths is None:
                raise ValueError(
                    "`MinimumLength` with a `ratio` needs to know how long "
                    "the sources are. Give the search a `source_mask`."
                )
            lengths = ops.cast(progress.source_lengths, "float32")
            grown = ops.ceil(self.ratio * lengths - ROUNDING)
            grown = ops.cast(grown, "int32")
            minimum = ops.maximum(minimum, grown)
        enough = ops.expand_dims(progress.time + 1 >= minimum, 1)
        ids = ops.arange(progress.vocabulary, dtype="int32")
        return ops.logical_or(enough, ops.not_equal(ids, progress.end_token))

    def get_config(self):
        return {"length": self.length, "ratio": self.ratio}


@keras.saving.register_keras_serializable(PACKAGE)
class ForbiddenWords(Rule):
    """Keeps words from being said.

    Args:
        words: list of words; a word is a token id, or a list of several that
            must not follow each other in this order.

    Example:

    >>> always_two = lambda tokens, states, memory: (
    ...     ops.one_hot(ops.zeros_like(tokens) + 2, 4), states, None
    ... )
    >>> rule = ForbiddenWords([2, [1, 1]])
    >>> search = keras_attention.search.GreedySearch(rules=[rule])
    >>> search(always_two, [ops.zeros((1, 1))], None, 5).tokens.numpy()
    array([[1, 3, 1, 3, 1]], dtype=int32)
    """

    def __init__(self, words=()):
        self.words = [
            word if isinstance(word, numbers.Integral) else list(word)
            for word in words
        ]
        for word in self._as_lists():
            if not word or any(token < 1 for token in word):
                raise ValueError(
                    "A word must be a positive token id or a list of them "
                    f"that is not empty. Received: words={words!r}."
                )

    def __call__(self, progress):
        words = self._as_lists()
        outside = [word for word in words if max(word) >= progress.vocabulary]
        if outside:
            raise ValueError(
                f"The words {outside} are not made of the model's "
                f"{progress.vocabulary} tokens."
            )
        if not words:
            return ops.ones((1, progress.vocabulary), dtype="bool")
        before = max(len(word) for word in words) - 1
        # Zeros at the left stand for any token.
        beginnings = np.zeros((1, len(words), before), "int32")
        last = np.zeros((len(words), progress.vocabulary), "float32")
        for index, (*beginning, token) in enumerate(words):
            beginnings[0, index, before - len(beginning) :] = beginning
            last[index, token] = 1.0
        said = ops.expand_dims(latest_tokens(progress, before), 1)
        begun = ops.all(
            ops.logical_or(ops.equal(said, beginnings), beginnings == 0),
            axis=2,
        )  # (rows, words)
        completing = ops.matmul(ops.cast(begun, "float32"), last)
        return ops.less(completing, 0.5)

    def _as_lists(self):
        return [
            [word] if isinstance(word, numbers.Integral) else word
            for word in self.words
        ]

    def get_config(self):
        return {"words": self.words}


@keras.saving.register_keras_serializable(PACKAGE)
class NoRepeatedNgrams(Rule):
    """Says no n tokens in a row twice.

    Args:
        size: the n of n-gram; 1 says no token twice.

    Example:

    >>> always_three = lambda tokens, states, memory: (
    ...     ops.one_hot(ops.zeros_like(tokens) + 3, 4), states, None
    ... )
    >>> rule = NoRepeatedNgrams(2)
    >>> search = keras_attention.search.GreedySearch(rules=[rule])
    >>> search(always_three, [ops.zeros((1, 1))], None, 5).tokens.numpy()
    array([[3, 3, 1, 3, 2]], dtype=int32)
    """

    def __init__(self, size=3):
        self.size = positive_integer("size", size)

    def __call__(self, progress):
        said, before = progress.tokens, self.size - 1
        # (rows, places): the last token of every n-gram of the buffer.
        last = said[:, before:]
        repeated = ops.not_equal(last, 0)
        latest = latest_tokens(progress, before)
        for offset in range(before):
            there = said[:, offset : offset - before]
            here = latest[:, offset : offset + 1]
            repeated = ops.logical_and(repeated, ops.equal(there, here))
        rows, places = ops.shape(last)[0], ops.shape(last)[1]
        row = ops.broadcast_to(
            ops.expand_dims(ops.arange(rows, dtype="int32"), 1), (rows, places)
        )
        indices = ops.stack([row, last], axis=-1)
        counts = ops.scatter(
            ops.reshape(indices, (-1, 2)),
            ops.reshape(ops.cast(repeated, "int32"), (-1,)),
            (rows, progress.vocabulary),
        )
        return ops.equal(counts, 0)

    def get_config(self):
        return {"size": self.size}


RULES = {
    "forbidden_words": ForbiddenWords,
    "minimum_length": MinimumLength,
    "no_repeated_ngrams": NoRepeatedNgrams,
}


def get(identifier):
    """Returns the `Rule` that a name, a config or an instance stands for."""
    return _get(identifier, RULES, Rule, "rule")


def allowed_tokens(rules, progress, prefix=None):
    """What all the rules leave, and the prefix above them.

    Padding is no token. Where the rules leave nothing, the end token is left.

    Args:
        rules: list of `Rule`s.
        progress: a `Progress`.
        prefix: int32 `(rows, prefix_len)`, tokens that must be said first,
            zeros after them; or `None`.

    Returns:
        Boolean `(rows or 1, vocabulary)`.
    """
    ids = ops.expand_dims(ops.arange(progress.vocabulary, dtype="int32"), 0)
    allowed = ops.not_equal(ids, 0)
    for rule in rules:
        allowed = ops.logical_and(allowed, rule(progress))
    if rules:
        stuck = ops.logical_not(ops.any(allowed, axis=1, keepdims=True))
        allowed = ops.logical_or(
            allowed, ops.logical_and(stuck, ids == progress.end_token)
        )
    if prefix is not None:
        places = ops.arange(ops.shape(prefix)[1], dtype="int32")
        now = ops.where(ops.equal(places, progress.time), prefix, 0)
        now = ops.sum(now, axis=1, keepdims=True)  # (rows, 1)
        allowed = ops.where(ops.equal(now, 0), allowed, ops.equal(ids, now))
    return allowed


def latest_tokens(progress, count):
    """Returns the last `count` tokens, `(rows, count)`, zeros before them."""
    said = progress.tokens
    rows = ops.shape(said)[0]
    padded = ops.pad(said, ((0, 0), (count, 0)))
    return ops.slice(padded, (0, progress.time), (rows, count))
