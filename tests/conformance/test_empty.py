"""Sequences of no length: nothing to ask, nothing to look at."""

import keras
import numpy as np
import pytest

from tests.cases import BATCH, SOURCE, TARGET, numpy, sweep
from tests.cases.attentions import ATTENTIONS


@pytest.mark.parametrize("case", sweep(ATTENTIONS))
@pytest.mark.parametrize(
    ("target_len", "source_len"), [(0, SOURCE), (TARGET, 0), (0, 0)]
)
def test_shapes_stay_and_nothing_is_seen(case, target_len, source_len):
    layer = case.built()
    target, source = case.data(target_len=target_len, source_len=source_len)
    context, alignments = layer([target, source], return_attention_scores=True)
    assert tuple(context.shape) == (BATCH, target_len, source.shape[-1])
    assert tuple(alignments.shape) == (BATCH, target_len, source_len)
    np.testing.assert_array_equal(numpy(context), 0.0)


@pytest.mark.parametrize("case", sweep(ATTENTIONS))
def test_an_empty_batch(case):
    layer = case.built()
    target, source = case.data()
    context = layer([target[:0], source[:0]])
    assert tuple(context.shape) == (0, TARGET, source.shape[-1])
    assert keras.ops.size(context) == 0
