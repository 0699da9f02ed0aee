"""Where we differ from Keras's attention layers on purpose.

Each with what Keras does instead, so that `docs/drop_in.md` stays true.
"""

import re
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_attention as ka
from tests.keras_pairs import (
    BATCH,
    KEY,
    QUERY,
    QUERY_MASK,
    SOURCE,
    TARGET,
    VALUE_MASK,
    WIDTH,
    assert_same,
    draw,
    pair_of,
)
from tests.tensors import numpy

PAGE = Path(__file__).resolve().parents[2] / "docs" / "drop_in.md"


def test_the_page_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(
        r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL
    )
    assert blocks
    names = {}
    for block in blocks:
        exec(block, names)


@pytest.mark.parametrize("name", ["dot", "additive"])
def test_a_row_that_may_see_nothing_is_zero(name):
    """Keras spreads it evenly over what is masked."""
    theirs, ours = (
        layer(
            [QUERY, KEY],
            mask=[None, np.array([[False] * SOURCE, [True] * SOURCE])],
            return_attention_scores=True,
        )
        for layer in pair_of(name)
    )
    for tensor in ours:
        np.testing.assert_array_equal(numpy(tensor)[0], 0.0)
    np.testing.assert_allclose(numpy(theirs[1])[0].sum(-1), 1.0, atol=1e-3)
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(numpy(one)[1], numpy(other)[1], atol=1e-5)


def test_and_in_float16_too():
    """Keras's row is NaN: 65504 below a negative score is infinity."""
    query, value = np.ones((1, 1, 2)) * 100, -np.ones((1, 2, 2)) * 100
    contexts = [
        numpy(layer([query, value], mask=[None, np.array([[False, False]])]))
        for layer in (
            keras.layers.Attention(dtype="float16"),
            ka.LuongAttention("dot", dtype="float16"),
        )
    ]
    assert np.isnan(contexts[0]).all()
    np.testing.assert_array_equal(contexts[1], 0.0)


def test_returned_alignments_are_those_before_dropout():
    """They say where it looked, and still sum to one; Keras's do not."""
    theirs, ours = (
        numpy(
            layer([QUERY, KEY], training=True, return_attention_scores=True)[1]
        )
        for layer in pair_of("dot", dropout=0.5, seed=1)
    )
    np.testing.assert_allclose(ours.sum(-1), 1.0, atol=1e-5)
    assert (theirs == 0).any()
    quiet = pair_of("dot")[1]([QUERY, KEY], return_attention_scores=True)[1]
    np.testing.assert_allclose(ours, numpy(quiet), atol=1e-6)


@pytest.mark.parametrize("name", ["dot", "additive"])
def test_what_stands_at_masked_positions_counts_for_nothing(name):
    """Not even NaN, which Keras lets through."""
    query, value = QUERY.copy(), KEY.copy()
    query[~QUERY_MASK], value[~VALUE_MASK] = np.nan, np.inf
    theirs, ours = pair_of(name)
    masks = [QUERY_MASK, VALUE_MASK]
    expected = numpy(theirs([QUERY, KEY], mask=masks))
    np.testing.assert_allclose(
        numpy(ours([query, value], mask=masks)), expected, atol=1e-5
    )
    assert np.isnan(numpy(theirs([query, value], mask=masks))).any()


def test_a_masked_query_looks_with_a_vector_of_zeros():
    """Its alignments mean nothing; its context is zero in both."""
    theirs, ours = (
        layer(
            [QUERY, KEY], mask=[QUERY_MASK, None], return_attention_scores=True
        )
        for layer in pair_of("dot")
    )
    np.testing.assert_allclose(
        numpy(ours[1])[~QUERY_MASK], 1 / SOURCE, atol=1e-6
    )
    np.testing.assert_allclose(numpy(ours[0]), numpy(theirs[0]), atol=1e-5)
    np.testing.assert_allclose(
        numpy(ours[1])[QUERY_MASK], numpy(theirs[1])[QUERY_MASK], atol=1e-5
    )


def test_tuples_are_lists():
    theirs, ours = pair_of("dot")
    mask = (QUERY_MASK, VALUE_MASK)
    assert_same(
        ours((QUERY, KEY), mask=mask), theirs([QUERY, KEY], mask=list(mask))
    )
    with pytest.raises(ValueError, match="list"):
        theirs((QUERY, KEY))


def test_additive_widths_may_differ():
    """Ours projects query and key; Keras adds them as they are."""
    inputs = [draw(BATCH, TARGET, 7), KEY]
    layer = ka.AdditiveAttention()
    assert layer(inputs).shape == (BATCH, TARGET, WIDTH)
    assert tuple(layer.score.scale.shape) == (WIDTH,)
    with pytest.raises(Exception, match="7"):
        keras.layers.AdditiveAttention()(inputs)


def test_four_axes_are_a_grid():
    """Keras takes them for one more axis of the batch."""
    grid = draw(BATCH, 2, 3, WIDTH)
    context, alignments = ka.LuongAttention("dot")(
        [QUERY, grid], return_attention_scores=True
    )
    assert context.shape == (BATCH, TARGET, WIDTH)
    assert alignments.shape == (BATCH, TARGET, 2, 3)
    assert keras.layers.Attention()([grid, grid]).shape == grid.shape
    with pytest.raises(ValueError, match="query of shape"):
        ka.LuongAttention("dot")([grid, grid])


def test_inside_a_remat_scope():
    """Keras's own runs there on TensorFlow only."""
    with keras.RematScope(mode="full"):
        theirs, ours = keras.layers.AdditiveAttention(), ka.AdditiveAttention()
        if keras.backend.backend() == "tensorflow":
            assert theirs([QUERY, KEY]).shape == QUERY.shape
        with pytest.raises((ValueError, AttributeError), match="None|_error"):
            ours([QUERY, KEY])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ka.AdditiveAttention(True), "`use_scale`.*leave the argument"),
        (lambda: ka.AdditiveAttention(False), "Received: units=False"),
        (lambda: ka.AdditiveAttention(use_scale=False), "Received: use_scale"),
        (lambda: ka.AdditiveAttention(use_scale=True), "always learned"),
        # `AdditiveAttention(True, 0.1)`, half put right.
        (lambda: ka.AdditiveAttention(13, 0.1), "`dropout=`"),
        (lambda: ka.LuongAttention(use_scale=True), "score='general' learns"),
        (lambda: ka.LuongAttention(score_mode="dot"), "score='concat'"),
        (lambda: ka.LuongAttention(True), "`use_scale` of keras.layers"),
        (lambda: ka.Attention(use_scale=True), "score='scaled_dot' divides"),
        (lambda: ka.Attention(score_mode="concat"), "score='concat'"),
        (lambda: ka.Attention(True), "`use_scale` of keras.layers"),
        (lambda: ka.Attention(False, "dot"), "Received: score=False"),
        (lambda: ka.HardAttention(use_scale=True), "HardAttention does not"),
    ],
)
def test_arguments_of_keras_alone(make, message):
    with pytest.raises(ValueError, match=message):
        make()
