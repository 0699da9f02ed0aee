"""Rules and prefixes against plain lists and brute force."""

import numpy as np
import pytest

from keras_attention import search as ka_search
from keras_attention.search import (
    BeamSearch,
    ForbiddenWords,
    GreedySearch,
    MinimumLength,
    NoRepeatedNgrams,
    SamplingSearch,
)
from tests import reference
from tests.backends import needs_tensorflow
from tests.keras_attention.test_search import (
    END,
    ROWS,
    VOCABULARY,
    compare,
    language,
    log_probabilities,
    rows_of,
    step,
)
from tests.reference import search_options as options

LENGTHS = np.array([1, 2, 3, 5, 4, 2, 0])
MASK = np.arange(5) < LENGTHS[:, None]
WORDS = [4, [3, 3], (1, 3, 1)]
PREFIX = np.array(
    [[3, 4], [4, 0], [0, 0], [1, 1], [2, 0], [3, 2], [4, 4]], "int32"
)

# Name to (rules, what they allow in row `row`).
CASES = {
    "minimum": (
        [MinimumLength(4)],
        lambda row: options.at_least(4, END),
    ),
    "minimum_by_source": (
        [MinimumLength(2, ratio=0.8)],
        lambda row: options.at_least(
            max(2, int(np.ceil(0.8 * LENGTHS[row]))), END
        ),
    ),
    "forbidden": (
        [ForbiddenWords(WORDS)],
        lambda row: options.without_words([(4,), (3, 3), (1, 3, 1)]),
    ),
    "no_repeated_tokens": (
        [NoRepeatedNgrams(1)],
        lambda row: options.without_repetition(1),
    ),
    "no_repeated_bigrams": (
        [NoRepeatedNgrams(2)],
        lambda row: options.without_repetition(2),
    ),
    "no_repeated_trigrams": (
        ["no_repeated_ngrams"],
        lambda row: options.without_repetition(3),
    ),
    # Together they leave nothing at times: then the end token.
    "all": (
        [MinimumLength(6), ForbiddenWords([4]), NoRepeatedNgrams(1)],
        lambda row: (
            lambda tokens, token: (
                options.at_least(6, END)(tokens, token)
                and options.without_words([(4,)])(tokens, token)
                and options.without_repetition(1)(tokens, token)
            )
        ),
    ),
}


def languages(tables, allowed):
    return [
        options.restricted(log_probabilities(table), allowed(row), END)
        for row, table in enumerate(tables)
    ]


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("limit", [1, 2, 9])
def test_greedy(name, limit):
    rules, allowed = CASES[name]
    tables, states = language(seed=20)
    search = GreedySearch(rules=rules)
    result = search(step, states, tables, limit, source_mask=MASK)
    compare(
        result,
        [
            reference.greedy_search(following, limit, END)
            for following in languages(tables, allowed)
        ],
    )
    free = rows_of(GreedySearch()(step, states, tables, limit))
    if limit == 9:
        assert rows_of(result) != free  # the rules change something


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("beam", [2, 300])
def test_beams(name, beam):
    rules, allowed = CASES[name]
    tables, states = language(seed=21)
    limit = 5
    search = BeamSearch(beam, 0.6, rules=rules)
    compare(
        search(step, states, tables, limit, source_mask=MASK),
        [
            reference.beam_search(following, VOCABULARY, beam, limit, END, 0.6)
            for following in languages(tables, allowed)
        ],
    )


@pytest.mark.parametrize("limit", [1, 2, 7])
def test_prefixes(limit):
    """Also where the rules would not have it, or nothing is given."""
    tables, states = language(seed=22)
    free = options.without_words([(4,)])

    def allowed(row):
        prefix = tuple(PREFIX[row][PREFIX[row] > 0])
        forced = options.beginning_with(prefix)
        return lambda tokens, token: (
            forced(tokens, token)
            and (len(tokens) < len(prefix) or free(tokens, token))
        )

    rules = [ForbiddenWords([4])]
    for search, exact in (
        (
            GreedySearch(rules=rules),
            lambda one: reference.greedy_search(one, limit, END),
        ),
        (
            BeamSearch(3, rules=rules),
            lambda one: reference.beam_search(
                one, VOCABULARY, 3, limit, END, 1.0
            ),
        ),
        (
            SamplingSearch(top_k=1, rules=rules),
            lambda one: reference.greedy_search(one, limit, END),
        ),
    ):
        result = search(step, states, tables, limit, prefix=PREFIX)
        expected = [exact(one) for one in languages(tables, allowed)]
        compare(result, expected)


