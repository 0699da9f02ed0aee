"""The batches of `training.py`, made once for all sides."""

from __future__ import annotations

import collections
import gzip
from pathlib import Path
from typing import NamedTuple

import numpy as np
import training_worker

LEAST_COUNT = 2  # Rarer words are unknown.
SPECIAL = 4


class Data(NamedTuple):
    """One epoch.

    Attributes:
        batches: a list of `training_worker.Batch`.
        source_vocabulary, target_vocabulary: number of tokens.
    """

    batches: list
    source_vocabulary: int
    target_vocabulary: int

    @property
    def shapes(self):
        """For each shape of a batch the number of its first batch."""
        first = {}
        for index, batch in enumerate(self.batches):
            first.setdefault((batch.source.shape, batch.labels.shape), index)
        return first

    def tokens(self, numbers):
        """Real target tokens of some batches."""
        return sum(self.batches[one].tokens for one in numbers)

    def source_tokens(self, numbers):
        """Real source tokens of some batches."""
        return sum(
            int(np.count_nonzero(self.batches[one].source)) for one in numbers
        )

    def sentences(self, numbers):
        """Real pairs of some batches."""
        return sum(
            int(self.batches[one].labels.any(axis=1).sum()) for one in numbers
        )

    def describe(self):
        """One line about an epoch."""
        numbers = range(len(self.batches))
        padded = sum(one.labels.size for one in self.batches)
        shapes = [
            f"{source[1]}/{labels[1]}" for source, labels in sorted(self.shapes)
        ]
        padding = (
            f"padded to {', '.join(shapes)} (source/target)"
            if len(shapes) <= 16
            else "each padded to its longest"
        )
        return (
            f"{self.sentences(numbers):,} pairs in {len(self.batches)} "
            f"batches, {padding}, "
            f"{self.tokens(numbers) / padded:.0%} of the target tokens real"
        )


def read(folder, batch_size, limit=None):
    """Reads Multi30k's training part, and lays out its first epoch.

    Args:
        folder: with `train.lc.norm.tok.en.gz` and `train.lc.norm.tok.de.gz`.
        batch_size: sentences a batch.
        limit: only so many sentences.

    Returns:
        The `Data`.
    """
    from pipelines.data.batches import EpochBatches
    from pipelines.data.corpus import Corpus
    from pipelines.tokenizers import train

    sides = []
    for language in ("en", "de"):
        path = Path(folder) / f"train.lc.norm.tok.{language}.gz"
        with gzip.open(path, "rt", encoding="utf-8") as file:
            sides.append(file.read().splitlines()[:limit])
    tokenizers = [
        # The most frequent words, as many as occur often enough.
        train(lines, SPECIAL + num_frequent(lines), "whitespace")
        for lines in sides
    ]
    data = EpochBatches(
        Corpus(*sides),
        *tokenizers,
        batch_size=batch_size,
        max_source_len=1000,
        max_target_len=1000,
    )
    return Data(
        [
            training_worker.Batch(inputs["source"], labels)
            for inputs, labels, *_ in data.epoch(0).as_numpy_iterator()
        ],
        *(one.vocabulary_size for one in tokenizers),
    )


def num_frequent(lines):
    counts = collections.Counter(
        word for line in lines for word in line.split()
    )
    return sum(count >= LEAST_COUNT for count in counts.values())


def sample(data, steps, seed=0):
    """Numbers of batches drawn from the epoch, none twice if it is enough."""
    order = np.random.default_rng(seed).permutation(len(data.batches))
    return [int(order[one % len(order)]) for one in range(steps)]


def randomly(data, batch_size, seed=0):
    """The same pairs in batches as they come, in a random order.

    Returns:
        The `Data`, padded to the longest of each batch.
    """
    return _in_groups(data, batch_size, lambda source, labels: 0, seed)


def by_width(data, batch_size, width, seed=0):
    """The same pairs in batches of about the same length.

    Args:
        data: the `Data`.
        batch_size: sentences a batch.
        width: the longer sides of a batch's pairs differ by less than this.
        seed: of the order.

    Returns:
        The `Data`, padded to the longest of each batch.
    """

    def bucket(source, labels):
        return max(len(source), len(labels)) // width

    return _in_groups(data, batch_size, bucket, seed)


def _in_groups(data, batch_size, group, seed):
    rng = np.random.default_rng(seed)
    pairs = [
        (source[source != training_worker.PAD], row[row != training_worker.PAD])
        for batch in data.batches
        for source, row in zip(batch.source, batch.labels, strict=True)
        if row.any()
    ]
    groups = collections.defaultdict(list)
    for index in rng.permutation(len(pairs)):
        groups[group(*pairs[index])].append(pairs[index])
    batches = [
        _batch(members[start : start + batch_size])
        for members in groups.values()
        for start in range(0, len(members), batch_size)
    ]
    order = rng.permutation(len(batches))
    return data._replace(batches=[batches[one] for one in order])


def _batch(pairs):
    return training_worker.Batch(
        *(_padded(side) for side in zip(*pairs, strict=True))
    )


def _padded(rows):
    length = max(len(row) for row in rows)
    padded = np.full((len(rows), length), training_worker.PAD, rows[0].dtype)
    for index, row in enumerate(rows):
        padded[index, : len(row)] = row
    return padded
