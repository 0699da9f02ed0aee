"""Looking up a piece by its name, with a helpful error."""

from __future__ import annotations

import difflib
import numbers
from collections.abc import Iterable, Mapping
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


def check_name(name: str, value: Any, known: Iterable[str], more="") -> None:
    """Raises a ValueError unless `value` is one of the known names.

    Args:
        name: of the argument, for the error.
        value: what was given.
        known: the names.
        more: a sentence that the error ends with.
    """
    known = sorted(known)
    if value in known:
        return
    near = difflib.get_close_matches(str(value), known, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ValueError(
        f"`{name}` must be one of {known}. Received: {name}={value!r}.{hint}"
        + (f" {more}" if more else "")
    )


def check_boolean(name: str, value: Any) -> None:
    """Raises a ValueError unless `value` is `True` or `False`."""
    if not isinstance(value, bool):
        raise ValueError(
            f"`{name}` must be True or False. Received: {name}={value!r}."
        )


def check_seed(seed: Any) -> None:
    """Raises a ValueError unless `seed` is an integer or `None`."""
    is_integer = isinstance(seed, numbers.Integral)
    if seed is not None and (isinstance(seed, bool) or not is_integer):
        raise ValueError(
            "`seed` must be an integer, or None for another one each time. "
            f"Received: seed={seed!r}."
        )


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
