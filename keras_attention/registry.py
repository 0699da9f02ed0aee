"""Looking up a piece by its name, with a helpful error."""

from __future__ import annotations

import difflib
import numbers
from collections.abc import Mapping
from typing import Any

import keras


def get(
    identifier: Any, registry: Mapping[str, type], base: type, kind: str
) -> Any:
    """Returns the object that `identifier` stands for.

    Args:
        identifier: an instance (returned as it is), a name in `registry`
            (constructed without arguments), or a serialised config.
        registry: names to classes.
        base: the class that every such object is an instance of.
        kind: what is looked up, for the error ("score", "normalizer").

    Raises:
        ValueError: if the name is unknown; the message lists the known ones.
    """
    if isinstance(identifier, str):
        if identifier in registry:
            return registry[identifier]()
        near = difflib.get_close_matches(identifier, registry, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(
            f"Unknown {kind}: {identifier!r}.{hint} "
            f"Expected one of {sorted(registry)}, or an instance."
        )
    if isinstance(identifier, dict):
        identifier = keras.saving.deserialize_keras_object(identifier)
    if not isinstance(identifier, base):
        article = "an" if kind[0] in "aeiou" else "a"
        raise ValueError(
            f"Expected {article} {kind}: one of {sorted(registry)}, or an "
            f"instance. Received: {identifier!r}"
        )
    return identifier


def is_number(value: Any) -> bool:
    """Whether `value` is a real number, and no boolean."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def positive_integer(name: str, value: Any, optional: bool = False) -> Any:
    """Returns `value` if it is a positive integer (or, `optional`, None).

    Raises:
        ValueError: otherwise, naming the argument.
    """
    if value is None and optional:
        return None
    is_integer = isinstance(value, numbers.Integral)
    if isinstance(value, bool) or not is_integer or value < 1:
        raise ValueError(
            f"`{name}` must be a positive integer. Received: {name}={value!r}."
        )
    return int(value)
