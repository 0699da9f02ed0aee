"""Batches of a corpus that is larger than memory."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from pipelines import tokenizers
from pipelines.data import transforms
from pipelines.data.batches import describe
from pipelines.data.boundaries import bucket_numbers, choose_boundaries
from pipelines.data.streamed_corpus import HEAD, LineCounts, StreamedCorpus
from pipelines.errors import UserError
from pipelines.text import END_ID

MIXING = 1_000_003  # keeps the seeds of epochs apart


class StreamedBatches:
    """What `EpochBatches` is, for a corpus that is read anew in each epoch.

    In memory are the pairs of the shuffle buffer, and a batch in the making
    for each bucket. The order depends only on the seed and the epoch's
    number here too, and `skip` reads again what is skipped: a training that
    is resumed goes on with the very batches that it would have had. Pairs
    are mixed as far as the buffer reaches, so a file that is sorted should
    be shuffled once. Making this reads the file once, to count.

    Args:
        corpus: What `read_stream` returned.
        source_tokenizer: Tokenizer of the sources.
        target_tokenizer: Tokenizer of the targets.
        batch_size: Rows a batch.
        num_buckets: Most pairs of lengths that batches are padded to, chosen
            from the beginning of the corpus.
        max_source_len: Pairs with longer sources (tokens, the end token
            included) are dropped.
        max_target_len: Likewise for targets.
        shuffle_buffer: Pairs that are mixed.
        seed: For mixing.
        repeats: How often a batch has its rows, all of them and then all
            again: `repeats * batch_size` rows.

    Attributes:
        boundaries, num_pairs, num_dropped, num_batches, num_target_tokens: As
            those of `EpochBatches`.
        failure: Why the file could not be read to its end, behind the error
            that tf.data raises then; None if it could.

    Raises:
        UserError: If no pair is short enough, or the file cannot be read.
    """

    def __init__(
        self,
        corpus: StreamedCorpus,
        source_tokenizer: tokenizers.Tokenizer,
        target_tokenizer: tokenizers.Tokenizer,
        *,
        batch_size: int = 64,
        num_buckets: int = 8,
        max_source_len: int = 64,
        max_target_len: int = 64,
        shuffle_buffer: int = 20_000,
        seed: int = 1,
        repeats: int = 1,
    ) -> None:
        self.repeats = repeats
        self.name = corpus.name
        self.batch_size = batch_size
        self.shuffle_buffer = shuffle_buffer
        self.seed = seed
        self._corpus = corpus
        self._tokenizers = source_tokenizer, target_tokenizer
        _ = source_tokenizer.in_graph, target_tokenizer.in_graph
        self._limits = max_source_len, max_target_len
        self._counts = LineCounts()
        self.failure: UserError | None = None
        # How many pairs have which two lengths.
        table = np.zeros((max_source_len + 1, max_target_len + 1), int)
        beginning = table
        self.num_dropped = 0
        try:
            for numbers, source, target in self._tokens(self._counts):
                lengths = source.row_lengths(), target.row_lengths()
                np.add.at(table, tuple(one.numpy() for one in lengths), 1)
                self.num_dropped += int(
                    tf.reduce_sum(tf.cast(numbers == 0, "int64"))
                )
                if table.sum() <= HEAD:
                    beginning = table.copy()
        except tf.errors.OpError:
            if self.failure is not None:
                raise self.failure from None
            raise
        # Row 0 holds what is left of the pairs that are too long.
        table[0, 0] = beginning[0, 0] = 0
        self.num_pairs = int(table.sum())
        if not self.num_pairs:
            raise UserError(
                f"No pair of {corpus.name} has at most {max_source_len} "
                f"source and {max_target_len} target tokens.",
                "Raise data.max_source_len and data.max_target_len, or give "
                "shorter sentences.",
            )
        sources, targets = np.nonzero(table)
        numbers = table[sources, targets]
        self.num_target_tokens = int((targets * numbers).sum())
        if not beginning.any():
            beginning = table
        each = beginning[beginning > 0]
        some_sources, some_targets = (
            np.repeat(side, each) for side in np.nonzero(beginning)
        )
        self.boundaries = choose_boundaries(
            some_sources, some_targets, num_buckets, batch_size
        )
        last = self.boundaries[-1]
        if sources.max() > last[0] or targets.max() > last[1]:
            self.boundaries += (
                (max(max_source_len, last[0]), max(max_target_len, last[1])),
            )
        sizes = np.zeros(len(self.boundaries), int)
        np.add.at(
            sizes, bucket_numbers(sources, targets, self.boundaries), numbers
        )
        self.num_batches = int(-(-sizes // batch_size).sum())

    def epoch(self, number: int) -> tf.data.Dataset:
        """The batches of one epoch, as from `EpochBatches.epoch`."""
        return self.all_epochs(number, 1)

    def all_epochs(self, first_epoch: int, num_epochs: int) -> tf.data.Dataset:
        """Those of several in a row, as from `EpochBatches.all_epochs`."""
        size = num_epochs * self.num_batches
        return (
            self._numbered(first_epoch, num_epochs)
            .map(lambda numbers, source, target: (source, target))
            .apply(transforms.pad_to_boundary(self.boundaries, self.batch_size))
            .apply(transforms.shift_targets())
            .apply(transforms.repeat_rows(self.repeats))
            .apply(tf.data.experimental.assert_cardinality(size))
            .apply(transforms.prefetch())
        )

    def lines(self, epoch: int, batch: int) -> list[int]:
        """Says which lines of its file a batch holds; reads up to there."""
        dataset = self._numbered(epoch, 1).map(lambda numbers, *_: numbers)
        [numbers] = dataset.skip(batch).take(1).as_numpy_iterator()
        return sorted(numbers[numbers > 0].tolist())

    def report(self) -> str:
        """Sums up on one line how many pairs and batches there are."""
        how = f", streamed through a buffer of {self.shuffle_buffer:,} pairs"
        return f"{describe(self, how)}{self._counts.report()}"

    def _tokens(self, counts: LineCounts | None = None) -> tf.data.Dataset:
        """Line numbers and tokens, a piece of the corpus at a time.

        A pair that is too long has line number 0 and no tokens.
        """
        strings = tf.TensorSpec([None], tf.string)

        def pieces() -> Iterator[Any]:
            try:
                yield from self._corpus.pieces(counts)
            except UserError as error:
                self.failure = error  # tf.data makes it one of its own.
                raise

        def tokenize(numbers: Any, source: Any, target: Any) -> Any:
            end = tf.fill([tf.size(numbers), 1], END_ID)
            rows = [
                tf.concat([tokenizer.tokenize(text), end], axis=1)
                for tokenizer, text in zip(
                    self._tokenizers, (source, target), strict=True
                )
            ]
            keep = transforms.are_short(
                rows[0], rows[1], self._limits[0], self._limits[1]
            )
            nothing = tf.ragged.constant([[]], tf.int32)
            index = tf.where(keep, tf.range(tf.size(keep)), tf.size(keep))
            source, target = (
                tf.gather(tf.concat([side, nothing], axis=0), index)
                for side in rows
            )
            return tf.where(keep, numbers, 0), source, target

        dataset = tf.data.Dataset.from_generator(
            pieces,
            output_signature=(
                tf.TensorSpec([None], tf.int32),
                strings,
                strings,
            ),
        )
        return dataset.map(tokenize).apply(transforms.without_autotune())

    def _numbered(self, first_epoch: int, num_epochs: int) -> tf.data.Dataset:
        """Batches of line numbers and tokens; rows that fill up are empty."""
        size = self.batch_size
        bounds = [
            tf.constant(side, tf.int64)
            for side in zip(*self.boundaries, strict=True)
        ]
        pairs = self._tokens().unbatch().filter(lambda number, *_: number > 0)

        def bucket(_: Any, source: Any, target: Any) -> tf.Tensor:
            numbers = [
                tf.searchsorted(ends, [tf.size(side, tf.int64)])[0]
                for ends, side in zip(bounds, (source, target), strict=True)
            ]
            return tf.cast(tf.maximum(*numbers), tf.int64)

        def fill_up(numbers: Any, source: Any, target: Any) -> Any:
            missing = size - tf.size(numbers)
            nothing = tf.RaggedTensor.from_row_lengths(
                tf.zeros([0], tf.int32), tf.zeros([missing], tf.int64)
            )
            return (
                tf.ensure_shape(tf.pad(numbers, [[0, missing]]), [size]),
                tf.concat([source, nothing], axis=0),
                tf.concat([target, nothing], axis=0),
            )

        def one_epoch(epoch: tf.Tensor) -> tf.data.Dataset:
            graph = tf.compat.v1.get_default_graph()
            if graph.seed is not None and graph.seed % (2**31 - 1) == 0:
                # TensorFlow would ask whether both seeds are 0, of which the
                # second is only known when the epoch begins.
                graph.seed = 1
            return (
                pairs.shuffle(
                    self.shuffle_buffer,
                    seed=self.seed * MIXING + epoch,
                    reshuffle_each_iteration=False,
                )
                .group_by_window(
                    bucket,
                    lambda _, rows: rows.ragged_batch(size),
                    window_size=size,
                )
                .map(fill_up)
            )

        return tf.data.Dataset.range(
            first_epoch, first_epoch + num_epochs
        ).flat_map(one_epoch)
