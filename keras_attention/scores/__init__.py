"""How well a query matches a key: one small class a score.

A score projects the keys once per sequence (`project_keys`) and compares
queries with them (`call`). To add one, write a class in a file of this folder
and a line in `SCORES`.
"""

from __future__ import annotations

from keras_attention.registry import get as _get
from keras_attention.scores.additive import AdditiveScore
from keras_attention.scores.coverage import CoverageScore
from keras_attention.scores.dot import (
    DotScore,
    GeneralScore,
    ScaledDotScore,
    ScaledGeneralScore,
)
from keras_attention.scores.location import LocationScore
from keras_attention.scores.location_sensitive import LocationSensitiveScore
from keras_attention.scores.normalized_additive import NormalizedAdditiveScore
from keras_attention.scores.score import Score

__all__ = [
    "SCORES",
    "AdditiveScore",
    "CoverageScore",
    "DotScore",
    "GeneralScore",
    "LocationScore",
    "LocationSensitiveScore",
    "NormalizedAdditiveScore",
    "ScaledDotScore",
    "ScaledGeneralScore",
    "Score",
    "get",
]

SCORES = {
    "additive": AdditiveScore,
    "concat": AdditiveScore,
    "coverage": CoverageScore,
    "dot": DotScore,
    "general": GeneralScore,
    "location": LocationScore,
    "location_sensitive": LocationSensitiveScore,
    "normalized_additive": NormalizedAdditiveScore,
    "scaled_dot": ScaledDotScore,
    "scaled_general": ScaledGeneralScore,
}


def get(identifier):
    """Returns the `Score` that a name, a config or an instance stands for.

    Example:

    >>> type(get("dot")).__name__
    'DotScore'
    """
    return _get(identifier, SCORES, Score, "score")
