"""Parts of a layer, in its config and back."""

from __future__ import annotations

import keras


def serialized(part):
    """Returns the config of a part, or of a list of parts.

    Args:
        part: a layer, a function, a list of them; a plain value (`None`, a
            number, a string) comes back as it is.

    Example:

    >>> serialized([7, None])
    [7, None]
    """
    if isinstance(part, (list, tuple)):
        return [serialized(one) for one in part]
    if part is None or isinstance(part, (bool, int, float, str)):
        return part
    config = keras.saving.serialize_keras_object(part)
    if isinstance(config, dict):
        # Who holds the part builds it, so that its weights get the same paths
        # as before.
        config.pop("build_config", None)
    return config


def deserialized(config, custom_objects=None):
    """Returns what `serialized` was given.

    Example:

    >>> deserialized(serialized(keras.layers.Dense(7, name="seven"))).units
    7
    """
    if isinstance(config, (list, tuple)):
        return [deserialized(one, custom_objects) for one in config]
    if not isinstance(config, dict):
        return config
    return keras.saving.deserialize_keras_object(
        config, custom_objects=custom_objects
    )
