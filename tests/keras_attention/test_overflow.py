"""Scores beyond what their dtype can hold."""

import numpy as np
import pytest
from keras import ops

import keras_attention as ka
from keras_attention import functional
from tests.gradients import gradients
from tests.tensors import numpy


@pytest.mark.parametrize("name", ["softmax", "sparsemax"])
@pytest.mark.parametrize("masked", [False, True])
def test_scores_that_overflow_share_the_weight(name, masked):
    """Two of them: a half each; one of which is masked: all for the other."""
    function = getattr(functional, f"masked_{name}")
    scores = ops.array([[[np.inf, 1.0, np.inf], [-np.inf] * 3]])
    mask = ops.array([[[True, True, not masked]]])
    first = [1.0, 0.0, 0.0] if masked else [0.5, 0.0, 0.5]
    second = [0.5, 0.5, 0.0] if masked else [1 / 3] * 3
    actual, (by_scores, _), _ = gradients(
        function,
        [scores, mask],
        upstream=np.arange(6.0).reshape(1, 2, 3),
    )
    np.testing.assert_allclose(numpy(actual), [[first, second]], rtol=1e-6)
    assert np.isfinite(by_scores).all()


def test_products_that_overflow_in_float16():
    """128 * 32 * 32 is beyond float16; the alignments are finite."""
    layer = ka.LuongAttention("dot", dtype="mixed_float16")
    query, value = 32.0 * np.ones((1, 1, 128)), 32.0 * np.ones((1, 2, 128))
    context, alignments = layer([query, value], return_attention_scores=True)
    np.testing.assert_array_equal(numpy(alignments), 0.5)
    np.testing.assert_array_equal(numpy(context), 32.0)
