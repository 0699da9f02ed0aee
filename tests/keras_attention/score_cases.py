"""Scores to try, each with its equation; see `test_scores.py`."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import keras_attention as ka
from keras_attention import scores
from tests.cases import BATCH, MEMORY, QUERY, SOURCE, TARGET, UNITS, pieces
from tests.tensors import randomize

FILTERS = 3
MASK = np.array([[True, False, True, True, False], [True] * SOURCE])


@dataclasses.dataclass(frozen=True)
class Tried:
    """A score, and its equation from its weights."""

    name: str
    score_class: Any
    reference: Callable
    arguments: dict
    shapes: dict

    def attention(self, **options):
        score = self.score_class(**self.arguments, name="score")
        return ka.Attention(score=score, **options)

    def built(self, **options):
        layer = self.attention(**options)
        layer([np.ones((1, 1, QUERY)), np.ones((1, 2, MEMORY))])
        return randomize(layer, seed=1)


ADDITIVE = {
    "query_kernel": (QUERY, UNITS),
    "key_kernel": (MEMORY, UNITS),
    "scale": (UNITS,),
}


def sensitive(name, kernel_size, **arguments):
    shapes = {
        **ADDITIVE,
        "location_filters": (kernel_size, 1, FILTERS),
        "location_kernel": (FILTERS, UNITS),
    }
    if arguments.get("use_bias", True):
        shapes["bias"] = (UNITS,)
    return Tried(
        name,
        scores.LocationSensitiveScore,
        pieces.location_sensitive,
        {
            "units": UNITS,
            "filters": FILTERS,
            "kernel_size": kernel_size,
            **arguments,
        },
        shapes,
    )


LOCATION_SENSITIVE = sensitive("location_sensitive", 3)
COVERAGE = Tried(
    "coverage",
    scores.CoverageScore,
    pieces.coverage,
    {"units": UNITS},
    {**ADDITIVE, "bias": (UNITS,), "coverage_vector": (UNITS,)},
)
TRIED = [
    Tried(
        "scaled_general",
        scores.ScaledGeneralScore,
        pieces.scaled_general,
        {},
        {"kernel": (MEMORY, QUERY), "gain": ()},
    ),
    Tried(
        "normalized_additive",
        scores.NormalizedAdditiveScore,
        pieces.normalized_additive,
        {"units": UNITS},
        {**ADDITIVE, "bias": (UNITS,), "gain": ()},
    ),
    Tried(
        "normalized_additive-no_bias",
        scores.NormalizedAdditiveScore,
        pieces.normalized_additive,
        {"units": UNITS, "use_bias": False},
        {**ADDITIVE, "gain": ()},
    ),
    Tried(
        "location-short",
        scores.LocationScore,
        pieces.location,
        {"max_source_len": 3},
        {"kernel": (QUERY, 3)},
    ),
    Tried(
        "location-long",
        scores.LocationScore,
        pieces.location,
        {"max_source_len": 19},
        {"kernel": (QUERY, 19)},
    ),
    LOCATION_SENSITIVE,
    sensitive("location_sensitive-even", 2, use_bias=False),
    sensitive("location_sensitive-wide", 7),
    COVERAGE,
]
NO_COPIES = [one for one in TRIED if "-" not in one.name] + [TRIED[3]]

every = pytest.mark.parametrize("tried", TRIED, ids=lambda one: one.name)
once = pytest.mark.parametrize("tried", NO_COPIES, ids=lambda one: one.name)


def draw(seed=0, source_len=SOURCE, target_len=TARGET):
    rng = np.random.default_rng(seed)
    return (
        rng.normal(size=(BATCH, target_len, QUERY)).astype("float32"),
        rng.normal(size=(BATCH, source_len, MEMORY)).astype("float32"),
    )
