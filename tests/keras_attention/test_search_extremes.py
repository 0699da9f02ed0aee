"""Searches over logits at the ends of what numbers can be."""

import numpy as np
import pytest
from keras import ops

from keras_attention.search import (
    BeamSearch,
    GreedySearch,
    SamplingSearch,
)
from keras_attention.search.rules import (
    ForbiddenWords,
    MinimumLength,
    NoRepeatedNgrams,
    Rule,
)
from tests.tensors import numpy

END, VOCABULARY = 2, 6
INFINITY = float("inf")
SEARCHES = [GreedySearch, SamplingSearch, BeamSearch]


def always(logits):
    """A step that finds the same logits at each time."""

    def step(tokens, states, memory):
        rows = ops.broadcast_to(
            ops.convert_to_tensor([logits], "float32"),
            (ops.shape(tokens)[0], VOCABULARY),
        )
        return rows, states, None

    return step


def tokens_of(search, logits, length=4, **options):
    result = search(
        always(logits), [ops.zeros((1, 1))], None, length, **options
    )
    [tokens], [count] = numpy(result.tokens), numpy(result.lengths)
    said = [int(token) for token in tokens[: int(count)]]
    return said, float(numpy(result.scores)[0])


@pytest.mark.parametrize("search", SEARCHES)
def test_a_prefix_that_the_model_finds_impossible_is_said(search):
    logits = [0.0, 0.1, 0.3, 2.0, -INFINITY, 1.0]
    tokens, _ = tokens_of(search(), logits, prefix=[[4]])
    assert tokens[0] == 4 and 4 not in tokens[1:] and 0 not in tokens


@pytest.mark.parametrize("search", SEARCHES)
def test_a_rule_holds_where_the_rest_is_impossible(search):
    logits = [-INFINITY, -INFINITY, 1.0, -INFINITY, -INFINITY, -INFINITY]
    tokens, _ = tokens_of(search(rules=[MinimumLength(3)]), logits)
    assert len(tokens) == 3 and tokens[-1] == END
    assert not {0, END} & set(tokens[:-1])


@pytest.mark.parametrize("temperature", [1e-3, 1e-8, 1e-30])
def test_the_lowest_temperature_takes_the_likeliest(temperature):
    logits = [-1.0, -25.0, -30.0, -22.0, -20.0, -21.0]
    search = SamplingSearch(temperature=temperature)
    assert tokens_of(search, logits)[0] == [4, 4, 4, 4]
    search = SamplingSearch(
        temperature=temperature, rules=[ForbiddenWords([4])]
    )
    assert tokens_of(search, logits)[0] == [5, 5, 5, 5]


class EndAfter(Rule):
    """Nothing but the end after so many tokens."""

    def __init__(self, number):
        self.number = number

    def __call__(self, progress):
        is_end = ops.equal(ops.arange(VOCABULARY, dtype="int32"), END)
        is_early = ops.less(progress.time, self.number)
        return ops.expand_dims(ops.logical_or(is_end, is_early), 0)


@pytest.mark.parametrize(
    ("rules", "options", "most"),
    [
        ([EndAfter(2)], {"required": [[[3, 4, 5]]]}, 3),
        ([NoRepeatedNgrams(1)], {"required": [[[4, 4]]]}, 6),
        ([], {"required": [[[4]]], "prefix": [[3, END]]}, 2),
    ],
)
def test_an_answer_ends_where_rules_allow_no_required_word(
    rules, options, most
):
    logits = [0.0, 0.1, 0.3, 0.5, 0.2, 0.4]
    options = {name: np.array(one, "int32") for name, one in options.items()}
    search = BeamSearch(2, rules=rules)
    tokens, score = tokens_of(search, logits, length=7, **options)
    assert tokens[-1] == END and 0 not in tokens
    assert len(tokens) <= most
    assert score > -20
