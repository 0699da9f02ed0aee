"""What is masked counts for nothing."""

import numpy as np
import pytest

from tests.cases import (
    CASES,
    MODELS,
    SOURCE,
    WITH_ALIGNMENTS,
    numpy,
    sweep,
)

MASK = np.array([[True] * 3 + [False] * 2, [True] * SOURCE])


@pytest.mark.parametrize("case", sweep(WITH_ALIGNMENTS))
def test_alignments_sum_to_one_or_zero(case):
    layer = case.built()
    mask = np.array([[False] * SOURCE, [True, False, True, False, False]])
    outputs, alignments = case.call(layer, *case.data(), mask=mask)
    assert np.isfinite(numpy(outputs)).all()
    alignments = numpy(alignments)
    np.testing.assert_array_equal(alignments[0], 0.0)
    np.testing.assert_array_equal(alignments[1][:, ~mask[1]], 0.0)
    assert (alignments >= 0).all()
    assert (alignments[1].sum(-1) <= 1 + 1e-6).all()
    if case.sums_to_one:
        np.testing.assert_allclose(alignments[1].sum(-1), 1.0, atol=1e-6)


@pytest.mark.parametrize("case", sweep(CASES))
def test_padding_changes_nothing(case):
    """Neither what it holds nor how long it is."""
    layer = case.built()
    target, source = case.data()
    expected, alignments = case.call(layer, target, source, mask=MASK)

    longer = np.concatenate([source, source[:, :2]], axis=1)
    mask = np.concatenate([MASK, np.zeros((2, 2), bool)], axis=1)
    if case.source_dim is not None:
        longer[0, 3:] = np.nan
        longer[1, SOURCE:] = np.inf
    actual, longer_alignments = case.call(layer, target, longer, mask=mask)

    actual, expected = numpy(actual), numpy(expected)
    if case.target_dim is not None and actual.shape[1] == longer.shape[1]:
        np.testing.assert_array_equal(actual[:, SOURCE:], 0.0)
        actual = actual[:, :SOURCE]
    np.testing.assert_allclose(actual, expected, atol=2e-6)
    if alignments is not None:
        longer_alignments = numpy(longer_alignments)
        np.testing.assert_array_equal(longer_alignments[..., SOURCE:], 0.0)
        np.testing.assert_allclose(
            longer_alignments[..., :SOURCE], numpy(alignments), atol=2e-6
        )

    # One row alone, cut to its own length.
    alone, _ = case.call(layer, target[:1], source[:1, :3])
    np.testing.assert_allclose(
        numpy(alone)[0], expected[0][: numpy(alone).shape[1]], atol=2e-6
    )


@pytest.mark.parametrize("case", sweep(CASES))
def test_a_permuted_batch_permutes_the_result(case):
    layer = case.built()
    target, source = case.data(batch=3)
    mask = np.array([[True] * SOURCE, [True] * 3 + [False] * 2, [True] * 5])
    order = [2, 0, 1]
    expected, _ = case.call(layer, target, source, mask=mask)
    actual, _ = case.call(layer, target[order], source[order], mask=mask[order])
    np.testing.assert_allclose(numpy(actual), numpy(expected)[order], atol=2e-6)


@pytest.mark.parametrize(
    "case", sweep(case for case in MODELS if case.source_dim is None)
)
def test_padding_ids_make_the_mask(case):
    layer = case.built()
    target, source = case.data()
    source[0, 3:] = 0
    expected, _ = case.call(layer, target, source, mask=MASK)
    actual, _ = case.call(layer, target, source)
    np.testing.assert_allclose(numpy(actual), numpy(expected), atol=2e-6)
