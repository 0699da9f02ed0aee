"""What holds for every input: sizes, masks and numbers are made up.

Hypothesis makes them up, the same ones in every run.
"""

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import keras_attention as ka
from tests.backends import BACKEND
from tests.tensors import numpy, randomize

# Every new shape compiles anew on JAX: very few examples there. None are spent
# on making one that fails smaller.
few = settings(
    max_examples=2 if BACKEND == "jax" else 15,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
)
CONTENT = ("additive", "concat", "dot", "general", "scaled_dot")
SMOOTH = ("softmax", "sparsemax")
ALL = (*SMOOTH, "hardmax")
EQUAL_WIDTHS = ("dot", "scaled_dot")

# A product of two of them, summed, is still a float32.
HUGE = st.floats(-(2.0**60), 2.0**60, width=32)
TAME = st.floats(-4, 4, width=32)
# With these a product is exact: equal scores are equal wherever they stand.
WHOLE = st.integers(-4, 4).map(float)


@st.composite
def problems(draw, score, elements):
    """`(query, value, mask)`; some masks let nothing through."""
    batch, target, source, query_width, width = (
        draw(st.integers(1, most)) for most in (3, 5, 9, 7, 7)
    )
    if score in EQUAL_WIDTHS:
        query_width = width
    query, value = (
        draw(arrays.arrays(np.float32, shape, elements=elements))
        for shape in ((batch, target, query_width), (batch, source, width))
    )
    mask = draw(arrays.arrays(bool, (batch, source)))
    return query, value, mask


def made(score, normalizer, query, value):
    layer = ka.Attention(score=score, normalizer=normalizer)
    layer.build([query.shape, value.shape])
    return randomize(layer)


def attend(layer, query, value, mask, **options):
    """Returns `(context, alignments)` in NumPy."""
    results = layer(
        [query, value],
        mask=[None, mask],
        return_attention_scores=True,
        **options,
    )
    return tuple(numpy(one) for one in results)


@pytest.mark.parametrize("normalizer", ALL)
@pytest.mark.parametrize("score", CONTENT)
@few
@given(st.data(), st.booleans(), st.booleans())
def test_alignments_are_shares(score, normalizer, data, causal, training):
    """Not negative, one in sum or a row of zeros, zero on padding; no NaN."""
    query, value, mask = data.draw(problems(score, HUGE))
    context, alignments = attend(
        made(score, normalizer, query, value),
        query,
        value,
        mask,
        use_causal_mask=causal,
        training=training,
    )
    assert context.shape == (*query.shape[:2], value.shape[-1])
    assert alignments.shape == (*query.shape[:2], value.shape[1])
    assert np.isfinite(context).all()
    assert (alignments >= 0).all()
    allowed = np.repeat(mask[:, None], query.shape[1], axis=1)
    if causal:
        allowed = np.tril(allowed)
    assert (alignments[~allowed] == 0).all()
    np.testing.assert_allclose(
        alignments.sum(-1), allowed.any(-1).astype("float64"), atol=1e-5
    )
    np.testing.assert_array_equal(context[~allowed.any(-1)], 0.0)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@few
@given(st.data())
def test_half_precision_has_no_nan(dtype, data):
    """Whatever a half can hold, though products of it overflow."""
    query, value, mask = data.draw(
        problems("dot", st.floats(-60000, 60000, width=16))
    )
    # Of one sign: infinity less infinity is nobody's score.
    query, value = np.abs(query), np.abs(value)
    layer = ka.Attention("dot", dtype=dtype)
    context, alignments = attend(layer, query, value, mask)
    assert not np.isnan(context).any()
    np.testing.assert_allclose(
        alignments.sum(-1),
        np.repeat(mask.any(-1, keepdims=True), query.shape[1], axis=1),
        atol=0.02,
    )


