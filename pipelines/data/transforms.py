"""From sentence pairs to padded batches: functions dataset -> dataset.

Each public function returns a transform for `tf.data.Dataset.apply`, except
`lines`, where a dataset begins. `pipelines.data.batches` puts them together.

Text is tokenised a few thousand lines at a time, once. What is shuffled and
batched afterwards are row numbers, so an epoch costs next to nothing. Shapes
are few and fixed, because XLA compiles anew for each: both sides of a batch
are as long as one of a few boundaries says, and it always has the same number
of rows.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from pipelines import tokenizers
from pipelines.data.boundaries import bucket_numbers, check_boundaries
from pipelines.data.corpus import Corpus
from pipelines.text import END_ID, PAD_ID, START_ID

Transform = Callable[[tf.data.Dataset], tf.data.Dataset]


def lines(corpus: Corpus, chunk_size: int = 4096) -> tf.data.Dataset:
    """Starts a dataset from the sentences of a corpus.

    Args:
        corpus: Sentence pairs.
        chunk_size: Number of pairs an element, for speed; no training batch.

    Returns:
        Dataset of (sources, targets): string tensors (chunk,).

    Example:

    >>> pairs = Corpus(["Va !", "Oui."], ["Go.", "Yes."])
    >>> [len(sources) for sources, _ in lines(pairs, chunk_size=1)]
    [1, 1]
    """
    pairs = (
        tf.constant(corpus.sources, tf.string),
        tf.constant(corpus.targets, tf.string),
    )
    dataset = tf.data.Dataset.from_tensor_slices(pairs).batch(chunk_size)
    return dataset.apply(without_autotune())


def tokenize(
    source_tokenizer: tokenizers.Tokenizer,
    target_tokenizer: tokenizers.Tokenizer,
) -> Transform:
    """Turns strings into token ids, in the graph.

    Args:
        source_tokenizer: For the first of each pair.
        target_tokenizer: For the second.

    Returns:
        (strings (chunk,), strings (chunk,)) -> (ragged int32 (chunk, None),
        ragged int32 (chunk, None)).

    Example:

    >>> tokenizer = tokenizers.train(["ab"], 10)
    >>> pairs = lines(Corpus(["ab", "b"], ["a", "ba"]))
    >>> [source] = [s for s, _ in pairs.apply(tokenize(tokenizer, tokenizer))]
    >>> [tokenizer.pieces(row) for row in source.numpy()]
    [['▁ab'], ['▁', 'b']]
    """
    # Made here, outside of the graph that `map` traces.
    _ = source_tokenizer.in_graph, target_tokenizer.in_graph

    def transform(dataset: tf.data.Dataset) -> tf.data.Dataset:
        return dataset.map(
            lambda source, target: (
                source_tokenizer.tokenize(source),
                target_tokenizer.tokenize(target),
            )
        )

    return transform


def add_special_tokens() -> Transform:
    """Appends the end token to sources and targets.

    The start token comes with `shift_targets`.

    Returns:
        (ragged (chunk, None), ragged (chunk, None)) -> the same, each row
        longer by one.

    Example:

    >>> rows = tf.ragged.constant([[5, 6], []], dtype=tf.int32)
    >>> dataset = tf.data.Dataset.from_tensors((rows, rows))
    >>> [source] = [s for s, _ in dataset.apply(add_special_tokens())]
    >>> source.to_list()
    [[5, 6, 2], [2]]
    """

    def append_end(rows: tf.RaggedTensor) -> tf.RaggedTensor:
        end = tf.fill([rows.nrows(), 1], tf.constant(END_ID, rows.dtype))
        return tf.concat([rows, end], axis=1)

    def transform(dataset: tf.data.Dataset) -> tf.data.Dataset:
        return dataset.map(
            lambda source, target: (append_end(source), append_end(target))
        )

    return transform


def are_short(
    source: tf.RaggedTensor,
    target: tf.RaggedTensor,
    max_source_len: int,
    max_target_len: int,
) -> tf.Tensor:
    """Says which pairs have no side that is too long.

    Args:
        source: Ragged (chunk, None).
        target: Ragged (chunk, None).
        max_source_len: Most tokens of a source, the end token included.
        max_target_len: Most tokens of a target, the end token included.

    Returns:
        Booleans (chunk,).
    """
    return tf.logical_and(
        source.row_lengths() <= max_source_len,
        target.row_lengths() <= max_target_len,
    )


def bucket_by_length(
    source_lengths: Sequence[int] | np.ndarray,
    target_lengths: Sequence[int] | np.ndarray,
    boundaries: Sequence[int | tuple[int, int]],
    batch_size: int,
    seed: int | None = None,
) -> Transform:
    """Lays out, for each epoch, which rows make which batch.

    Rows of similar length come together. With a seed, the rows of a bucket
    are shuffled and the batches of all buckets mixed, anew in each epoch; the
    order depends on nothing but the seed and the epoch's number.

    Args:
        source_lengths, target_lengths: Lengths of each row, in tokens.
        boundaries: Ascending, pairs (source, target) or lengths for both; a
            row belongs to the first boundary that both its sides fit into.
            Rows longer than the last are left out.
        batch_size: Rows a batch.
        seed: None leaves rows in order, short ones first.

    Returns:
        epoch number () -> one element a batch: row numbers int32
        (batch_size,). A batch that is not full is filled up with the number
        of rows, one behind the last row.

    Example:

    >>> epochs = tf.data.Dataset.range(1)
    >>> batches = epochs.apply(
    ...     bucket_by_length([2, 7, 3, 1], [1, 1, 1, 1], [4, 8], 2)
    ... )
    >>> [rows.tolist() for rows in batches.as_numpy_iterator()]
    [[0, 2], [3, 4], [1, 4]]
    """
    num_rows = len(source_lengths)
    bucket_of_row = bucket_numbers(source_lengths, target_lengths, boundaries)
    buckets = []
    for bucket in range(len(boundaries)):
        members = np.flatnonzero(bucket_of_row == bucket).astype(np.int32)
        if len(members):
            buckets.append(tf.constant(members))
    num_streams = len(buckets) + 1  # One more for the order of the batches.

    def shuffle(rows: tf.Tensor, epoch: tf.Tensor, stream: int) -> tf.Tensor:
        if seed is None:
            return rows
        return tf.random.experimental.stateless_shuffle(
            rows, seed=[seed, epoch * num_streams + stream], alg="philox"
        )

    def epoch_batches(epoch: tf.Tensor) -> tf.data.Dataset:
        groups = []
        for stream, members in enumerate(buckets):
            members = shuffle(members, epoch, stream)
            filling = tf.fill([-len(members) % batch_size], num_rows)
            members = tf.concat([members, filling], axis=0)
            groups.append(tf.reshape(members, [-1, batch_size]))
        rows = shuffle(tf.concat(groups, axis=0), epoch, len(buckets))
        return tf.data.Dataset.from_tensor_slices(rows)

    def transform(dataset: tf.data.Dataset) -> tf.data.Dataset:
        return dataset.flat_map(epoch_batches)

    return transform


def gather_pairs(source: tf.RaggedTensor, target: tf.RaggedTensor) -> Transform:
    """Looks up the tokens of the rows of a batch.

    Args:
        source: Ragged (rows, None), all sources.
        target: Ragged (rows, None), all targets.

    Returns:
        row numbers (batch,) -> (ragged (batch, None), ragged (batch, None)).
        The number behind the last row gives an empty row.

    Example:

    >>> rows = tf.ragged.constant([[5, 6, 2], [7, 2]], dtype=tf.int32)
    >>> numbers = tf.data.Dataset.from_tensors(tf.constant([1, 2]))
    >>> [pair] = numbers.apply(gather_pairs(rows, rows))
    >>> pair[0].to_list()
    [[7, 2], []]
    """
    nothing = tf.RaggedTensor.from_row_lengths(
        tf.zeros([0], source.dtype), [tf.constant(0, source.row_splits.dtype)]
    )
    source = tf.concat([source, nothing], axis=0)
    target = tf.concat([target, nothing], axis=0)

    def transform(dataset: tf.data.Dataset) -> tf.data.Dataset:
        return dataset.map(
            lambda numbers: (
                tf.gather(source, numbers),
                tf.gather(target, numbers),
            )
        )

    return transform


def pad_to_boundary(
    boundaries: Sequence[int | tuple[int, int]], batch_size: int
) -> Transform:
    """Pads sources and targets with zeros to the lengths of a boundary.

    Args:
        boundaries: Ascending, pairs (source, target) or lengths for both; the
            first that is long enough for both sides is taken.
        batch_size: Rows a batch, to make the shape static.

    Returns:
        (ragged (batch, None), ragged (batch, None)) -> (int32 (batch,
        source boundary), int32 (batch, target boundary)).

    Example:

    >>> rows = tf.ragged.constant([[5, 6, 2], [7, 2]], dtype=tf.int32)
    >>> dataset = tf.data.Dataset.from_tensors((rows, rows))
    >>> [pair] = dataset.apply(pad_to_boundary([(4, 3), (8, 8)], 2))
    >>> [side.numpy().tolist() for side in pair]
    [[[5, 6, 2, 0], [7, 2, 0, 0]], [[5, 6, 2], [7, 2, 0]]]
    """
    bounds = [
        tf.constant(side, tf.int64)
        for side in zip(*check_boundaries(boundaries), strict=True)
    ]

    def pad(source: Any, target: Any) -> tuple[tf.Tensor, tf.Tensor]:
        numbers = [
            tf.searchsorted(ends, [tokens.bounding_shape(axis=1)])[0]
            for ends, tokens in zip(bounds, (source, target), strict=True)
        ]
        bucket = tf.maximum(*numbers)
        rows = []
        for ends, tokens in zip(bounds, (source, target), strict=True):
            padded = tokens.to_tensor(PAD_ID)
            missing = tf.gather(ends, bucket) - tf.shape(padded, tf.int64)[1]
            padded = tf.pad(padded, [[0, 0], [0, missing]])
            rows.append(tf.ensure_shape(padded, [batch_size, None]))
        return rows[0], rows[1]

    def transform(dataset: tf.data.Dataset) -> tf.data.Dataset:
        return dataset.map(pad)

    return transform


def shift_targets() -> Transform:
    """Makes what `fit` takes: inputs, labels and weights.

    The decoder's inputs are the start token and the labels up to the last
    but one; weights are 1 at labels and 0 at padding.

    Returns:
        (source (batch, source_len), labels (batch, target_len)) ->
        ({"source", "target"} int32, labels int32, weights float32).

    Example:

    >>> rows = tf.constant([[5, 2, 0], [0, 0, 0]])
    >>> dataset = tf.data.Dataset.from_tensors((rows, rows))
    >>> [(inputs, labels, weights)] = dataset.apply(shift_targets())
    >>> inputs["target"].numpy().tolist()
    [[1, 5, 0], [0, 0, 0]]
    >>> weights.numpy().tolist()
    [[1.0, 1.0, 0.0], [0.0, 0.0, 0.0]]
    """

    def shift(source: tf.Tensor, labels: tf.Tensor) -> tuple[Any, Any, Any]:
        is_token = tf.not_equal(labels, PAD_ID)
        start = tf.fill([tf.shape(labels)[0], 1], START_ID)
        target = tf.concat([start, labels[:, :-1]], axis=1)
        inputs = {
            "source": source,
            "target": tf.where(is_token, target, PAD_ID),
        }
        return inputs, labels, tf.cast(is_token, tf.float32)

    def transform(dataset: tf.data.Dataset) -> tf.data.Dataset:
        return dataset.map(shift)

    return transform


def repeat_rows(times: int) -> Transform:
    """Puts the rows of a batch behind themselves again.

    Args:
        times: How often a row is in the batch then.

    Returns:
        Nested tensors (batch, ...) -> the same (times * batch, ...).

    Example:

    >>> dataset = tf.data.Dataset.from_tensors((tf.constant([5, 6]),))
    >>> [(rows,)] = dataset.apply(repeat_rows(2))
    >>> rows.numpy().tolist()
    [5, 6, 5, 6]
    """

    def repeat(*batch: Any) -> Any:
        return tf.nest.map_structure(
            lambda rows: tf.concat([rows] * times, axis=0), batch
        )

    def transform(dataset: tf.data.Dataset) -> tf.data.Dataset:
        return dataset.map(repeat) if times > 1 else dataset

    return transform


def prefetch() -> Transform:
    """Prepares the next two batches while the model is busy, untuned.

    Returns:
        dataset -> the same dataset.

    Example:

    >>> len(tf.data.Dataset.range(3).apply(prefetch()))
    3
    """

    def transform(dataset: tf.data.Dataset) -> tf.data.Dataset:
        return dataset.prefetch(2).apply(without_autotune())

    return transform


def without_autotune() -> Transform:
    """Turns off the tuning of a dataset, which may hold up whoever ends it.

    An iterator that is tuned has a thread that wakes up ever more seldom,
    up to a minute apart; now and then its end waits for that thread. The
    buffers here have fixed sizes, so that nothing is left to tune.

    Returns:
        dataset -> the same dataset.

    Example:

    >>> dataset = tf.data.Dataset.range(3).apply(without_autotune())
    >>> dataset.map(lambda number: number + 1).options().autotune.enabled
    False
    """

    def transform(dataset: tf.data.Dataset) -> tf.data.Dataset:
        options = tf.data.Options()
        options.autotune.enabled = False
        return dataset.with_options(options)

    return transform
