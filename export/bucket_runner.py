"""Runs a LiteRT file of fixed sizes as if its sizes were free. NumPy only."""

from collections.abc import Collection
from typing import Any

import numpy as np


def buckets_of(names: Collection[str], search: str) -> list[int]:
    """Reads the buckets of a search from the names of signatures.

    Args:
        names: The file's signatures.
        search: `"greedy"` or `"beam"`.

    Returns:
        The buckets, the smallest first; none if the file has no such search.

    Example:

    >>> buckets_of(["greedy_32", "greedy_16", "beam_16"], "greedy")
    [16, 32]
    """
    endings = [
        name.removeprefix(f"{search}_")
        for name in names
        if name.startswith(f"{search}_")
    ]
    return sorted(int(ending) for ending in endings if ending.isdecimal())


class BucketRunner:
    """Stands for the signature runner of a search over sizes that are free.

    Args:
        interpreter: An interpreter of ai-edge-litert.
        search: A search that has buckets, such as `"greedy"`.
    """

    def __init__(self, interpreter: Any, search: str) -> None:
        self._interpreter = interpreter
        self._search = search
        self._buckets = buckets_of(interpreter.get_signature_list(), search)
        # Memory is taken for a bucket when it is first needed.
        self._runners: dict[int, Any] = {}

    def get_output_details(self) -> dict[str, Any]:
        """Returns the outputs of the smallest bucket, by name."""
        return self._runner(self._buckets[0]).get_output_details()

    def __call__(self, source: np.ndarray) -> dict[str, np.ndarray]:
        """Runs sentences one by one, each in the smallest bucket it fits.

        Args:
            source: `(batch, source_len)` int32 ids, 0 where padded.

        Returns:
            Outputs by name, with the batch first. Padded with zeros to the
            sizes of the largest bucket that was needed.

        Raises:
            ValueError: If a sentence fits no bucket.
        """
        rows = [self._run(row) for row in np.asarray(source, np.int32)]
        return {name: _stacked([row[name] for row in rows]) for name in rows[0]}

    def _run(self, row: np.ndarray) -> dict[str, np.ndarray]:
        length = np.count_nonzero(row)
        bucket = next((one for one in self._buckets if one >= length), None)
        if bucket is None:
            raise ValueError(
                f"A source must have at most {self._buckets[-1]} tokens. "
                f"Received: {length}."
            )
        padded = np.zeros((1, bucket), np.int32)
        padded[0, :length] = row[:length]
        return self._runner(bucket)(source=padded)

    def _runner(self, bucket: int) -> Any:
        if bucket not in self._runners:
            self._runners[bucket] = self._interpreter.get_signature_runner(
                f"{self._search}_{bucket}"
            )
        return self._runners[bucket]


def _stacked(arrays: list[np.ndarray]) -> np.ndarray:
    """Joins arrays of one row along the first axis, padded to one shape."""
    shape = np.max([array.shape for array in arrays], axis=0)
    joined = np.zeros((len(arrays), *shape[1:]), arrays[0].dtype)
    for row, array in enumerate(arrays):
        place: tuple[Any, ...] = (row, *map(slice, array.shape[1:]))
        joined[place] = array[0]
    return joined
