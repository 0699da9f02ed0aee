"""End to end: a tiny encoder-decoder learns to write digits backwards."""

import keras
import numpy as np
import pytest

import keras_attention as ka
from tests.tensors import numpy

START, END, DIGITS = 1, 2, 10
VOCABULARY = 4 + DIGITS
LONGEST = 6


def make_digits(num_examples, seed):
    """Returns `(source, target, labels)`, zero padded, of 2 to 6 digits."""
    rng = np.random.default_rng(seed)
    source = np.zeros((num_examples, LONGEST + 1), "int32")
    labels = np.zeros((num_examples, LONGEST + 1), "int32")
    for row in range(num_examples):
        length = rng.integers(2, LONGEST + 1)
        digits = rng.integers(4, VOCABULARY, length)
        source[row, : length + 1] = [*digits, END]
        labels[row, : length + 1] = [*digits[::-1], END]
    target = np.concatenate(
        [np.full((num_examples, 1), START, "int32"), labels[:, :-1]], axis=1
    )
    return source, target, labels


@pytest.mark.slow
def test_it_learns_to_reverse():
    keras.utils.set_random_seed(1)
    model = ka.EncoderDecoder(
        encoder=ka.RecurrentEncoder(48, cell="gru"),
        decoder=ka.AttentionRNN(
            ka.AttentionCell(keras.layers.GRUCell(64), ka.AdditiveAttention(48))
        ),
        source_embedding=keras.layers.Embedding(VOCABULARY, 24, mask_zero=True),
        target_embedding=keras.layers.Embedding(VOCABULARY, 24),
        output_layer=keras.layers.Dense(VOCABULARY),
    )
    source, target, labels = make_digits(6144, seed=0)
    model.compile(
        keras.optimizers.Adam(0.005),
        keras.losses.SparseCategoricalCrossentropy(
            from_logits=True, ignore_class=0
        ),
    )
    model.fit(
        {"source": source, "target": target},
        labels,
        batch_size=64,
        epochs=9,
        verbose=0,
    )

    seen = {tuple(row) for row in source}
    source, _, labels = make_digits(1024, seed=1)
    unseen = np.array([tuple(row) not in seen for row in source])
    source, labels = source[unseen], labels[unseen]
    assert len(source) > 500
    for search in (ka.search.GreedySearch(), ka.search.BeamSearch(3)):
        memory, states = model.encode(source)
        result = search(model.decode_step, states, memory, LONGEST + 1)
        said = numpy(result.tokens)
        exact = (said == labels).all(axis=1).mean()
        assert exact > 0.95, f"{type(search).__name__}: {exact:.1%} exact"

    # What it looks at last is the beginning of the source.
    alignments = numpy(result.alignments)
    lengths = (source != 0).sum(axis=1)
    last_digit = alignments[np.arange(len(source)), lengths - 2]
    assert last_digit[:, :2].sum(axis=1).mean() > 0.5
