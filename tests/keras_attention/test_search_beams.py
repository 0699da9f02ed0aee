"""Penalties, n-best and required words against brute force."""

import fractions
import math

import numpy as np
import pytest

from keras_attention.search import (
    BeamSearch,
    MinimumLength,
    NoRepeatedNgrams,
    length_limits,
)
from keras_attention.search.penalties import coverage_penalty
from tests.backends import needs_tensorflow
from tests.cases import make_token_model, randomize
from tests.keras_attention.test_search import (
    END,
    ROWS,
    START,
    VOCABULARY,
    compare,
    language,
    log_probabilities,
    rows_of,
    step,
)
from tests.reference import search_options as options
from tests.tensors import numpy

WIDE = 3 * 4**2 + 40  # more than there are hypotheses of 4 tokens
MASK = np.arange(2 * VOCABULARY) < np.array([[1, 2, 3, 4, 7, 9, 10]]).T
# No word; one token; a word of two; two words; one inside of the other.
REQUIRED = np.array(
    [
        [[0, 0], [0, 0]],
        [[3, 0], [0, 0]],
        [[0, 0], [4, 3]],
        [[3, 0], [4, 0]],
        [[3, 4], [1, 0]],
        [[3, 3], [3, 0]],
        [[4, 1], [1, 0]],
    ],
    "int32",
)


def attended(tokens):
    """How much `step` attends to each source token over an output."""
    history = (START, START, *tokens)
    total = np.zeros(2 * VOCABULARY)
    for time in range(len(tokens)):
        total[history[time]] += 0.5
        total[VOCABULARY + history[time + 1]] += 0.5
    return total


def expected(tables, count, exponent, weight, limit=4, keep=None):
    """By brute force, for each row."""
    found = []
    for row, table in enumerate(tables):
        outputs = [
            tokens
            for tokens in options.sequences(VOCABULARY, limit, END)
            if keep is None or keep(row, tokens)
        ]

        def bonus(tokens, row=row):
            own = attended(tokens)[MASK[row]]
            return weight * options.coverage_penalty(own)

        found.append(
            options.best_sequences(
                log_probabilities(table), outputs, count, exponent, bonus
            )
        )
    return found


def compare_all(result, wanted):
    """All results of every row."""
    for row, hypotheses in enumerate(wanted):
        for index, (tokens, score) in enumerate(hypotheses):
            length = int(numpy(result.lengths)[row, index])
            said = numpy(result.tokens)[row, index].astype(int)
            assert tuple(said[:length]) == tokens
            assert (said[length:] == 0).all()
            np.testing.assert_allclose(
                numpy(result.scores)[row, index], score, atol=1e-4
            )
            np.testing.assert_allclose(
                numpy(result.alignments)[row, index].sum(0),
                attended(tokens),
                atol=1e-5,
            )


@pytest.mark.parametrize("exponent", [-0.5, 0.0, 1.0])
@pytest.mark.parametrize("weight", [0.0, 0.2, 3.0])
def test_coverage_and_n_best(exponent, weight):
    tables, states = language(seed=30)
    search = BeamSearch(WIDE, exponent, coverage_penalty=weight, num_results=5)
    result = search(step, states, tables, 4, source_mask=MASK)
    assert result.tokens.shape == (ROWS, 5, 4)
    assert result.alignments.shape == (ROWS, 5, 4, 2 * VOCABULARY)
    compare_all(result, expected(tables, 5, exponent, weight))


def test_coverage_changes_the_best():
    tables, states = language(seed=31)
    plain = BeamSearch(8)(step, states, tables, 6)
    covering = BeamSearch(8, coverage_penalty=3.0)(step, states, tables, 6)
    assert numpy(plain.lengths).sum() < numpy(covering.lengths).sum()


def test_coverage_penalty():
    given = np.array([[0.5, 1.5, 0.0], [0.2, 0.3, 0.9]])
    mask = np.array([[True, True, True], [True, False, True]])
    np.testing.assert_allclose(
        numpy(coverage_penalty(given, mask)),
        [
            options.coverage_penalty(row[kept])
            for row, kept in zip(given, mask, strict=True)
        ],
        rtol=1e-5,
    )


def test_the_best_of_several_is_the_best():
    tables, states = language(seed=32)
    for beam in (2, 3, 8):
        best = BeamSearch(beam)(step, states, tables, 6)
        several = BeamSearch(beam, num_results=2)(step, states, tables, 6)
        first = type(best)(*(numpy(one)[:, 0] for one in several))
        compare(first, rows_of(best))
        said = numpy(several.tokens)
        assert (said[:, 0] != said[:, 1]).any(axis=1).all()
        # What has ended goes before what was cut off; then the score counts.
        ended = (said == END).any(axis=2)
        assert (ended[:, 0] >= ended[:, 1]).all()
        worse = np.diff(numpy(several.scores), axis=1)[:, 0] <= 0
        assert worse[ended[:, 0] == ended[:, 1]].all()


def test_fewer_hypotheses_than_results():
    tables, states = language(seed=33)
    search = BeamSearch(6, num_results=6)
    result = search(step, states, tables, 1)
    # Four tokens may be said; the end goes first.
    np.testing.assert_array_equal(numpy(result.lengths)[:, :4], 1)
    np.testing.assert_array_equal(numpy(result.tokens)[:, 0, 0], END)
    np.testing.assert_array_equal(numpy(result.lengths)[:, 4:], 0)
    np.testing.assert_array_equal(numpy(result.tokens)[:, 4:], 0)
    np.testing.assert_array_equal(numpy(result.alignments)[:, 4:], 0)
    np.testing.assert_allclose(numpy(result.scores)[:, 4:], -1e9)
    cut_off = numpy(result.scores)[:, 1:4]
    assert (np.diff(cut_off) <= 0).all() and (cut_off > -50).all()


