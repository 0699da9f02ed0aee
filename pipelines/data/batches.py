"""Batches for training and validation, put together from transforms."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from pipelines import tokenizers
from pipelines.data import transforms
from pipelines.data.boundaries import (
    bucket_numbers,
    check_boundaries,
    choose_boundaries,
    count_batches,
)
from pipelines.data.bpe_dropout import DroppedMerges
from pipelines.data.corpus import Corpus
from pipelines.errors import UserError


class EpochBatches:
    """The batches of a corpus, in an order that every epoch has for itself.

    The corpus is tokenised once, when this is made, and kept in memory as
    integers. Each epoch then holds every pair once. Its order depends only
    on `seed` and the epoch's number, so a training that is resumed goes on
    with the batches that it would have had.

    Batches come in few shapes: a boundary is a length for sources and one for
    targets, and a pair is padded to the first boundary that both its sides
    fit into. Rows that fill up the last batch of a bucket are zero throughout,
    weights included.

    Args:
        corpus: Sentence pairs.
        source_tokenizer: Tokenizer of the sources.
        target_tokenizer: Tokenizer of the targets.
        batch_size: Rows a batch.
        boundaries: Ascending pairs (source length, target length), in tokens,
            or lengths for both. None chooses `num_buckets` of them that suit
            the corpus. Give a validation set those of the training set;
            longer pairs then make one bucket more.
        num_buckets: Most boundaries to choose.
        max_source_len: Pairs with longer sources (tokens, the end token
            included) are dropped.
        max_target_len: Likewise for targets.
        bpe_dropout: Share of the merges that are left out at random, anew in
            each epoch: see `pipelines.data.bpe_dropout`. Tokenizers must be
            of subwords.
        shuffle: Whether to mix; otherwise all epochs are alike and go from
            short to long.
        seed: For mixing.
        repeats: How often a batch has its rows, all of them and then all
            again: `repeats * batch_size` rows.

    Attributes:
        boundaries: The boundaries in use, a tuple of pairs.
        num_pairs: Number of pairs kept.
        num_dropped: Number of pairs dropped for their length.
        num_batches: Number of batches in an epoch.
        num_target_tokens: Number of labels in an epoch, end tokens included,
            each counted once whatever `repeats` is.

    Raises:
        UserError: If no pair is short enough.

    Example:

    >>> tokenizer = tokenizers.train(["a b c"], 10)
    >>> corpus = Corpus(["a", "a b", "c"], ["b", "c", "c b a"])
    >>> data = EpochBatches(
    ...     corpus, tokenizer, tokenizer, batch_size=2, boundaries=[4, 8],
    ...     shuffle=False,
    ... )
    >>> data.num_batches
    2
    >>> [labels.shape for _, labels, _ in data.epoch(0)]
    [TensorShape([2, 4]), TensorShape([2, 8])]
    """

    failure: UserError | None = None  # Of reading: all is read beforehand.

    def __init__(
        self,
        corpus: Corpus,
        source_tokenizer: tokenizers.Tokenizer,
        target_tokenizer: tokenizers.Tokenizer,
        *,
        batch_size: int = 64,
        boundaries: Sequence[int | tuple[int, int]] | None = None,
        num_buckets: int = 8,
        max_source_len: int = 64,
        max_target_len: int = 64,
        bpe_dropout: float = 0.0,
        shuffle: bool = True,
        seed: int = 1,
        repeats: int = 1,
    ) -> None:
        self.repeats = repeats
        self.name = corpus.name
        self.batch_size = batch_size
        self.seed = seed if shuffle else None
        chunks, kept = [], []
        for source, target in (
            transforms.lines(corpus)
            .apply(transforms.tokenize(source_tokenizer, target_tokenizer))
            .apply(transforms.add_special_tokens())
        ):
            keep = transforms.are_short(
                source, target, max_source_len, max_target_len
            )
            kept.append(keep.numpy())
            chunks.append(
                (
                    tf.ragged.boolean_mask(source, keep),
                    tf.ragged.boolean_mask(target, keep),
                )
            )
        if not sum(int(source.nrows()) for source, _ in chunks):
            raise UserError(
                f"No pair of {corpus.name} has at most {max_source_len} "
                f"source and {max_target_len} target tokens.",
                "Raise data.max_source_len and data.max_target_len, or give "
                "shorter sentences.",
            )
        self._source = tf.concat([source for source, _ in chunks], axis=0)
        self._target = tf.concat([target for _, target in chunks], axis=0)
        # Of sources, and of targets.
        self._lengths = (
            self._source.row_lengths().numpy(),
            self._target.row_lengths().numpy(),
        )
        self.num_pairs = len(self._lengths[0])
        # Of the rows that were kept.
        self._line_numbers = np.asarray(corpus.line_numbers, np.int32)
        if len(self._line_numbers):
            self._line_numbers = self._line_numbers[np.concatenate(kept)]
        self.num_dropped = len(corpus) - self.num_pairs
        self._drawn = None
        if bpe_dropout:
            self._drawn = DroppedMerges(
                _kept(corpus, np.concatenate(kept)),
                source_tokenizer,
                target_tokenizer,
                bpe_dropout,
                seed,
            )
            self._lengths = self._drawn.typical_lengths(
                self._lengths, (max_source_len, max_target_len)
            )
        self.num_target_tokens = int(self._lengths[1].sum())
        if boundaries is None:
            boundaries = choose_boundaries(
                *self._lengths, num_buckets, batch_size
            )
        self.boundaries = check_boundaries(boundaries)
        last = self.boundaries[-1]
        if any(
            int(side.max()) > boundary
            for side, boundary in zip(self._lengths, last, strict=True)
        ):
            self.boundaries += (
                (max(max_source_len, last[0]), max(max_target_len, last[1])),
            )
        if self._drawn is not None:
            ends = np.array(self.boundaries)[
                bucket_numbers(*self._lengths, self.boundaries)
            ]
            self._drawn.limit((self._source, self._target), ends.T)
        self.num_batches = count_batches(
            *self._lengths, self.boundaries, batch_size
        )

    def epoch(self, number: int) -> tf.data.Dataset:
        """The batches of one epoch.

        Args:
            number: The epoch, counted from 0.

        Returns:
            Dataset of `num_batches` elements ({"source": int32 (rows,
            source_len), "target": int32 (rows, target_len)}, labels int32
            (rows, target_len), weights float32 (rows, target_len)), with
            `repeats * batch_size` rows.
            `skip(n)` goes on in mid-epoch.
        """
        return self.all_epochs(number, 1)

    def all_epochs(self, first_epoch: int, num_epochs: int) -> tf.data.Dataset:
        """The batches of several epochs in a row.

        For `model.fit(data.all_epochs(first, num), initial_epoch=first,
        epochs=first + num, steps_per_epoch=data.num_batches, shuffle=False)`.

        Args:
            first_epoch: The first epoch, counted from 0.
            num_epochs: How many.

        Returns:
            Dataset of `num_epochs * num_batches` elements as in `epoch`.
        """
        pad = transforms.pad_to_boundary(self.boundaries, self.batch_size)
        size = num_epochs * self.num_batches
        return (
            tf.data.Dataset.range(first_epoch, first_epoch + num_epochs)
            .apply(self._gather())
            .apply(pad)
            .apply(transforms.shift_targets())
            .apply(transforms.repeat_rows(self.repeats))
            .apply(tf.data.experimental.assert_cardinality(size))
            .apply(transforms.prefetch())
        )

    def lines(self, epoch: int, batch: int) -> list[int]:
        """Says which lines of its file a batch holds.

        Args:
            epoch: The epoch, counted from 0.
            batch: The batch in that epoch, counted from 0.

        Returns:
            Line numbers, counted from 1, ascending; empty if the corpus has
            none.
        """
        if not len(self._line_numbers):
            return []
        order = tf.data.Dataset.range(epoch, epoch + 1).apply(self._plan())
        [rows] = order.skip(batch).take(1).as_numpy_iterator()
        rows = rows[rows < self.num_pairs]
        return sorted(self._line_numbers[rows].tolist())

    def _gather(self) -> transforms.Transform:
        """From the number of an epoch to the tokens of its batches."""
        drawn, plan = self._drawn, self._plan()
        if drawn is None:
            gather = transforms.gather_pairs(self._source, self._target)
            return lambda epochs: epochs.apply(plan).apply(gather)

        def one(epoch: tf.Tensor) -> tf.data.Dataset:
            gather = transforms.gather_pairs(*drawn.tokens(epoch))
            return tf.data.Dataset.from_tensors(epoch).apply(plan).apply(gather)

        return lambda epochs: epochs.flat_map(one)

    def _plan(self) -> transforms.Transform:
        """From the number of an epoch to the rows of its batches."""
        return transforms.bucket_by_length(
            *self._lengths, self.boundaries, self.batch_size, self.seed
        )

    def report(self) -> str:
        """Sums up on one line how many pairs and batches there are."""
        return describe(self)


def _kept(corpus: Corpus, keep: np.ndarray) -> Corpus:
    """The pairs that were kept."""
    rows = np.flatnonzero(keep)
    return Corpus(
        [corpus.sources[row] for row in rows],
        [corpus.targets[row] for row in rows],
    )


def describe(batches: Any, how: str = "") -> str:
    """Says in a sentence or two how many pairs and batches there are.

    Args:
        batches: An `EpochBatches`, or what is like one.
        how: What else there is to say of the batches.
    """
    dropped = (
        f" {batches.num_dropped:,} pairs were too long and are left out."
        if batches.num_dropped
        else ""
    )
    lengths = ", ".join(
        f"{source}/{target}" for source, target in batches.boundaries
    )
    if batches.repeats > 1:
        how = f"{how}, each pair {batches.repeats} times"
    return (
        f"{batches.name}: {batches.num_pairs:,} pairs in "
        f"{batches.num_batches:,} batches of {batches.batch_size}, padded to "
        f"{lengths} source/target tokens{how}.{dropped}"
    )


def batches(
    corpus: Corpus,
    source_tokenizer: tokenizers.Tokenizer,
    target_tokenizer: tokenizers.Tokenizer,
    *,
    epoch: int = 0,
    **options: object,
) -> tf.data.Dataset:
    """The batches of one epoch; for more than one keep an `EpochBatches`.

    Args:
        corpus: Sentence pairs.
        source_tokenizer: Tokenizer of the sources.
        target_tokenizer: Tokenizer of the targets.
        epoch: The epoch, counted from 0.
        **options: As for `EpochBatches`.

    Returns:
        Dataset as from `EpochBatches.epoch`.

    Example:

    >>> tokenizer = tokenizers.train(["a b c"], 10)
    >>> corpus = Corpus(["a", "a b"], ["b", "c"])
    >>> len(batches(corpus, tokenizer, tokenizer, batch_size=2))
    1
    """
    return EpochBatches(
        corpus,
        source_tokenizer,
        target_tokenizer,
        **options,  # type: ignore[arg-type]
    ).epoch(epoch)
