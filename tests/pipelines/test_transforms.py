import itertools

import numpy as np
import pytest
import tensorflow as tf

from pipelines.data import boundaries as boundaries_module
from pipelines.data import transforms
from pipelines.data.batches import EpochBatches, batches
from pipelines.data.boundaries import choose_boundaries, count_batches
from pipelines.data.corpus import Corpus
from pipelines.errors import UserError
from pipelines.text import SubwordTokenizer

BATCH_SIZE = 5


@pytest.fixture(scope="module")
def tokenizer():
    return SubwordTokenizer.train([f"{n} word" for n in range(100)], 40)


@pytest.fixture(scope="module")
def corpus():
    random = np.random.default_rng(7)
    return Corpus(
        [f"{n} " + "word " * random.integers(0, 11) for n in range(113)],
        ["word " * random.integers(0, 13) + f"{n}" for n in range(113)],
    )


@pytest.fixture(scope="module")
def data(tokenizer, corpus):
    return EpochBatches(
        corpus, tokenizer, tokenizer, batch_size=BATCH_SIZE, seed=3
    )


def as_lists(dataset):
    return [
        (
            inputs["source"].tolist(),
            inputs["target"].tolist(),
            labels.tolist(),
            weights.tolist(),
        )
        for inputs, labels, weights in dataset.as_numpy_iterator()
    ]


def pairs_of(dataset):
    """The (source, labels) rows without padding, without filling rows."""
    found = []
    for sources, _, labels, _ in as_lists(dataset):
        for source, label in zip(sources, labels, strict=True):
            if any(label):
                found.append(
                    (
                        tuple(i for i in source if i),
                        tuple(i for i in label if i),
                    )
                )
    return found


def test_every_epoch_has_every_pair_once(data, corpus, tokenizer):
    expected = sorted(
        ((*source, 2), (*target, 2))
        for source, target in zip(
            map(tuple, tokenizer.encode_lines(corpus.sources)),
            map(tuple, tokenizer.encode_lines(corpus.targets)),
            strict=True,
        )
    )
    assert data.num_pairs == len(expected) == 113
    for epoch in (0, 1, 17):
        assert sorted(pairs_of(data.epoch(epoch))) == expected


def test_shapes_are_few_and_fixed(data):
    assert 2 <= len(data.boundaries) <= 8
    shapes = []
    for inputs, labels, weights in data.epoch(0):
        shape = (inputs["source"].shape[1], labels.shape[1])
        assert shape in data.boundaries
        for tensor in (inputs["target"], weights):
            assert tuple(tensor.shape) == tuple(labels.shape)
        assert inputs["source"].shape[0] == labels.shape[0] == BATCH_SIZE
        # The boundary is the first that is long enough.
        source_len, target_len = (
            int(tf.math.count_nonzero(rows, axis=1).numpy().max())
            for rows in (inputs["source"], labels)
        )
        assert shape == min(
            (source, target)
            for source, target in data.boundaries
            if source >= source_len and target >= target_len
        )
        shapes.append(shape)
    assert set(shapes) == set(data.boundaries)
    assert len(shapes) == data.num_batches == len(data.epoch(0))
    inputs, labels, weights = data.epoch(0).element_spec
    for spec in (inputs["source"], inputs["target"], labels):
        assert spec == tf.TensorSpec([BATCH_SIZE, None], tf.int32)
    assert weights == tf.TensorSpec([BATCH_SIZE, None], tf.float32)


def test_inputs_are_labels_one_step_later(data):
    total = 0.0
    for sources, targets, labels, weights in as_lists(data.epoch(0)):
        for source, target, label, weight in zip(
            sources, targets, labels, weights, strict=True
        ):
            length = sum(1 for token in label if token)
            assert weight == [1.0] * length + [0.0] * (len(label) - length)
            total += sum(weight)
            if length:
                assert target[:length] == [1, *label[: length - 1]]
                assert label[length - 1] == 2
            else:
                assert not any(source)
            assert not any(target[length:]) and not any(label[length:])
    assert total == data.num_target_tokens