@pytest.mark.parametrize(
    ("score", "normalizer", "elements"),
    [
        *((score, name, TAME) for score in CONTENT for name in SMOOTH),
        ("dot", "hardmax", WHOLE),
    ],
)
@few
@given(st.data(), st.integers(1, 4))
def test_more_padding_changes_nothing(score, normalizer, elements, data, more):
    query, value, mask = data.draw(problems(score, elements))
    layer = made(score, normalizer, query, value)
    context, alignments = attend(layer, query, value, mask)
    padding = np.full((len(value), more, value.shape[-1]), np.nan, "float32")
    longer, padded = attend(
        layer,
        query,
        np.concatenate([value, padding], axis=1),
        np.concatenate([mask, np.zeros((len(mask), more), bool)], axis=1),
    )
    np.testing.assert_allclose(longer, context, atol=1e-5)
    source = value.shape[1]
    np.testing.assert_allclose(padded[..., :source], alignments, atol=1e-5)
    np.testing.assert_array_equal(padded[..., source:], 0.0)


@pytest.mark.parametrize("normalizer", SMOOTH)
@pytest.mark.parametrize("score", CONTENT)
@few
@given(st.data())
def test_order_of_the_source_is_order_of_the_alignments(
    score, normalizer, data
):
    """What a position holds counts, not where it stands."""
    query, value, mask = data.draw(problems(score, TAME))
    order = data.draw(st.permutations(range(value.shape[1])))
    layer = made(score, normalizer, query, value)
    context, alignments = attend(layer, query, value, mask)
    again, permuted = attend(layer, query, value[:, order], mask[:, order])
    np.testing.assert_allclose(permuted, alignments[..., order], atol=1e-5)
    np.testing.assert_allclose(again, context, atol=1e-4)


@pytest.mark.parametrize(
    ("score", "normalizer", "elements"),
    [
        *((score, name, TAME) for score in CONTENT for name in SMOOTH),
        ("dot", "hardmax", WHOLE),
    ],
)
@few
@given(st.data())
def test_a_row_does_not_know_the_others(score, normalizer, elements, data):
    """A batch of one is its row of a larger batch."""
    query, value, mask = data.draw(problems(score, elements))
    layer = made(score, normalizer, query, value)
    batch = attend(layer, query, value, mask)
    row = data.draw(st.integers(0, len(query) - 1))
    one = slice(row, row + 1)
    alone = attend(layer, query[one], value[one], mask[one])
    for single, several in zip(alone, batch, strict=True):
        np.testing.assert_allclose(single, several[one], atol=1e-5)


QUERY, VALUE = np.ones((2, 3, 7)), np.ones((2, 5, 11))
EQUAL = np.ones((2, 5, 7))


def attention(*arguments, **options):
    return lambda: ka.Attention(*arguments, **options)


def call(score, query, value, mask=None):
    return lambda: ka.Attention(score)([query, value], mask=mask)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            call("general", QUERY[:, 0], VALUE),
            r"query of rank 3.*query of shape \(2, 7\).*expand_dims",
        ),
        (call("general", QUERY, VALUE[:, 0]), r"value of shape \(2, 11\)"),
        (call("general", QUERY[:1], VALUE), "the same batch size"),
        (
            call("general", QUERY, VALUE, [None, np.ones((2, 5, 1))]),
            r"value mask.*\(2, 5\). Received: a mask of shape \(2, 5, 1\)",
        ),
        (
            call("general", QUERY, VALUE, [None, np.ones(5)]),
            r"Received: a mask of shape \(5,\)",
        ),
        (
            call("general", QUERY, VALUE, [np.ones((2, 5)), None]),
            r"query mask.*\(2, 3\). Received: a mask of shape \(2, 5\)",
        ),
        (call("dot", QUERY, VALUE), "query 7, key 11. Use score='general'"),
        (call("scaled_dot", QUERY, VALUE), "query 7, key 11"),
        (attention("aditive"), "Unknown score.*Did you mean 'additive'"),
        (attention("scaled-dot"), "Did you mean 'scaled_dot'"),
        (attention("generl"), "Did you mean 'general'.*one of \\["),
        (attention(window="globl"), "window.*Did you mean 'global'"),
        (attention(normalizer="softmaxx"), "Did you mean 'softmax'"),
        (attention(normalizer="hard max"), "Did you mean 'hardmax'"),
        (attention(dropout=1), r"\[0, 1\).*Received: dropout=1"),
        (attention(dropout=True), "Received: dropout=True"),
    ],
)
def test_wrong_inputs_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
