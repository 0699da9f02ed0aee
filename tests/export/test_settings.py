"""`ExportSettings` checks its numbers."""

import pytest

from export.errors import ExportError
from export.settings import ExportSettings


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_source_len": 1},
        {"max_target_len": 0},
        {"max_target_len": 3.0},
        {"max_length_factor": -1},
        {"max_length_factor": float("nan")},
        {"max_length_extra": "7"},
        {"beam_size": True},
        {"length_penalty": float("inf")},
        {"coverage_penalty": -0.1},
        {"name": None},
    ],
)
def test_wrong_values_are_named(wrong):
    (name,) = wrong
    with pytest.raises(ExportError, match=f"`{name}` must be"):
        ExportSettings(**wrong)


def test_round_trip_ignores_keys_of_later_versions():
    settings = ExportSettings(max_source_len=13, name="tiny")
    values = settings.to_dict() | {"later": 1}
    assert ExportSettings.from_dict(values) == settings
