"""Arrays by name, with their shapes checked."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


def named_arrays(weights, shapes, owner, hints=None):
    """Returns weights by name, each of the shape that it must have.

    Args:
        weights: a dictionary of arrays, or a list in the order of `shapes`.
        shapes: names to shapes; a size that is not known beforehand has a
            name, such as `"units"`, and must be the same wherever it stands.
        owner: what the weights belong to, for errors.
        hints: what to say about weights that should not be there, by name.

    Returns:
        `(arrays, sizes)`, two dictionaries.

    Raises:
        ValueError: if weights are missing or left over, or of another shape.

    Example:

    >>> arrays, sizes = named_arrays(
    ...     [np.ones((3, 5)), np.ones(5)],
    ...     {"kernel": ("dim", "units"), "bias": ("units",)},
    ...     "a layer",
    ... )
    >>> sizes
    {'dim': 3, 'units': 5}
    """
    if isinstance(weights, Mapping):
        arrays = {name: np.asarray(one) for name, one in weights.items()}
    else:
        if len(weights) != len(shapes):
            raise ValueError(
                f"The weights of {owner} are {len(shapes)} arrays, in the "
                f"order of get_weights(): {list(shapes)}. Received: "
                f"{len(weights)}, of shapes {[np.shape(w) for w in weights]}."
            )
        arrays = {
            name: np.asarray(one)
            for name, one in zip(shapes, weights, strict=True)
        }
    missing = [name for name in shapes if name not in arrays]
    further = [name for name in arrays if name not in shapes]
    if missing or further:
        told = [hints[name] for name in further if name in (hints or {})]
        raise ValueError(
            f"The weights of {owner} must be {list(shapes)}. Received: "
            f"{sorted(arrays)}; missing: {missing}, not expected: {further}."
            + "".join(f" {hint}" for hint in told)
        )
    sizes: dict[str, int] = {}
    for name, shape in shapes.items():
        check_shape(name, arrays[name], shape, owner, sizes)
    return arrays, sizes


def check_shape(name, array, shape, owner, sizes=None):
    """Raises a ValueError if an array has another shape.

    Args:
        name: of the array, for errors.
        array: a NumPy array.
        shape: a tuple of integers and of names.
        owner: what it belongs to, for errors.
        sizes: the sizes known by name; those that this shape names are added.
    """
    sizes = {} if sizes is None else sizes
    if len(array.shape) == len(shape):
        for size, actual in zip(shape, array.shape, strict=True):
            if isinstance(size, str):
                sizes.setdefault(size, actual)
        if array.shape == tuple(sizes.get(size, size) for size in shape):
            return
    known = {size: sizes[size] for size in shape if size in sizes}
    known = f", where {known}" if known else ""
    wanted = ", ".join(str(size) for size in shape)
    raise ValueError(
        f"`{name}` of {owner} must be of shape ({wanted}){known}. "
        f"Received: {array.shape}."
    )
