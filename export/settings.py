"""What an artifact is told once, when it is exported. Plain Python only."""

import dataclasses
import math
from typing import Any

from export import quantizations
from export.errors import ExportError


@dataclasses.dataclass(frozen=True)
class ExportSettings:
    """Limits, search settings and names that go into an artifact.

    A source of `n` tokens (its end token included) is answered with at most
    `min(max_target_len, floor(max_length_factor * n) + max_length_extra)`
    tokens, the end token included. A source without tokens has no answer.

    Args:
        max_source_len: Tokens of the source that are read, the end token
            included; a longer source is cut and marked `truncated`.
        max_target_len: Upper limit of an answer's tokens.
        max_length_factor: Answer tokens allowed per source token.
        max_length_extra: Answer tokens allowed on top of that.
        beam_size: Hypotheses that the signature `beam` keeps.
        length_penalty: Exponent of the beam search's length penalty.
        coverage_penalty: Weight of the beam search's coverage penalty; 0 for
            none, and for a model without attention.
        name: Name of the model, for people.
        source_language: Language that is read, such as `"fr"`; may be empty.
        target_language: Language that is written; may be empty.
        quantize: How a LiteRT file stores its weights: `"none"`,
            `"float16"`, `"int8"` or `"int4"`; see `export.quantizations`. A
            SavedModel takes `"none"` only.
        xla: Whether a SavedModel's searches are compiled with XLA: faster,
            but for the first call of each size; see
            `export.compiled_search`. Of a SavedModel only.

    Raises:
        ExportError: If a number is out of its range, or a name unknown.

    Example:

    >>> ExportSettings(max_source_len=64).max_source_len
    64
    """

    max_source_len: int = 128
    max_target_len: int = 128
    max_length_factor: float = 2.0
    max_length_extra: int = 10
    beam_size: int = 5
    length_penalty: float = 1.0
    coverage_penalty: float = 0.0
    name: str = "model"
    source_language: str = ""
    target_language: str = ""
    quantize: str = "none"
    xla: bool = False

    def __post_init__(self) -> None:
        # The end token is a token: a source needs room for one more.
        lowest = {
            "max_source_len": 2,
            "max_target_len": 1,
            "max_length_factor": 0,
            "max_length_extra": 0,
            "beam_size": 1,
            "length_penalty": 0,
            "coverage_penalty": 0,
        }
        floats = ("max_length_factor", "length_penalty", "coverage_penalty")
        for name, low in lowest.items():
            value = getattr(self, name)
            allowed = (int, float) if name in floats else (int,)
            wrong = isinstance(value, bool) or not isinstance(value, allowed)
            if wrong or not math.isfinite(value) or value < low:
                kind = "a number" if name in floats else "an integer"
                raise ExportError(
                    f"`{name}` must be {kind} of at least {low}. "
                    f"Received: {name}={value!r}."
                )
        for name in ("name", "source_language", "target_language"):
            if not isinstance(getattr(self, name), str):
                raise ExportError(
                    f"`{name}` must be a string. "
                    f"Received: {name}={getattr(self, name)!r}."
                )
        if not isinstance(self.xla, bool):
            raise ExportError(
                f"`xla` must be True or False. Received: xla={self.xla!r}."
            )
        quantizations.get(self.quantize)

    def to_dict(self) -> dict[str, Any]:
        """Returns the settings as a dictionary that JSON can hold."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "ExportSettings":
        """Reads what `to_dict` wrote; keys of later versions are ignored.

        Args:
            values: The dictionary.

        Returns:
            The settings.

        Raises:
            ExportError: If a value is out of its range.
        """
        names = {field.name for field in dataclasses.fields(cls)}
        return cls(**{k: v for k, v in values.items() if k in names})
