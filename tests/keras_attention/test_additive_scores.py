"""Additive scores in blocks: the numbers of the formula, without its tensor."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention.functional import additive
from keras_attention.functional.additive import additive_scores
from tests.backends import needs_dtype, tensorflow_only
from tests.gradients import gradients
from tests.tensors import numpy

BATCH, TARGET, SOURCE, UNITS = 2, 3, 5, 13
ROW = SOURCE * UNITS
# One row of one example at a time; two of three rows, with one to fill up;
# one example at a time; both at once.
BLOCKS = {"row": 1, "rows": 2 * ROW, "example": 3 * ROW, "batch": 10 * ROW}


def data(size=1.0, batch=BATCH, dtype="float32"):
    """Returns query, keys, scale, and a gradient of the scores."""
    rng = np.random.default_rng(0)
    shapes = [
        (batch, TARGET, UNITS),
        (batch, SOURCE, UNITS),
        (UNITS,),
        (batch, TARGET, SOURCE),
    ]
    sizes = [size, size, 1.0, 1.0]
    return [
        rng.normal(scale=one, size=shape).astype(dtype)
        for one, shape in zip(sizes, shapes, strict=True)
    ]


def expected(query, keys, scale, upstream):
    """Bahdanau et al. (2014), A.1.2, and its derivatives, one by one.

    With `e = v . tanh(q + k)`: `de/dq = de/dk = v (1 - tanh^2)` and
    `de/dv = tanh`.
    """
    query, keys, scale = (one.astype("float64") for one in (query, keys, scale))
    scores = np.zeros((len(query), query.shape[1], keys.shape[1]))
    by_query, by_keys, by_scale = (
        np.zeros_like(one) for one in (query, keys, scale)
    )
    for example, target, source in np.ndindex(scores.shape):
        hidden = np.tanh(query[example, target] + keys[example, source])
        weight = upstream[example, target, source]
        scores[example, target, source] = scale @ hidden
        by_query[example, target] += weight * scale * (1 - hidden**2)
        by_keys[example, source] += weight * scale * (1 - hidden**2)
        by_scale += weight * hidden
    return scores, by_query, by_keys, by_scale


def assert_as_expected(inputs, tolerance=1e-5, function=additive_scores):
    *inputs, upstream = inputs
    scores, found, _ = gradients(function, inputs, upstream=upstream)
    results = [numpy(scores), *found]
    right = expected(*inputs, upstream)
    for result, one in zip(results, right, strict=True):
        np.testing.assert_allclose(result, one, atol=tolerance, rtol=0)


@pytest.fixture(params=BLOCKS)
def blocked(request, monkeypatch):
    monkeypatch.setattr(additive, "SMALL", 0)
    monkeypatch.setattr(additive, "BLOCK", BLOCKS[request.param])


@pytest.fixture
def in_rows(monkeypatch):
    monkeypatch.setattr(additive, "SMALL", 0)
    monkeypatch.setattr(additive, "BLOCK", BLOCKS["rows"])


@pytest.mark.parametrize("size", [1.0, 9.0])
def test_scores_and_gradients_are_those_of_the_formula(blocked, size):
    assert_as_expected(data(size))


def test_an_even_number_of_units(in_rows):
    query, keys, scale, upstream = data()
    assert_as_expected([query[..., :6], keys[..., :6], scale[:6], upstream])


def test_examples_are_grouped_and_the_last_group_filled_up(monkeypatch):
    monkeypatch.setattr(additive, "SMALL", 0)
    monkeypatch.setattr(additive, "BLOCK", 2 * TARGET * ROW)
    assert_as_expected(data(batch=5))


def test_small_inputs_are_scored_at_once(monkeypatch):
    monkeypatch.setattr(additive, "_blocked_scores", None)
    assert_as_expected(data())


def test_a_single_query_is_scored_at_once(monkeypatch):
    monkeypatch.setattr(additive, "SMALL", 0)
    monkeypatch.setattr(additive, "_blocked_scores", None)
    query, keys, scale, upstream = data()
    assert_as_expected([query[:, :1], keys, scale, upstream[:, :1]])


@pytest.mark.parametrize(
    ("query", "keys"),
    [
        # On both sides of the limit, and where the products overflow.
        (15.9, -15.9),
        (15.9, 15.9),
        (31.5, -0.4),
        (0.4, -31.5),
        (16.1, -16.1),
        (40.0, -40.0),
        (40.0, -39.0),
        (-43.0, 44.0),
        (1e4, -1e4),
        (1e4, 1e4),
        (-1e4, 9e3),
        (3e38, -3e38),
    ],
)
def test_large_inputs_are_neither_clipped_nor_infinite(in_rows, query, keys):
    like = data()
    inputs = [
        np.full_like(like[0], query),
        np.full_like(like[1], keys),
        *like[2:],
    ]
    assert_as_expected(inputs)


def test_a_large_unit_beside_a_small_one(in_rows):
    query, keys, scale, upstream = data()
    # The two units that share a division: their denominators are 4e27 and
    # about one; then both large; then one of them beyond the limit.
    for first, second in ((31.0, -0.5), (31.0, 30.0), (90.0, -0.5)):
        query[..., 0], query[..., 7] = first, second
        assert_as_expected([query, keys * 0.1, scale, upstream])


def test_large_random_inputs(blocked):
    assert_as_expected(data(1e4))


@pytest.mark.parametrize("size", [0.01, 1.0, 4.0, 8.0])
def test_the_error_is_that_of_a_sum_in_float32(in_rows, size):
    *inputs, upstream = data(size)
    right = expected(*inputs, upstream)[0]
    error = np.abs(numpy(additive_scores(*inputs)) - right).max()
    assert error < 3e-7 * np.abs(inputs[2]).sum()


@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    [("float64", 1e-12), ("float16", 2e-2), ("bfloat16", 1e-1)],
)
def test_other_dtypes(in_rows, dtype, tolerance):
    needs_dtype(dtype)
    *arrays, upstream = data()
    inputs = [ops.convert_to_tensor(one, dtype) for one in arrays]
    scores, found, _ = gradients(additive_scores, inputs, upstream=upstream)
    assert keras.backend.standardize_dtype(scores.dtype) == dtype
    # From what is left of the inputs in this dtype.
    right = expected(*(numpy(one) for one in inputs), upstream)
    for result, one in zip([numpy(scores), *found], right, strict=True):
        np.testing.assert_allclose(result, one, atol=tolerance, rtol=tolerance)


@tensorflow_only
@pytest.mark.parametrize("jit_compile", [False, True])
def test_unknown_sizes(in_rows, jit_compile):
    import tensorflow as tf

    shapes = [(None, None, UNITS), (None, None, UNITS), (UNITS,)]
    function = tf.function(
        additive_scores,
        input_signature=[tf.TensorSpec(one) for one in shapes],
        jit_compile=jit_compile,
    )
    for batch in (7,) if jit_compile else (BATCH, 7):
        assert_as_expected(data(batch=batch), function=function)


@tensorflow_only
def test_shapes_that_are_known_stay_known(in_rows):
    import tensorflow as tf

    shapes = [(None, TARGET, UNITS), (None, SOURCE, UNITS), (UNITS,)]
    function = tf.function(
        additive_scores, input_signature=[tf.TensorSpec(one) for one in shapes]
    )
    (scores,) = function.get_concrete_function().outputs
    assert scores.shape[1:] == (TARGET, SOURCE)


@tensorflow_only
def test_no_tensor_is_larger_than_a_block(monkeypatch):
    import tensorflow as tf

    block = 4 * ROW
    monkeypatch.setattr(additive, "SMALL", 0)
    monkeypatch.setattr(additive, "BLOCK", block)
    batch = 11
    inputs = [tf.constant(one) for one in data(batch=batch)]

    def train(*inputs):
        *inputs, upstream = inputs
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            scores = additive_scores(*inputs)
        return tape.gradient(scores, inputs, upstream)

    def largest(graph):
        return max(
            tensor.shape.num_elements() or 0
            for one in [graph, *graph._functions.values()]
            for operation in getattr(one, "graph", one).get_operations()
            for tensor in operation.outputs
            if tensor.shape.rank is not None
        )

    graph = tf.function(train).get_concrete_function(*inputs).graph
    assert largest(graph) <= max(block, batch * ROW)
    # The check itself finds what it looks for.
    monkeypatch.setattr(additive, "SMALL", 10**9)
    graph = tf.function(train).get_concrete_function(*inputs).graph
    assert largest(graph) == batch * TARGET * ROW
