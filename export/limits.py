"""How long an answer may become, where neither Keras nor TensorFlow is."""

import numpy as np

from export.settings import ExportSettings


def answer_limits(
    source_len: np.ndarray, settings: ExportSettings
) -> np.ndarray:
    """How many tokens sources of given lengths may be answered with.

    What `keras_attention.search.length_limits` computes in an artifact, in
    the same precision.

    Args:
        source_len: Integers of any shape, the end token included.
        settings: The limits.

    Returns:
        int32, likewise; 0 for a source without tokens.

    Example:

    >>> answer_limits(np.array([16, 0]), ExportSettings(max_length_factor=1.5))
    array([34,  0], dtype=int32)
    """
    factor = np.float32(settings.max_length_factor)
    # 1.05 times 60 is 62.999996 in float32.
    grown = np.floor(factor * np.float32(source_len) + np.float32(1e-4))
    grown = np.minimum(grown, np.float32(2**30))  # int32 would overflow.
    limits = np.minimum(
        grown.astype(np.int32) + settings.max_length_extra,
        settings.max_target_len,
    )
    return np.where(source_len > 0, limits, 0).astype(np.int32)
