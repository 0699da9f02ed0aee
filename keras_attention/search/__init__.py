"""Search: from one decode step to whole sequences of tokens.

A search knows nothing of the model: it gets `step(tokens, states, memory) ->
(logits, states, alignments)`. To add one, write a class in a file of its own
and a line in `SEARCHES`.
"""

from keras_attention.registry import get as _get
from keras_attention.search.beam_search import BeamSearch
from keras_attention.search.greedy_search import GreedySearch
from keras_attention.search.search import Search, SearchResult

__all__ = [
    "SEARCHES",
    "BeamSearch",
    "GreedySearch",
    "Search",
    "SearchResult",
    "get",
]

SEARCHES = {"beam": BeamSearch, "greedy": GreedySearch}


def get(identifier):
    """Returns the `Search` that a name or an instance stands for."""
    return _get(identifier, SEARCHES, Search, "search")
