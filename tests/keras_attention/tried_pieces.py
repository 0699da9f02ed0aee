"""Attentions with the further windows and normalisers, and what to try."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

import keras_attention as ka
from keras_attention.normalizers import Monotonic
from keras_attention.windows import LocalMonotonicWindow, LocalPredictiveWindow
from tests.cases import (
    BATCH,
    MEMORY,
    QUERY,
    SOURCE,
    TARGET,
    UNITS,
)
from tests.tensors import numpy, randomize

MASK = np.array([[True, False, True, True, False], [True] * SOURCE])
NOTHING = np.array([[True] * 3 + [False] * 2, [False] * SOURCE])


@dataclasses.dataclass(frozen=True)
class Tried:
    """An attention, and whether it has a gradient and no jumps."""

    name: str
    pieces: Callable[[], dict]
    smooth: bool = True

    def attention(self, **options):
        return ka.Attention(
            **{"score": "general", **self.pieces(), **options}, name="attention"
        )

    def built(self, **options):
        layer = self.attention(**options)
        layer([np.ones((1, 1, QUERY)), np.ones((1, 2, MEMORY))])
        return randomize(layer, seed=1)


def soft(mode):
    return Monotonic(mode, inference_mode=mode, score_bias_init=-0.5)


TRIED = [
    Tried("local_m-1", lambda: {"window": LocalMonotonicWindow(1)}),
    Tried("local_m-3", lambda: {"window": LocalMonotonicWindow(3)}),
    Tried(
        "local_p-1",
        lambda: {"window": LocalPredictiveWindow(1, units=UNITS)},
    ),
    Tried("local_p-3", lambda: {"window": LocalPredictiveWindow(3)}),
    Tried(
        "sparsemax",
        # These scores are so close to each other that several count.
        lambda: {"normalizer": "sparsemax", "score": "additive"},
    ),
    Tried("hard", lambda: {"normalizer": "monotonic"}, smooth=False),
    Tried("parallel", lambda: {"normalizer": soft("parallel")}),
    Tried("recursive", lambda: {"normalizer": soft("recursive")}),
    Tried(
        "local_m-hard",
        lambda: {
            "window": LocalMonotonicWindow(2),
            "normalizer": "monotonic",
            "score": "additive",
        },
        smooth=False,
    ),
    Tried(
        "local_p-parallel",
        lambda: {
            "window": LocalPredictiveWindow(3),
            "normalizer": soft("parallel"),
            "score": "additive",
        },
    ),
    Tried(
        "local_p-sparsemax",
        lambda: {
            "window": LocalPredictiveWindow(2),
            "normalizer": "sparsemax",
            "score": "additive",
        },
    ),
]
SMOOTH = [one for one in TRIED if one.smooth]
NAMED = {one.name: one for one in TRIED}


def swept(tried):
    return pytest.mark.parametrize("tried", tried, ids=lambda one: one.name)


def draw(seed=0, source_len=SOURCE, target_len=TARGET):
    rng = np.random.default_rng(seed)
    return (
        rng.normal(size=(BATCH, target_len, QUERY)).astype("float32"),
        rng.normal(size=(BATCH, source_len, MEMORY)).astype("float32"),
    )


def close(actual, expected, tolerance=1e-5):
    for one, other in zip(actual, expected, strict=True):
        np.testing.assert_allclose(numpy(one), numpy(other), atol=tolerance)
