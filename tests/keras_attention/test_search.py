"""Searches against plain lists and brute force, on a tiny language.

In the language each row of the batch has a table of its own: what comes next
depends on the row and on the last two tokens.
"""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention.search import BeamSearch, GreedySearch
from tests import reference
from tests.backends import needs_tensorflow
from tests.cases import make_token_model, numpy, randomize

VOCABULARY, START, END = 5, 1, 2
ROWS = 7


def language(seed=0, rows=ROWS):
    """Returns `(tables, states)`: a memory and first states for `step`."""
    rng = np.random.default_rng(seed)
    shape = (rows, VOCABULARY, VOCABULARY, VOCABULARY)
    tables = rng.normal(scale=2.0, size=shape).astype("float32")
    return tables, [np.eye(VOCABULARY, dtype="float32")[[START] * rows]]


def step(tokens, states, memory):
    """The last token but one is the state; alignments show both."""
    last = ops.one_hot(tokens, VOCABULARY)
    logits = ops.einsum("rabc,ra,rb->rc", memory, states[0], last)
    alignments = ops.concatenate([states[0], last], axis=-1) / 2
    return logits, [last], alignments


def log_probabilities(table):
    """The same language for one row, as `reference` wants it."""

    def following(tokens):
        history = (START, START, *tokens)
        logits = table[history[-2], history[-1]].astype("float64")
        found = logits - np.log(np.exp(logits).sum())
        found[0] = -1e9  # padding is no token
        return found

    return following


def rows_of(result):
    """`[(tokens, score)]`, and that what follows the end is empty."""
    found = []
    for tokens, length, score in zip(
        numpy(result.tokens).astype(int),
        numpy(result.lengths).astype(int),
        numpy(result.scores),
        strict=True,
    ):
        assert (tokens[length:] == 0).all()
        assert (tokens[:length] != 0).all()
        found.append((tuple(int(token) for token in tokens[:length]), score))
    return found


def compare(result, expected):
    for actual, wanted in zip(rows_of(result), expected, strict=True):
        assert actual[0] == wanted[0]
        np.testing.assert_allclose(actual[1], wanted[1], atol=1e-4)


@pytest.mark.parametrize("limit", [1, 2, 11])
def test_greedy(limit):
    tables, states = language()
    result = GreedySearch(START, END)(step, states, tables, limit)
    assert result.tokens.shape == (ROWS, limit)
    compare(
        result,
        [
            reference.greedy_search(log_probabilities(table), limit, END)
            for table in tables
        ],
    )


@pytest.mark.parametrize("limit", [1, 5, 11])
def test_a_beam_of_one_is_greedy(limit):
    tables, states = language(seed=1)
    greedy = GreedySearch(START, END)(step, states, tables, limit)
    beam = BeamSearch(1, length_penalty=0.0)(step, states, tables, limit)
    compare(beam, rows_of(greedy))
    np.testing.assert_allclose(
        numpy(beam.alignments), numpy(greedy.alignments), atol=1e-6
    )


@pytest.mark.parametrize("exponent", [0.0, 0.7, 1.0, 2.0])
def test_an_exhaustive_beam_is_brute_force(exponent):
    tables, states = language(seed=2)
    limit = 4
    search = BeamSearch(3 * 4**2 + 40, exponent, START, END)
    compare(
        search(step, states, tables, limit),
        [
            reference.best_sequence(
                log_probabilities(table), VOCABULARY, limit, END, exponent
            )
            for table in tables
        ],
    )


@pytest.mark.parametrize("exponent", [-0.5, 0.0, 1.0])
@pytest.mark.parametrize("beam", [2, 3, 8])
def test_beams(beam, exponent):
    """Stopping early changes nothing."""
    tables, states = language(seed=3)
    limit = 6
    compare(
        BeamSearch(beam, exponent)(step, states, tables, limit),
        [
            reference.beam_search(
                log_probabilities(table), VOCABULARY, beam, limit, END, exponent
            )
            for table in tables
        ],
    )


def test_a_larger_penalty_makes_longer_outputs():
    tables, states = language(seed=4)
    lengths = [
        numpy(BeamSearch(8, exponent)(step, states, tables, 9).lengths).sum()
        for exponent in (0.0, 1.0, 3.0)
    ]
    assert lengths[0] < lengths[-1]
    assert lengths == sorted(lengths)


