"""How sharply a model looks, and whether it looks where it should."""

import keras
import numpy as np
import pytest

from keras_attention import diagnostics
from tests import reference
from tests.tensors import numpy

ALIGNMENTS = np.random.default_rng(0).dirichlet(np.full(5, 0.3), (2, 3))
ALIGNMENTS[0, 0] = [0, 1, 0, 0, 0]
ALIGNMENTS[1, 2] = 0.2


@pytest.mark.parametrize("name", ["entropy", "effective_positions"])
def test_spread(name):
    actual = numpy(getattr(diagnostics, name)(ALIGNMENTS.astype("float32")))
    expected = [
        [getattr(reference, name)(row) for row in rows] for rows in ALIGNMENTS
    ]
    np.testing.assert_allclose(actual, expected, atol=1e-5)
    limits = {"entropy": (0.0, np.log(5)), "effective_positions": (1.0, 5.0)}
    np.testing.assert_allclose(actual[0, 0], limits[name][0], atol=1e-6)
    np.testing.assert_allclose(actual[1, 2], limits[name][1], atol=1e-5)


def test_localisation():
    truth = ALIGNMENTS.argmax(-1)
    assert float(diagnostics.localisation_accuracy(ALIGNMENTS, truth)) == 1.0
    truth[0, 1] = (truth[0, 1] + 1) % 5
    accuracy = diagnostics.localisation_accuracy
    np.testing.assert_allclose(float(accuracy(ALIGNMENTS, truth)), 5 / 6)
    mask = np.array([[True, True, False], [False] * 3])
    assert float(accuracy(ALIGNMENTS, truth, mask)) == 0.5
    assert float(accuracy(ALIGNMENTS, truth, ~mask)) == 1.0
    assert float(accuracy(ALIGNMENTS, truth, mask & False)) == 0.0


def test_the_metric():
    truth = ALIGNMENTS.argmax(-1)
    truth[0, 1] = (truth[0, 1] + 1) % 5
    metric = diagnostics.LocalisationAccuracy()
    metric.update_state(truth, ALIGNMENTS)
    metric.update_state(truth[1:], ALIGNMENTS[1:])
    np.testing.assert_allclose(float(metric.result()), 8 / 9, rtol=1e-6)
    weights = np.array([[1.0, 1.0, 0.0], [0.0] * 3])
    metric.reset_state()
    metric.update_state(truth, ALIGNMENTS, sample_weight=weights)
    assert float(metric.result()) == 0.5
    config = keras.metrics.serialize(metric)
    again = keras.metrics.deserialize(config)
    assert again.get_config() == metric.get_config()


def test_peak():
    actual = numpy(diagnostics.peak(ALIGNMENTS.astype("float32")))
    expected = [[max(row) for row in rows] for rows in ALIGNMENTS]
    np.testing.assert_allclose(actual, expected, rtol=1e-6)


@pytest.mark.parametrize("masked", [False, True])
def test_coverage(masked):
    mask = np.array([[True, True, False], [True, False, False]])
    actual = diagnostics.coverage(
        ALIGNMENTS.astype("float32"), mask if masked else None
    )
    expected = [
        reference.covered(rows[keep] if masked else rows)
        for rows, keep in zip(ALIGNMENTS, mask, strict=True)
    ]
    np.testing.assert_allclose(numpy(actual), expected, atol=1e-6)
    assert np.max(expected) == 1.0  # Position 1 of the first is seen enough.


def test_monotonicity():
    best = np.array([[0, 2, 1, 1, 4], [4, 3, 2, 1, 0]])
    mask = np.array([[True] * 5, [True, True, False, True, False]])
    alignments = np.eye(5, dtype="float32")[best] * 0.6 + 0.08
    actual = numpy(diagnostics.monotonicity(alignments))
    expected = [reference.monotonicity(rows) for rows in alignments]
    np.testing.assert_allclose(actual, expected, rtol=1e-6)
    np.testing.assert_allclose(actual, [3 / 4, 0.0], rtol=1e-6)
    # Of the second, only the first move counts.
    actual = numpy(diagnostics.monotonicity(alignments, mask))
    np.testing.assert_allclose(actual, [3 / 4, 0.0], rtol=1e-6)
    none = np.array([[False, True] + [False] * 3, [False] * 5])
    actual = numpy(diagnostics.monotonicity(alignments, none))
    np.testing.assert_array_equal(actual, [1.0, 1.0])
    one_step = numpy(diagnostics.monotonicity(alignments[:, :1]))
    np.testing.assert_array_equal(one_step, [1.0, 1.0])


def test_alignment_error_rate():
    random = np.random.default_rng(1)
    links, sure, possible = random.random((3, 2, 3, 5)) < 0.4
    rate = diagnostics.alignment_error_rate
    sets = [
        {tuple(place) for place in np.argwhere(one)}
        for one in (links, sure, possible)
    ]
    expected = reference.alignment_error_rate(*sets)
    assert 0.1 < expected < 0.9
    np.testing.assert_allclose(float(rate(links, sure, possible)), expected)
    np.testing.assert_allclose(
        float(rate(links, sure)),
        reference.alignment_error_rate(*sets[:2], sets[1]),
        rtol=1e-6,
    )
    assert float(rate(sure, sure, possible)) == 0.0
    assert float(rate(~sure, sure)) == 1.0
    assert float(rate(links & False, sure & False)) == 0.0
