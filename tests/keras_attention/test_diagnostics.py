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