def test_order_depends_on_seed_and_epoch_only(data, tokenizer, corpus):
    first = as_lists(data.epoch(4))
    tf.random.set_seed(99)
    again = EpochBatches(
        corpus, tokenizer, tokenizer, batch_size=BATCH_SIZE, seed=3
    )
    assert as_lists(again.epoch(4)) == first
    assert as_lists(data.epoch(5)) != first
    other = EpochBatches(
        corpus, tokenizer, tokenizer, batch_size=BATCH_SIZE, seed=4
    )
    assert as_lists(other.epoch(4)) != first


def test_resuming_goes_on_with_the_same_batches(data):
    whole = as_lists(data.all_epochs(0, 3))
    assert len(whole) == 3 * data.num_batches
    separate = itertools.chain(*(as_lists(data.epoch(n)) for n in range(3)))
    assert whole == list(separate)
    assert as_lists(data.all_epochs(1, 2)) == whole[data.num_batches :]
    assert as_lists(data.epoch(2).skip(4)) == whole[2 * data.num_batches + 4 :]


def test_buckets_are_mixed_and_rows_too(data):
    lengths = [labels.shape[1] for _, labels, _ in data.epoch(0)]
    changes = sum(a != b for a, b in itertools.pairwise(lengths))
    assert changes > 2 * len(data.boundaries)
    sets = [
        frozenset(map(tuple, labels))
        for epoch in (0, 1)
        for _, _, labels, _ in as_lists(data.epoch(epoch))
    ]
    assert len(set(sets)) > 1.5 * data.num_batches


@pytest.mark.parametrize("bpe_dropout", [0.0, 0.1])
def test_nothing_is_tuned_that_an_end_could_wait_for(
    tokenizer, corpus, bpe_dropout
):
    data = EpochBatches(corpus, tokenizer, tokenizer, bpe_dropout=bpe_dropout)
    for dataset in (data.epoch(0), transforms.lines(corpus)):
        assert dataset.options().autotune.enabled is False


def test_without_shuffling_epochs_are_alike(tokenizer, corpus):
    data = EpochBatches(
        corpus, tokenizer, tokenizer, batch_size=BATCH_SIZE, shuffle=False
    )
    assert as_lists(data.epoch(0)) == as_lists(data.epoch(1))
    lengths = [labels.shape[1] for _, labels, _ in data.epoch(0)]
    assert lengths == sorted(lengths)


def test_long_pairs_are_dropped_and_counted(tokenizer, corpus):
    data = EpochBatches(
        corpus,
        tokenizer,
        tokenizer,
        batch_size=BATCH_SIZE,
        max_source_len=9,
        max_target_len=7,
    )
    kept = [
        len(source) < 9 and len(target) < 7
        for source, target in zip(
            tokenizer.encode_lines(corpus.sources),
            tokenizer.encode_lines(corpus.targets),
            strict=True,
        )
    ]
    assert 0 < data.num_pairs == sum(kept) < len(corpus)
    assert data.num_dropped == len(corpus) - sum(kept)
    assert len(pairs_of(data.epoch(0))) == sum(kept)
    assert f"{data.num_dropped} pairs were too long" in data.report()
    with pytest.raises(UserError, match="No pair of .* at most 1 source"):
        EpochBatches(corpus, tokenizer, tokenizer, max_source_len=1)


def test_pairs_beyond_the_given_boundaries_make_one_bucket_more(
    tokenizer, corpus
):
    data = EpochBatches(
        corpus, tokenizer, tokenizer, batch_size=3, boundaries=[6, 11]
    )
    assert data.boundaries == ((6, 6), (11, 11), (64, 64))
    assert len(pairs_of(data.epoch(0))) == len(corpus)
    given = [(6, 12), (80, 13)]
    data = EpochBatches(
        corpus, tokenizer, tokenizer, batch_size=3, boundaries=given
    )
    assert data.boundaries == (*given, (80, 64))
    assert len(pairs_of(data.epoch(0))) == len(corpus)
    for wrong in ([], [0, 4], [8, 4], [4, 4], [(4, 8), (6, 6)], [(1, 0)]):
        with pytest.raises(ValueError, match="ascending positive"):
            EpochBatches(corpus, tokenizer, tokenizer, boundaries=wrong)