@pytest.mark.parametrize("name", CASES)
def test_a_row_alone(name):
    rules, _ = CASES[name]
    tables, states = language(seed=23)
    limits = np.array([3, 9, 4, 7, 5, 1, 6], "int32")
    for search in (GreedySearch(rules=rules), BeamSearch(3, rules=rules)):
        found = rows_of(
            search(step, states, tables, limits, MASK, prefix=PREFIX)
        )
        for row in range(ROWS):
            own = slice(row, row + 1)
            alone = search(
                step,
                [states[0][own]],
                tables[own],
                limits[own],
                MASK[own],
                prefix=PREFIX[own],
            )
            compare(alone, [found[row]])


@pytest.mark.parametrize("jit_compile", [False, True])
def test_inside_a_tf_function(jit_compile):
    tf = needs_tensorflow()
    rules = [
        MinimumLength(2, ratio=0.8),
        ForbiddenWords(WORDS),
        NoRepeatedNgrams(2),
    ]
    tables, states = language(seed=24)
    for search in (
        GreedySearch(rules=rules),
        BeamSearch(3, num_results=2, coverage_penalty=0.2, rules=rules),
        SamplingSearch(top_k=3, top_p=0.8, rules=rules),
    ):

        def run(states, tables, mask, prefix, search=search):
            return search(step, [states], tables, 6, mask, prefix=prefix)

        size = VOCABULARY
        compiled = tf.function(
            run,
            input_signature=[
                tf.TensorSpec((None, size)),
                tf.TensorSpec((None, size, size, size)),
                tf.TensorSpec((None, None), "bool"),
                tf.TensorSpec((None, None), "int32"),
            ],
            autograph=False,
            jit_compile=jit_compile,
        )
        # The alignments of this language are as wide as two vocabularies.
        mask = np.arange(2 * size) < 2 * LENGTHS[:, None]
        arguments = (states[0], tables, mask, PREFIX)
        for actual, expected in zip(
            compiled(*arguments), run(*arguments), strict=True
        ):
            np.testing.assert_allclose(actual, expected, atol=1e-4)


@pytest.mark.parametrize("name", ka_search.RULES)
def test_configs(name):
    import keras

    made = {
        "forbidden_words": ForbiddenWords([3, [4, 5]]),
        "minimum_length": MinimumLength(3, 0.5),
        "no_repeated_ngrams": NoRepeatedNgrams(4),
    }[name]
    assert type(made) is ka_search.RULES[name]
    config = keras.saving.serialize_keras_object(made)
    (again,) = GreedySearch(rules=[config]).rules
    assert type(again) is type(made)
    assert again.get_config() == made.get_config()


def test_errors_help():
    tables, states = language()
    with pytest.raises(ValueError, match="`length` must be a number"):
        MinimumLength(-1)
    with pytest.raises(ValueError, match="positive token id"):
        ForbiddenWords([3, []])
    with pytest.raises(ValueError, match="`size` must be a positive"):
        NoRepeatedNgrams(0)
    with pytest.raises(ValueError, match="Give the search a `source_mask`"):
        GreedySearch(rules=[MinimumLength(ratio=1.0)])(step, states, tables, 3)
    with pytest.raises(ValueError, match="not made of the model's 5 tokens"):
        GreedySearch(rules=[ForbiddenWords([7])])(step, states, tables, 3)
    with pytest.raises(ValueError, match="Unknown rule"):
        GreedySearch(rules=["minimum_lenght"])