@pytest.mark.parametrize("search", [GreedySearch(), BeamSearch(3)])
def test_limits_by_row(search):
    tables, states = language(seed=5)
    limits = np.array([1, 2, 3, 4, 5, 9, 0], "int32")
    result = search(step, states, tables, limits)
    lengths = numpy(result.lengths)
    assert (lengths <= limits).all()
    assert lengths[-1] == 0
    assert result.tokens.shape == (ROWS, 9)
    found = rows_of(result)
    for row, limit in enumerate(limits[:-1]):
        alone = search(
            step,
            [states[0][row : row + 1]],
            tables[row : row + 1],
            np.array([limit], "int32"),
        )
        compare(alone, [found[row]])


@pytest.mark.parametrize("search", [GreedySearch(), BeamSearch(3)])
def test_alignments_belong_to_the_tokens(search):
    tables, states = language(seed=6)
    result = search(step, states, tables, 6)
    alignments = numpy(result.alignments)
    for row, (tokens, _) in enumerate(rows_of(result)):
        history = (START, START, *tokens)
        for time in range(6):
            expected = np.zeros(2 * VOCABULARY)
            if time < len(tokens):
                expected[history[time]] = 0.5
                expected[VOCABULARY + history[time + 1]] = 0.5
            np.testing.assert_allclose(alignments[row, time], expected)


@pytest.mark.parametrize("search", [GreedySearch(), BeamSearch(3)])
def test_end_token_and_no_alignments(search):
    search = type(search)(
        **({"beam_size": 3} if isinstance(search, BeamSearch) else {}),
        start_token=3,
        end_token=4,
    )

    def three_four(tokens, states, memory):
        # 3 after a start that was 3; then 4.
        time = states[0]
        first = ops.cast(ops.equal(time, 0.0), "float32")
        logits = 9 * ops.concatenate(
            [time * 0, time * 0, time * 0, first, 1 - first], axis=-1
        )
        return logits, [time + 1], None

    result = search(three_four, [np.zeros((2, 1), "float32")], None, 7)
    assert [tokens for tokens, _ in rows_of(result)] == [(3, 4)] * 2
    assert result.alignments is None


@pytest.mark.parametrize("attention", ["additive", "none"])
@pytest.mark.parametrize("search", [GreedySearch(), BeamSearch(3)])
def test_inside_a_tf_function_with_unknown_sizes(search, attention):
    tf = needs_tensorflow()
    model = make_token_model(attention=attention)
    source = np.array([[4, 5, 6, 0, 0], [7, 8, 9, 10, 11], [4, 4, 0, 0, 0]])
    model({"source": source, "target": source[:, :2]})
    randomize(model, seed=7)

    def run(source, limits):
        memory, states = model.encode(source)
        return search(model.decode_step, states, memory, limits)

    unknown = tf.TensorSpec((None, None), "int32")
    limits_spec = tf.TensorSpec((None,), "int32")
    compiled = tf.function(
        run, input_signature=[unknown, limits_spec], autograph=False
    )
    source = source.astype("int32")
    limits = np.array([5, 3, 7], "int32")
    together = compiled(source, limits)
    compare(together, rows_of(run(source, limits)))
    found = rows_of(together)
    for row in range(3):
        # Alone, and without its padding.
        own = source[row : row + 1, : (source[row] != 0).sum()]
        compare(compiled(own, limits[row : row + 1]), [found[row]])


def test_greedy_says_what_the_whole_model_would():
    """Teacher forcing with the greedy tokens gives the same tokens again."""
    model = make_token_model(attend="after", input_feeding=True)
    source = np.array([[4, 5, 6, 0, 0], [7, 8, 9, 10, 11]])
    model({"source": source, "target": source})
    randomize(model, seed=8)
    memory, states = model.encode(source)
    result = GreedySearch()(model.decode_step, states, memory, 7)
    said = numpy(result.tokens).astype("int32")
    target = np.concatenate([np.full((2, 1), START), said[:, :-1]], axis=1)
    logits, alignments = model(
        {"source": source, "target": target}, return_attention_scores=True
    )
    probabilities = numpy(keras.ops.log_softmax(logits))
    for row, (tokens, score) in enumerate(rows_of(result)):
        length = len(tokens)
        own = probabilities[row, :length]
        np.testing.assert_array_equal(own[:, 1:].argmax(-1) + 1, tokens)
        total = sum(own[time, token] for time, token in enumerate(tokens))
        np.testing.assert_allclose(total, score, atol=1e-4)
        np.testing.assert_allclose(
            numpy(result.alignments)[row, :length],
            numpy(alignments)[row, :length],
            atol=1e-5,
        )


def test_errors_help():
    with pytest.raises(ValueError, match="`beam_size` must be a positive"):
        BeamSearch(beam_size=0)