def words_of(row):
    return [tuple(word[word > 0]) for word in REQUIRED[row] if word.any()]


@pytest.mark.parametrize("weight", [0.0, 0.3])
def test_required_words(weight):
    tables, states = language(seed=34)
    search = BeamSearch(WIDE, 1.0, coverage_penalty=weight, num_results=3)
    result = search(
        step, states, tables, 4, source_mask=MASK, required=REQUIRED
    )
    wanted = expected(
        tables,
        3,
        1.0,
        weight,
        keep=lambda row, tokens: all(
            options.contains(tokens, word) for word in words_of(row)
        ),
    )
    compare_all(result, wanted)


@pytest.mark.parametrize("beam", [1, 2, 3])
def test_narrow_beams_say_what_is_required(beam):
    tables, states = language(seed=35)
    search = BeamSearch(beam, rules=[NoRepeatedNgrams(3)])
    result = search(step, states, tables, 13, required=REQUIRED)
    free = BeamSearch(beam)(step, states, tables, 13)
    missing = 0
    for row, (tokens, score) in enumerate(rows_of(result)):
        # One hypothesis of each count may never find an end worthwhile.
        assert tokens[-1] == END or beam == 1
        for word in words_of(row):
            assert options.contains(tokens, word)
            missing += not options.contains(rows_of(free)[row][0], word)
        alone = search(
            step,
            [states[0][row : row + 1]],
            tables[row : row + 1],
            13,
            required=REQUIRED[row : row + 1],
        )
        compare(alone, [(tokens, score)])
    assert missing  # without being told it says less


def test_required_words_that_do_not_fit():
    tables, states = language(seed=36)
    result = BeamSearch(2)(step, states, tables, 1, required=REQUIRED)
    for row, (tokens, _) in enumerate(rows_of(result)):
        assert len(tokens) == 1
        assert (tokens[0] == END) <= (not words_of(row))


def test_required_words_inside_a_tf_function():
    tf = needs_tensorflow()
    tables, states = language(seed=37)
    search = BeamSearch(2, num_results=2)

    def run(states, tables, required):
        return search(step, [states], tables, 6, required=required)

    size = VOCABULARY
    compiled = tf.function(
        run,
        input_signature=[
            tf.TensorSpec((None, size)),
            tf.TensorSpec((None, size, size, size)),
            tf.TensorSpec((None, 2, 2), "int32"),
        ],
        autograph=False,
    )
    arguments = (states[0], tables, REQUIRED)
    for actual, wanted in zip(
        compiled(*arguments), run(*arguments), strict=True
    ):
        np.testing.assert_allclose(actual, wanted, atol=1e-4)


def counted(calls):
    """`step`, and a token of `calls` for every call."""

    def counting(tokens, states, memory):
        calls.append(None)
        return step(tokens, states, memory)

    return counting


@pytest.mark.parametrize("results", [1, 2])
def test_stops_early(results):
    """Eager loops call the step no more often than they must."""
    tables, states = language(seed=38)
    tables[..., END] += 30  # every row ends at once
    calls = []
    search = BeamSearch(3, num_results=results)
    search(counted(calls), states, tables, 1000)
    assert len(calls) < 10


def test_a_model_does_not_see_the_padding():
    """A row together with longer ones, and alone without its padding."""
    model = make_token_model(attention="additive")
    source = np.array([[4, 5, 6, 0, 0], [7, 8, 9, 10, 11], [4, 4, 0, 0, 0]])
    model({"source": source, "target": source[:, :2]})
    randomize(model, seed=39)
    search = BeamSearch(
        3, coverage_penalty=0.5, rules=[MinimumLength(ratio=0.9)]
    )

    def run(source):
        memory, states = model.encode(source)
        return search(
            model.decode_step, states, memory, 7, source_mask=source != 0
        )

    found = rows_of(run(source))
    for row in range(3):
        lengths = (source[row] != 0).sum()
        compare(run(source[row : row + 1, :lengths]), [found[row]])


def test_limits_by_source_length():
    lengths = [0, 1, 3, 7, 11]
    np.testing.assert_array_equal(
        numpy(length_limits(lengths, ratio=1.5, extra=2, longest=12)),
        [min(12, int(1.5 * length) + 2) for length in lengths],
    )


@pytest.mark.parametrize("ratio", [1e9, 1e30, math.inf])
def test_a_ratio_that_limits_nothing(ratio):
    found = numpy(length_limits([1, 40], ratio=ratio, extra=10, longest=12))
    np.testing.assert_array_equal(found, [12, 12])


@pytest.mark.parametrize("ratio", ["0.1", "1.05", "1.1", "1.3", "2.3"])
def test_limits_are_those_of_exact_arithmetic(ratio):
    lengths = range(1, 129)
    np.testing.assert_array_equal(
        numpy(length_limits(lengths, ratio=float(ratio))),
        [math.floor(fractions.Fraction(ratio) * n) for n in lengths],
    )


def test_errors_help():
    tables, states = language()
    with pytest.raises(ValueError, match="`num_results` cannot be larger"):
        BeamSearch(2, num_results=3)
    with pytest.raises(ValueError, match="`num_results` must be a positive"):
        BeamSearch(2, num_results=0)
    with pytest.raises(ValueError, match="`coverage_penalty` must not be neg"):
        BeamSearch(2, coverage_penalty=-0.1)
    with pytest.raises(ValueError, match="needs a `step` that returns align"):
        BeamSearch(2, coverage_penalty=0.1)(
            lambda *given: (*step(*given)[:2], None), states, tables, 3
        )
