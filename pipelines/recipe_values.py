"""Checks the values of a recipe's keys; errors name key and remedy."""

import dataclasses
import difflib
import math
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from pipelines.errors import UserError
from pipelines.recipe_sections import Files

Section = TypeVar("Section")

KIND_NAMES = {
    bool: "true or false",
    int: "an integer",
    float: "a number",
    str: "a string",
    Files: "a file name or a list of two, [sources, targets]",
}


def build_section(
    section: type[Section], values: Mapping[str, Any], name: str
) -> Section:
    """Makes a section from values as TOML has them.

    Args:
        section: A dataclass of `recipe_sections`.
        values: Its keys; those left out get their default.
        name: Its name in the recipe.

    Returns:
        The section.

    Raises:
        UserError: For an unknown key, a wrong type or a value out of range.

    Example:

    >>> from pipelines.recipe_sections import SearchRecipe
    >>> build_section(SearchRecipe, {"beam_size": 3}, "search").beam_size
    3
    """
    if not isinstance(values, Mapping):
        raise UserError(
            f"`{name}` must be a section. Received: {values!r}.",
            f"Write a line `[{name}]` and its keys below.",
        )
    fields: dict[str, dataclasses.Field[Any]] = {
        field.name: field
        for field in dataclasses.fields(section)  # type: ignore[arg-type]
    }
    for key in values:
        if key not in fields:
            raise unknown_key(
                f"{name}.{key}", [f"{name}.{other}" for other in fields]
            )
    checked = {
        key: check_value(f"{name}.{key}", value, fields[key])
        for key, value in values.items()
    }
    return section(**checked)


def unknown_key(key: str, valid: Iterable[str]) -> UserError:
    """The error for a key that does not exist, with the nearest that does."""
    valid = sorted(valid)
    by_last_part = {other.rpartition(".")[2]: other for other in valid}
    near = difflib.get_close_matches(key, valid, 1) or [
        by_last_part[last]
        for last in difflib.get_close_matches(
            key.rpartition(".")[2], by_last_part, 1
        )
    ]
    section = key.rpartition(".")[0] + "."
    shown = [other for other in valid if other.startswith(section)] or valid
    question = f"Did you mean `{near[0]}`? " if near else ""
    return UserError(
        f"Unknown recipe key `{key}`.",
        f"{question}Valid are: {', '.join(shown)}.",
    )


def check_value(key: str, value: Any, field: dataclasses.Field[Any]) -> Any:
    """Checks a value against a key's type and limits.

    Args:
        key: The key's full name, for the message.
        value: As TOML has it.
        field: The key's declaration, made by `setting`.

    Returns:
        The value, as the type that the section wants.

    Raises:
        UserError: If it does not fit.
    """
    limits = field.metadata
    good = _is_a(value, field.type)
    if good and limits.get("choices"):
        good = value in limits["choices"]
    if good and limits.get("low") is not None:
        good = value >= limits["low"]
    if good and limits.get("below") is not None:
        good = value < limits["below"]
    if not good:
        near = difflib.get_close_matches(
            str(value), limits.get("choices", ()), 1
        )
        example = near[0] if near else field.default
        remedy = f"Set for instance {key}={_as_toml(example)}."
        raise UserError(
            f"`{key}` must be {_expected(field)}. Received: {_as_toml(value)}.",
            remedy if example != "" else "",
        )
    if field.type is float:
        return float(value)
    return tuple(value) if isinstance(value, list) else value


def _is_a(value: Any, kind: Any) -> bool:
    """Whether a TOML value can serve as a kind; no number is a boolean."""
    if kind is float:
        is_number = isinstance(value, (int, float))
        return is_number and not isinstance(value, bool) and _finite(value)
    if kind == Files:
        return isinstance(value, str) or (
            isinstance(value, (list, tuple))
            and len(value) == 2
            and all(isinstance(part, str) and part for part in value)
        )
    return type(value) is kind


def _finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # An integer beyond all floats.
        return False


def _expected(field: dataclasses.Field[Any]) -> str:
    limits = field.metadata
    if limits.get("choices"):
        return "one of " + ", ".join(f'"{one}"' for one in limits["choices"])
    parts = [KIND_NAMES[field.type]]
    if limits.get("low") is not None:
        parts.append(f"at least {limits['low']}")
    if limits.get("below") is not None:
        parts.append(f"less than {limits['below']}")
    return ", ".join(parts)


def _as_toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)
