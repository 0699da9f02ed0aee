"""The few lengths that batches are padded to."""

from collections.abc import Sequence

import numpy as np


def check_boundaries(boundaries: Sequence[int]) -> tuple[int, ...]:
    """Refuses boundaries that are empty, not ascending or below 1.

    Args:
        boundaries: What a caller gave.

    Returns:
        The same as a tuple.

    Raises:
        ValueError: If they cannot be used.
    """
    checked = tuple(int(boundary) for boundary in boundaries)
    if not checked or checked[0] < 1 or list(checked) != sorted(set(checked)):
        raise ValueError(
            "`boundaries` must be ascending positive integers, such as "
            f"(16, 32). Received: boundaries={boundaries}."
        )
    return checked


def count_batches(
    lengths: Sequence[int] | np.ndarray,
    boundaries: Sequence[int],
    batch_size: int,
) -> int:
    """Counts the batches of an epoch.

    Args:
        lengths: Length of each pair (the longer side), in tokens.
        boundaries: Ascending; longer pairs are left out.
        batch_size: Rows a batch.

    Returns:
        The number of batches, those that are not full included.

    Example:

    >>> count_batches([2, 7, 3, 1], boundaries=[4, 8], batch_size=2)
    3
    """
    buckets = np.searchsorted(boundaries, lengths)
    sizes = np.bincount(buckets, minlength=len(boundaries))
    return int(-(-sizes[: len(boundaries)] // batch_size).sum())


def choose_boundaries(
    lengths: Sequence[int] | np.ndarray,
    num_buckets: int = 4,
    batch_size: int = 1,
    multiple: int = 2,
) -> tuple[int, ...]:
    """Chooses the boundaries that leave the least padding.

    Args:
        lengths: Length of each pair (the longer side), in tokens; at least
            one.
        num_buckets: Most boundaries. Each makes XLA compile once more, which
            takes seconds.
        batch_size: Rows a batch; rows that fill up a batch count as padding.
        multiple: Boundaries are multiples of this.

    Returns:
        At most `num_buckets` ascending boundaries, the last one at least the
        greatest length.

    Example:

    >>> choose_boundaries([3, 4, 4, 17, 20, 20], num_buckets=2)
    (4, 20)
    """
    # A histogram over multiples, and a search for the cheapest way to cut it:
    # cost[j] is the cheapest with the boundaries so far, the last being j.
    steps = -(-np.asarray(lengths) // multiple)
    counts = np.concatenate([[0], np.cumsum(np.bincount(steps)[1:])])
    last = len(counts) - 1
    ends = np.arange(last + 1)

    def added_cost(end: int) -> np.ndarray:
        num_rows = -(-(counts[end] - counts[: end + 1]) // batch_size)
        return num_rows * batch_size * end

    cost = np.array([0.0] + [np.inf] * last)
    best: tuple[int, ...] = (last * multiple,)
    best_cost = np.inf
    ways: list[np.ndarray] = []
    for _ in range(num_buckets):
        new_cost = np.full(last + 1, np.inf)
        way = np.zeros(last + 1, int)
        for end in ends[1:]:
            options = cost[:end] + added_cost(end)[:end]
            way[end] = options.argmin()
            new_cost[end] = options.min()
        ways.append(way)
        cost = new_cost
        if cost[last] < best_cost:
            best_cost, best = cost[last], _trace(ways, last, multiple)
    return best


def _trace(ways: list[np.ndarray], last: int, multiple: int) -> tuple[int, ...]:
    """Follows the cheapest cuts back from the last boundary."""
    boundaries, end = [], last
    for way in reversed(ways):
        boundaries.append(int(end) * multiple)
        end = way[end]
    return tuple(reversed(boundaries))
