"""Layers of Keras beside ours that are the same mathematics."""

import keras
import numpy as np

import keras_attention as ka
from tests.tensors import numpy, randomize

BATCH, TARGET, SOURCE, WIDTH, VALUE = 2, 3, 5, 11, 17
QUERY_MASK = np.array([[True, True, False], [True, False, True]])
VALUE_MASK = np.array([[True, False, True, True, False], [True] * SOURCE])


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


QUERY = draw(BATCH, TARGET, WIDTH, seed=1)
KEY = draw(BATCH, SOURCE, WIDTH, seed=2)
WIDE_VALUE = draw(BATCH, SOURCE, VALUE, seed=3)


def nothing(theirs, ours):
    del theirs, ours


def as_matrix(theirs, ours):
    """One number for all scores is the identity matrix, scaled."""
    ours.score.kernel.assign(np.eye(WIDTH) * numpy(theirs.scale))


def as_network(theirs, ours):
    """No matrices are identity matrices."""
    inner, outer = 1.0, 1.0
    if getattr(theirs, "concat_score_weight", None) is not None:
        outer = numpy(theirs.concat_score_weight)
        inner = 1.0 if theirs.scale is None else numpy(theirs.scale)
    elif theirs.scale is not None:
        outer = numpy(theirs.scale)
    ours.score.query_kernel.assign(np.eye(WIDTH) * inner)
    ours.score.key_kernel.assign(np.eye(WIDTH) * inner)
    ours.score.scale.assign(np.ones(WIDTH) * outer)


# What of theirs is what of ours: `(theirs, its arguments, ours, its arguments,
# how theirs's weights become ours's)`.
THEIRS, THEIR_ADDITIVE = keras.layers.Attention, keras.layers.AdditiveAttention
PAIRS = {
    "dot": (THEIRS, {}, ka.LuongAttention, {"score": "dot"}, nothing),
    "plain": (THEIRS, {}, ka.Attention, {}, nothing),
    "scale": (THEIRS, {"use_scale": True}, ka.LuongAttention, {}, as_matrix),
    "concat": (
        THEIRS,
        {"score_mode": "concat"},
        ka.LuongAttention,
        {"score": "concat"},
        as_network,
    ),
    "concat-scale": (
        THEIRS,
        {"score_mode": "concat", "use_scale": True},
        ka.Attention,
        {"score": "concat"},
        as_network,
    ),
    "additive": (THEIR_ADDITIVE, {}, ka.AdditiveAttention, {}, as_network),
    "additive-plain": (
        THEIR_ADDITIVE,
        {"use_scale": False},
        ka.AdditiveAttention,
        {},
        as_network,
    ),
}


def pair_of(name, **options):
    """Returns `(theirs, ours)` with the same weights."""
    their_class, their_arguments, our_class, our_arguments, carry = PAIRS[name]
    theirs = their_class(**their_arguments, **options)
    ours = our_class(**our_arguments, **options)
    for layer in (theirs, ours):
        layer([QUERY, KEY])
    randomize(theirs)
    carry(theirs, ours)
    return theirs, ours


def assert_same(actual, expected, atol=1e-5):
    assert type(actual) is type(expected)
    pairs = (
        zip(actual, expected, strict=True)
        if isinstance(expected, tuple)
        else [(actual, expected)]
    )
    for one, other in pairs:
        assert tuple(one.shape) == tuple(other.shape)
        np.testing.assert_allclose(numpy(one), numpy(other), atol=atol)
