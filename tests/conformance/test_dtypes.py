"""Every dtype: the right one comes out, and never NaN."""

import keras
import numpy as np
import pytest

from tests.backends import needs_dtype
from tests.cases import (
    ATTENTIONS,
    CASES,
    REPRESENTATIVE,
    SOURCE,
    name_of,
    numpy,
    sweep,
)

POLICIES = ("float16", "bfloat16", "mixed_float16", "mixed_bfloat16")


@pytest.fixture
def policy(request):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(request.param)
    yield keras.config.dtype_policy()
    keras.config.set_dtype_policy(before)


def check(case, policy):
    layer = case.make()
    target, source = case.data()
    mask = np.array([[False] * SOURCE, [True] * 3 + [False] * 2])
    for large in (1.0, 300.0):
        if case.source_dim is not None:
            source = source * large
        outputs, alignments = case.call(layer, target, source, mask=mask)
        for tensor in (outputs, alignments):
            if tensor is None:
                continue
            dtype = keras.backend.standardize_dtype(tensor.dtype)
            assert dtype == policy.compute_dtype
            assert not np.isnan(numpy(tensor)).any()
        if alignments is not None:
            np.testing.assert_array_equal(numpy(alignments)[0], 0.0)
            total = numpy(alignments)[1].sum(-1)
            assert (total <= 1.02).all()
            if case.sums_to_one:
                np.testing.assert_allclose(total, 1.0, atol=0.02)
    for weight in layer.trainable_weights:
        dtype = keras.backend.standardize_dtype(weight.dtype)
        assert dtype == policy.variable_dtype
    return outputs


@pytest.mark.parametrize("policy", ["mixed_float16"], indirect=True)
@pytest.mark.parametrize("case", sweep(CASES))
def test_half_precision(case, policy):
    check(case, policy)


@pytest.mark.parametrize("policy", POLICIES, indirect=True)
@pytest.mark.parametrize("case", ATTENTIONS[:8], ids=name_of)
def test_every_policy(case, policy):
    check(case, policy)


# Keras's recurrent cells cannot be made in pure bfloat16 on TensorFlow, nor in
# pure float16 elsewhere: their orthogonal initializer has no such kernel.
@pytest.mark.parametrize("policy", ["float16", "mixed_bfloat16"], indirect=True)
@pytest.mark.parametrize("case", REPRESENTATIVE, ids=name_of)
def test_recurrent_policies(case, policy):
    needs_dtype(policy.name, recurrent=True)
    check(case, policy)


@pytest.mark.parametrize("case", ATTENTIONS[:8], ids=name_of)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_dtype_of_one_layer(case, dtype):
    """`dtype=` on the layer, under the ordinary global policy."""
    needs_dtype(dtype)
    layer = type(case.make()).from_config(
        {**case.make().get_config(), "dtype": dtype}
    )
    target, source = case.data()
    mask = np.array([[False] * SOURCE, [True] * SOURCE])
    context, alignments = case.call(layer, target, source * 1000, mask=mask)
    for tensor in (context, alignments):
        assert keras.backend.standardize_dtype(tensor.dtype) == dtype
        assert not np.isnan(numpy(tensor)).any()
        np.testing.assert_array_equal(numpy(tensor)[0], 0.0)


@pytest.mark.parametrize("policy", ["mixed_float16"], indirect=True)
def test_the_softmax_is_taken_in_float32(policy):
    """Equal scores over many positions: float16 sums would drift."""
    from keras_attention import functional

    scores = keras.ops.zeros((1, 1, 4099), dtype="float16")
    alignments = functional.masked_softmax(scores)
    np.testing.assert_array_equal(
        numpy(alignments), np.float64(np.float16(1 / 4099))
    )
