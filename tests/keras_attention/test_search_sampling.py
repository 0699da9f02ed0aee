"""Sampling against the distributions it draws from, and scoring."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention.search import (
    BeamSearch,
    GreedySearch,
    SamplingSearch,
    score,
)
from keras_attention.search.random_bits import signed, threefry, uniform
from tests import reference
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
from tests.tensors import numpy

# Random123's known answers: key, counter, bits.
KNOWN = [
    ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
    ((0xFFFFFFFF,) * 2, (0xFFFFFFFF,) * 2, (0x1CB996FC, 0xBB002BE7)),
    (
        (0x13198A2E, 0x03707344),
        (0x243F6A88, 0x85A308D3),
        (0xC4923A9C, 0x483DF7A0),
    ),
]


def bits_of(key, counter):
    given = [
        ops.convert_to_tensor(np.array([signed(one)], "int32"))
        for one in (*key, *counter)
    ]
    found = threefry(tuple(given[:2]), tuple(given[2:]))
    return tuple(int(numpy(one)[0]) % 2**32 for one in found)


@pytest.mark.parametrize(("key", "counter", "bits"), KNOWN)
def test_known_bits(key, counter, bits):
    assert options.threefry(key, counter) == bits
    assert bits_of(key, counter) == bits


def test_bits_of_many_keys():
    rng = np.random.default_rng(0)
    for one in rng.integers(0, 2**32, size=(5, 4)).tolist():
        key, counter = tuple(one[:2]), tuple(one[2:])
        assert bits_of(key, counter) == options.threefry(key, counter)


def test_uniform_numbers():
    zeros = ops.zeros((1, 4001), "int32")
    rows = ops.expand_dims(ops.arange(5, dtype="int32"), 1)
    times = ops.expand_dims(ops.arange(4001, dtype="int32"), 0)
    found = numpy(uniform((zeros, rows), (times, zeros)))
    assert (found >= 0).all() and (found < 1).all()
    for row in found:
        counts, _ = np.histogram(row, bins=10, range=(0, 1))
        # Four standard deviations of a binomial count.
        assert np.abs(counts - 400).max() < 4 * np.sqrt(400 * 0.9)
    assert np.abs(np.corrcoef(found) - np.eye(5)).max() < 0.08


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"temperature": 0.5},
        {"temperature": 3.0},
        {"top_k": 2},
        {"top_p": 0.7},
        {"temperature": 2.0, "top_k": 3, "top_p": 0.8},
        {"top_k": 99},
    ],
)
def test_the_distribution(given):
    """The first token of many draws, for each row of its own language."""
    tables, states = language(seed=40)
    count = 3001
    search = SamplingSearch(seed=3, num_results=count, **given)
    result = search(step, states, tables, 1)
    assert result.tokens.shape == (ROWS, count, 1)
    options_given = {"temperature": 1.0, "top_k": None, "top_p": 1.0, **given}
    for row, table in enumerate(tables):
        following = log_probabilities(table)(())
        probabilities = options.sampling_distribution(
            following, **options_given
        )
        said = numpy(result.tokens)[row, :, 0].astype(int)
        counts = np.bincount(said, minlength=VOCABULARY)
        deviation = np.sqrt(count * probabilities * (1 - probabilities))
        assert (counts[probabilities == 0] == 0).all()
        assert (
            np.abs(counts - count * probabilities) <= 4.5 * deviation + 1e-6
        ).all()
        np.testing.assert_allclose(
            numpy(result.scores)[row], following[said], atol=1e-4
        )


def test_top_one_is_greedy():
    tables, states = language(seed=41)
    wanted = rows_of(GreedySearch()(step, states, tables, 9))
    for given in ({"top_k": 1}, {"top_p": 1e-6}, {"temperature": 1e-4}):
        search = SamplingSearch(seed=5, **given)
        compare(search(step, states, tables, 9), wanted)


def test_seeds():
    tables, states = language(seed=42)

    def draw(seed, seeds=None, results=1):
        search = SamplingSearch(2.0, seed=seed, num_results=results)
        result = search(step, states, tables, 9, seeds=seeds)
        return numpy(result.tokens)

    np.testing.assert_array_equal(draw(1), draw(1))
    assert (draw(1) != draw(2)).any()
    assert (draw(2**31 + 1) != draw(1)).any()
    several = draw(1, results=3)
    np.testing.assert_array_equal(several[:, 0], draw(1))
    assert (several[:, 0] != several[:, 1]).any()
    # Rows of the same language and seed say the same, others do not.
    tables[:] = tables[0]
    assert (draw(1) == draw(1)[0]).all()
    found = draw(1, seeds=np.arange(ROWS) // 2)
    np.testing.assert_array_equal(found[0], found[1])
    assert len(np.unique(found, axis=0)) > 2


def test_a_row_alone():
    tables, states = language(seed=43)
    limits = np.array([3, 9, 4, 7, 5, 1, 0], "int32")
    seeds = np.array([0, 5, -3, 2**31 - 1, 7, 7, 1], "int32")
    search = SamplingSearch(1.5, top_k=4, top_p=0.95, seed=9)
    found = rows_of(search(step, states, tables, limits, seeds=seeds))
    for row in range(ROWS):
        own = slice(row, row + 1)
        alone = search(
            step, [states[0][own]], tables[own], limits[own], seeds=seeds[own]
        )
        compare(alone, [found[row]])


@pytest.mark.parametrize(
    "search",
    [
        GreedySearch(rules=["no_repeated_ngrams"]),
        BeamSearch(3, num_results=2),
        SamplingSearch(top_k=3, num_results=2),
    ],
    ids=lambda search: type(search).__name__,
)
def test_limits_of_nothing(search):
    """Results of the same shapes as others, but no columns."""
    tables, states = language(seed=43)
    one, none = (
        search(step, states, tables, np.full(ROWS, limit, "int32"))
        for limit in (1, 0)
    )
    assert tuple(none.tokens.shape) == (*one.tokens.shape[:-1], 0)
    assert none.alignments.shape[-2] == 0
    assert none.alignments.shape[-1] == one.alignments.shape[-1]
    assert none.scores.shape == one.scores.shape
    assert none.lengths.shape == one.lengths.shape
    np.testing.assert_array_equal(numpy(none.lengths), 0)


TARGETS = np.array(
    [
        [3, 4, 2, 0, 0],
        [1, 1, 3, 4, 2],
        [2, 0, 0, 0, 0],
        [0, 0, 0, 0, 0],
        [4, 4, 4, 4, 4],
        [3, 2, 3, 0, 0],
        [1, 0, 0, 0, 0],
    ],
    "int32",
)


@pytest.mark.parametrize(
    "lengths", [None, np.array([2, 5, 1, 0, 3, 3, 0], "int32")]
)
def test_score(lengths):
    tables, states = language(seed=44)
    result = score(step, states, tables, TARGETS, lengths)
    assert result.tokens.shape == TARGETS.shape
    counted = lengths
    if lengths is None:
        counted = (TARGETS != 0).sum(1)
    compare(
        result,
        [
            (
                tuple(target[:length].tolist()),
                reference.sequence_score(
                    log_probabilities(table), tuple(target[:length])
                ),
            )
            for table, target, length in zip(
                tables, TARGETS, counted, strict=True
            )
        ],
    )
    np.testing.assert_allclose(numpy(result.alignments).sum((1, 2)), counted)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_score_of_what_was_said(dtype):
    """In half precision too: the sums are in float32."""
    tables, states = language(seed=45)

    def half(tokens, states, memory):
        logits, states, alignments = step(tokens, states, memory)
        return ops.cast(logits, dtype), states, ops.cast(alignments, dtype)

    search = SamplingSearch(1.3, seed=2)
    said = search(half, states, tables, 9)
    given = score(half, states, tables, said.tokens, said.lengths)
    compare(given, rows_of(said))
    np.testing.assert_allclose(
        numpy(given.alignments), numpy(said.alignments), atol=1e-6
    )
    assert keras.backend.standardize_dtype(given.scores.dtype) == "float32"
    assert END in numpy(said.tokens)


def test_errors_help():
    with pytest.raises(ValueError, match="`temperature` must be positive"):
        SamplingSearch(0.0)
    with pytest.raises(ValueError, match="`top_k` must be a positive"):
        SamplingSearch(top_k=0)
    with pytest.raises(ValueError, match="`top_p` must be larger than 0"):
        SamplingSearch(top_p=1.1)
    with pytest.raises(ValueError, match="`seed` must be an integer"):
        SamplingSearch(seed=0.5)