def test_one_pair(tokenizer):
    dataset = batches(
        Corpus(["1"], ["2"]), tokenizer, tokenizer, batch_size=7, epoch=2
    )
    [(inputs, _, weights)] = list(dataset)
    assert inputs["source"].shape[0] == 7
    assert tf.reduce_sum(weights[1:]) == 0


def test_odd_lines_do_no_harm(tokenizer):
    odd = ["", "😀", "word " * 2000, "\u200b", "1"]
    data = EpochBatches(Corpus(odd, odd), tokenizer, tokenizer, batch_size=2)
    assert data.num_dropped == 1
    assert sum(1 for _ in data.epoch(0)) == data.num_batches


def wasted(boundaries, lengths, batch_size):
    """What an epoch costs: rows times what each of them costs."""
    total, fitting_before = 0, 0
    for source, target in boundaries:
        fitting = np.sum((lengths[0] <= source) & (lengths[1] <= target))
        rows = -(-(fitting - fitting_before) // batch_size) * batch_size
        total += rows * (
            boundaries_module.SOURCE_COST * source
            + boundaries_module.TARGET_COST * target
        )
        fitting_before = fitting
    return total


@pytest.mark.parametrize("num_buckets", [1, 2, 3])
@pytest.mark.parametrize("batch_size", [1, 4])
def test_chosen_boundaries_are_the_best(num_buckets, batch_size):
    random = np.random.default_rng(1)
    lengths = random.geometric(0.15, (2, 61)).clip(1, 11)
    lengths[1] = (lengths[0] + lengths[1]) // 2  # the two go together
    tops = [-(-int(side.max()) // 2) * 2 for side in lengths]
    ends = list(itertools.product(*(range(2, top + 1, 2) for top in tops)))
    best = min(
        wasted((*inner, tuple(tops)), lengths, batch_size)
        for size in range(num_buckets)
        for inner in itertools.combinations(ends, size)
        if all(
            before[1] <= after[1] for before, after in itertools.pairwise(inner)
        )
    )
    chosen = choose_boundaries(*lengths, num_buckets, batch_size)
    assert len(chosen) <= num_buckets
    assert wasted(chosen, lengths, batch_size) == best
    assert chosen[-1] == tuple(tops)


def test_each_side_has_lengths_of_its_own():
    # One long source must not make its target long, nor the others'.
    source, target = [9, 9, 9, 40, 9], [4, 4, 4, 4, 20]
    assert choose_boundaries(source, target, num_buckets=3) == (
        (10, 4),
        (40, 4),
        (40, 20),
    )


def test_boundaries_of_equal_lengths():
    assert choose_boundaries([5] * 9, [3] * 9, num_buckets=4) == ((6, 4),)
    assert choose_boundaries([1], [1], num_buckets=4) == ((2, 2),)


def test_boundaries_of_long_sequences_are_found_quickly():
    lengths = np.random.default_rng(2).integers(1, 3000, (2, 5000))
    chosen = choose_boundaries(*lengths, num_buckets=8, batch_size=64)
    assert len(chosen) == 8
    assert all(
        3000 >= boundary >= side.max()
        for boundary, side in zip(chosen[-1], lengths, strict=True)
    )


def test_count_batches_leaves_out_what_is_too_long():
    sources, targets = [1, 2, 3, 9, 1], [1, 1, 1, 1, 7]
    assert count_batches(sources, targets, [2, 4], batch_size=2) == 2


def test_fit_accepts_the_batches(data, tokenizer):
    import keras

    source = keras.Input([None], dtype="int32", name="source")
    target = keras.Input([None], dtype="int32", name="target")
    size = tokenizer.vocabulary_size
    embedding = keras.layers.Embedding(size, 3)
    pooled = keras.layers.GlobalAveragePooling1D(keepdims=True)
    both = pooled(embedding(source)) + embedding(target)
    model = keras.Model(
        {"source": source, "target": target}, keras.layers.Dense(size)(both)
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss, jit_compile=False)
    history = model.fit(
        data.all_epochs(1, 2),
        initial_epoch=1,
        epochs=3,
        steps_per_epoch=data.num_batches,
        shuffle=False,
        verbose=0,
    )
    assert history.epoch == [1, 2]
    assert np.all(np.isfinite(history.history["loss"]))
