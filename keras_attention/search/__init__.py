"""Search: from one decode step to whole sequences of tokens.

A search knows nothing of the model: it gets `step(tokens, states, memory) ->
(logits, states, alignments)`. To add one, write a class in a file of its own
and a line in `SEARCHES`; what may be said is up to `rules`.
"""

from keras_attention.registry import get as _get
from keras_attention.search.beam_search import BeamSearch
from keras_attention.search.greedy_search import GreedySearch
from keras_attention.search.penalties import coverage_penalty, length_penalty
from keras_attention.search.rules import (
    RULES,
    ForbiddenWords,
    MinimumLength,
    NoRepeatedNgrams,
    Progress,
    Rule,
)
from keras_attention.search.sampling_search import SamplingSearch
from keras_attention.search.scoring import score
from keras_attention.search.search import (
    Search,
    SearchResult,
    length_limits,
)

__all__ = [
    "RULES",
    "SEARCHES",
    "BeamSearch",
    "ForbiddenWords",
    "GreedySearch",
    "MinimumLength",
    "NoRepeatedNgrams",
    "Progress",
    "Rule",
    "SamplingSearch",
    "Search",
    "SearchResult",
    "coverage_penalty",
    "get",
    "length_limits",
    "length_penalty",
    "score",
]

SEARCHES = {
    "beam": BeamSearch,
    "greedy": GreedySearch,
    "sampling": SamplingSearch,
}


def get(identifier):
    """Returns the `Search` that a name or an instance stands for.

    Example:

    >>> type(get("beam")).__name__
    'BeamSearch'
    """
    return _get(identifier, SEARCHES, Search, "search")
