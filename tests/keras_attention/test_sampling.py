"""How likely a position is, and how noise is made, in pure functions."""

import numpy as np

from keras_attention import functional
from tests import reference
from tests.tensors import numpy

BATCH, TARGET, SOURCE = 2, 3, 5
MASK = np.array([[[True] * 3 + [False] * 2], [[True] * SOURCE]])
SCORES = np.random.default_rng(0).normal(size=(BATCH, TARGET, SOURCE))
SOFT = np.array(
    [
        [reference.softmax(row, MASK[b, 0]) for row in SCORES[b]]
        for b in range(BATCH)
    ]
)
ALLOWED = np.broadcast_to(MASK, SCORES.shape)


def test_entropy():
    actual = functional.entropy_of_scores(SCORES.astype("float32"), MASK)
    expected = [[reference.entropy(row) for row in rows] for rows in SOFT]
    np.testing.assert_allclose(numpy(actual), expected, atol=1e-6)


def test_log_softmax():
    actual = numpy(
        functional.masked_log_softmax(SCORES.astype("float32"), MASK)
    )
    np.testing.assert_allclose(
        actual[ALLOWED], np.log(SOFT[ALLOWED]), rtol=1e-5
    )
    assert (actual[~ALLOWED] < -1e37).all()


def test_log_probability():
    chosen = np.zeros(SCORES.shape, bool)
    chosen[:, :, 1] = True
    chosen[1, 2] = False
    actual = numpy(
        functional.log_probability(SCORES.astype("float32"), chosen, MASK)
    )
    expected = np.log(SOFT[:, :, 1])
    expected[1, 2] = 0.0
    np.testing.assert_allclose(actual, expected, atol=1e-6)


def test_gumbel_noise():
    """Its distribution function is `exp(-exp(-g))`."""
    noise = np.array([-1.5, 0.0, 0.7, 4.0])
    uniform = np.exp(-np.exp(-noise)).astype("float32")
    np.testing.assert_allclose(
        numpy(functional.gumbel_noise(uniform)), noise, atol=1e-4
    )
