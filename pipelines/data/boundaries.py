"""The few pairs of lengths that batches are padded to."""

import itertools
from collections.abc import Sequence

import numpy as np

Boundaries = tuple[tuple[int, int], ...]

# What a position costs in training, relatively: that of a target also goes
# through the output layer, and through a larger cell.
SOURCE_COST, TARGET_COST = 1, 5
MOST_CANDIDATES = 32  # lengths of one side that may become boundaries


def check_boundaries(
    boundaries: Sequence[int | tuple[int, int]],
) -> Boundaries:
    """Refuses boundaries that are empty, not ascending or below 1.

    Args:
        boundaries: What a caller gave: pairs (source, target), or lengths for
            both sides.

    Returns:
        Pairs.

    Raises:
        ValueError: If they cannot be used.

    Example:

    >>> check_boundaries([8, (16, 12)])
    ((8, 8), (16, 12))
    """
    pairs = [
        (int(one[0]), int(one[1]))
        if isinstance(one, tuple | list)
        else (int(one), int(one))
        for one in boundaries
    ]
    rising = all(
        before[0] <= after[0] and before[1] <= after[1] and before != after
        for before, after in itertools.pairwise(pairs)
    )
    if not pairs or min(pairs[0]) < 1 or not rising:
        raise ValueError(
            "`boundaries` must be ascending positive integers, such as "
            "(16, 32), or pairs of them for source and target, such as "
            f"((16, 12), (32, 32)). Received: boundaries={boundaries}."
        )
    return tuple(pairs)


def bucket_numbers(
    source_lengths: Sequence[int] | np.ndarray,
    target_lengths: Sequence[int] | np.ndarray,
    boundaries: Sequence[int | tuple[int, int]],
) -> np.ndarray:
    """Says which boundary each pair is padded to: the first it fits into.

    Args:
        source_lengths, target_lengths: Length of each side, in tokens.
        boundaries: Ascending.

    Returns:
        Numbers of boundaries; of pairs that fit into none, `len(boundaries)`.

    Example:

    >>> bucket_numbers([3, 3, 9], [4, 5, 1], [(4, 4), (8, 6)]).tolist()
    [0, 1, 2]
    """
    pairs = np.array(check_boundaries(boundaries))
    return np.maximum(
        np.searchsorted(pairs[:, 0], source_lengths),
        np.searchsorted(pairs[:, 1], target_lengths),
    )


def count_batches(
    source_lengths: Sequence[int] | np.ndarray,
    target_lengths: Sequence[int] | np.ndarray,
    boundaries: Sequence[int | tuple[int, int]],
    batch_size: int,
) -> int:
    """Counts the batches of an epoch.

    Args:
        source_lengths, target_lengths: Length of each side, in tokens.
        boundaries: Ascending; longer pairs are left out.
        batch_size: Rows a batch.

    Returns:
        The number of batches, those that are not full included.

    Example:

    >>> count_batches([2, 7, 3, 1], [1, 1, 1, 1], [4, 8], batch_size=2)
    3
    """
    buckets = bucket_numbers(source_lengths, target_lengths, boundaries)
    sizes = np.bincount(buckets, minlength=len(boundaries))
    return int(-(-sizes[: len(boundaries)] // batch_size).sum())


def choose_boundaries(
    source_lengths: Sequence[int] | np.ndarray,
    target_lengths: Sequence[int] | np.ndarray,
    num_buckets: int = 8,
    batch_size: int = 1,
    multiple: int = 2,
) -> Boundaries:
    """Chooses the boundaries that waste the least time on padding.

    Source and target have lengths of their own, so that a batch of short
    targets is not padded to the one long source.

    Args:
        source_lengths, target_lengths: Length of each side, in tokens; at
            least one pair.
        num_buckets: Most boundaries. Each makes XLA compile once more, which
            takes seconds.
        batch_size: Rows a batch; rows that fill up a batch count as padding.
        multiple: Boundaries are multiples of this.

    Returns:
        At most `num_buckets` ascending pairs (source, target), the last one
        at least the greatest lengths.

    Example:

    >>> choose_boundaries([3, 4, 4, 17, 20], [2, 2, 1, 9, 9], num_buckets=2)
    ((4, 2), (20, 10))
    """
    sources, source_ends = _candidates(source_lengths, multiple)
    targets, target_ends = _candidates(target_lengths, multiple)
    # How many pairs fit into each pair of ends, and a search for the cheapest
    # way from none to all: cost[j] is the cheapest with the boundaries so far,
    # the last being j.
    counts = np.zeros((len(source_ends), len(target_ends)), int)
    np.add.at(counts, (sources, targets), 1)
    fitting = counts.cumsum(axis=0).cumsum(axis=1).ravel()
    source_of, target_of = (
        one.ravel()
        for one in np.meshgrid(source_ends, target_ends, indexing="ij")
    )
    weight = SOURCE_COST * source_of + TARGET_COST * target_of
    last = len(fitting) - 1
    cost = np.where(fitting == 0, 0.0, np.inf)
    best: Boundaries = ((int(source_of[-1]), int(target_of[-1])),)
    best_cost = np.inf
    ways: list[np.ndarray] = []
    for _ in range(num_buckets):
        new_cost = np.full(last + 1, np.inf)
        way = np.zeros(last + 1, int)
        for end in range(last + 1):
            before = np.flatnonzero(
                (source_of <= source_of[end]) & (target_of <= target_of[end])
            )
            rows = -(-(fitting[end] - fitting[before]) // batch_size)
            options = cost[before] + rows * batch_size * weight[end]
            way[end] = before[options.argmin()]
            new_cost[end] = options.min()
        ways.append(way)
        cost = new_cost
        if cost[last] < best_cost:
            best_cost = cost[last]
            chosen = _trace(ways, last)
            best = tuple(
                (int(source_of[one]), int(target_of[one])) for one in chosen
            )
    return best


def _candidates(
    lengths: Sequence[int] | np.ndarray, multiple: int
) -> tuple[np.ndarray, np.ndarray]:
    """Lengths that may become boundaries, and zero.

    Returns:
        `(numbers, ends)`: for each length the number of the first end that
        is long enough; the ends, ascending multiples, the first of them 0.
    """
    rounded = multiple * -(-np.asarray(lengths) // multiple)
    ends = np.unique(rounded)
    if len(ends) > MOST_CANDIDATES:
        shares = np.linspace(0, 1, MOST_CANDIDATES)
        ends = np.unique(np.quantile(rounded, shares, method="higher"))
    ends = np.concatenate([[0], ends])
    return np.searchsorted(ends, rounded), ends


def _trace(ways: list[np.ndarray], last: int) -> list[int]:
    """Follows the cheapest cuts back from the last boundary."""
    chosen, end = [], last
    for way in reversed(ways):
        if way[end] != end:
            chosen.append(end)
        end = int(way[end])
    return chosen[::-1]
