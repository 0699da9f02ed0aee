"""Alignments in numbers, for TensorBoard: curves and histograms."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from keras_attention import diagnostics


def statistics(alignments: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """Measures alignments; see `keras_attention.diagnostics`.

    Args:
        alignments: One array `(target_len, source_len)` for each example,
            without padding.

    Returns:
        By name, as many numbers as there are: `entropy` (nats) and `peak` of
        every target token, `coverage` of every source token, `monotonicity`
        of every example with two target tokens or more.

    Example:

    >>> {name: values.tolist() for name, values in statistics(
    ...     [np.array([[1.0, 0.0], [1.0, 0.0]])]
    ... ).items()}
    {'entropy': [-0.0, -0.0], 'peak': [1.0, 1.0], 'coverage': [1.0, 0.0], \
'monotonicity': [1.0]}
    """
    rows = [one for one in alignments if one.size]
    if not rows:
        return {}
    batch = np.zeros(
        (len(rows), *np.max([one.shape for one in rows], axis=0)), np.float32
    )
    target = np.zeros(batch.shape[:2], bool)
    source = np.zeros((len(rows), batch.shape[2]), bool)
    for number, one in enumerate(rows):
        batch[number, : one.shape[0], : one.shape[1]] = one
        target[number, : one.shape[0]] = True
        source[number, : one.shape[1]] = True
    measured = {
        "entropy": diagnostics.entropy(batch),
        "peak": diagnostics.peak(batch),
        "coverage": diagnostics.coverage(batch, target),
        "monotonicity": diagnostics.monotonicity(batch, target),
    }
    counts = {
        "entropy": target,
        "peak": target,
        "coverage": source,
        "monotonicity": target.sum(1) > 1,
    }
    return {
        name: np.asarray(values)[counts[name]]
        for name, values in measured.items()
    }


def write_statistics(prefix: str, alignments: Sequence[np.ndarray]) -> None:
    """Writes each measure's mean and its histogram; see `EventLog.writing`.

    Args:
        prefix: The tags are `PREFIX/entropy` and `PREFIX_histograms/entropy`.
        alignments: As for `statistics`.
    """
    for name, values in statistics(alignments).items():
        if values.size:
            tf.summary.scalar(f"{prefix}/{name}", float(values.mean()))
            tf.summary.histogram(f"{prefix}_histograms/{name}", values)


def cut(
    alignments: np.ndarray,
    target_mask: np.ndarray | None = None,
    source_mask: np.ndarray | None = None,
) -> list[np.ndarray]:
    """Cuts padding off a batch of alignments.

    Args:
        alignments: `(batch, target_len, source_len)`.
        target_mask: boolean `(batch, target_len)`, `True` where it is no
            padding; `None`: nowhere.
        source_mask: boolean `(batch, source_len)`, likewise.

    Returns:
        An array for each example.
    """
    results = []
    for number, one in enumerate(alignments):
        if target_mask is not None:
            one = one[target_mask[number]]
        if source_mask is not None:
            one = one[:, source_mask[number]]
        results.append(one)
    return results


def spread(size: int, number: int) -> list[int]:
    """At most `number` indices below `size`, at equal distances.

    >>> spread(10, 4), spread(2, 4), spread(5, 0)
    ([0, 2, 5, 7], [0, 1], [])
    """
    number = min(number, size)
    return [index * size // number for index in range(number)]
