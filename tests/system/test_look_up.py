"""Hard attention learns where to look, through plain `compile` and `fit`.

A source is a list of pairs, a key and a value; each step of the target asks
for a key and is told its value. The position is never told: whether the model
looks at it is what the tests measure.
"""

import keras
import numpy as np
import pytest

import keras_attention as ka
from keras_attention import diagnostics, normalizers
from tests.tensors import numpy

KEYS, VALUES, TARGET = 5, 7, 3
SOURCE = KEYS  # every key once, in any order


class Pairs(keras.layers.Layer):
    """Reads nothing into the pairs: the memory is the source."""

    def call(self, inputs):
        return inputs, [inputs[:, 0]]


class Deaf(normalizers.StraightThrough):
    """Draws, and learns nothing from it."""

    def call(self, scores, **kwargs):
        drawn = super().call(scores, **kwargs)
        return keras.ops.stop_gradient(drawn) + 0.0 * scores


ESTIMATORS = {
    "straight_through": lambda: "straight_through",
    "gumbel": lambda: "gumbel",
    "gumbel_annealed": lambda: normalizers.Gumbel(
        temperature=2.0,
        final_temperature=0.5,
        decay_steps=100,
        straight_through=True,
    ),
    "reinforce": lambda: "reinforce",
    "reinforce_alone": lambda: normalizers.Reinforce(expectation_rate=0),
    "marginal": lambda: "marginal",
    "hardmax": lambda: "hardmax",
}


def make_pairs(number, seed):
    """Returns `(source, questions, answers, positions)`."""
    rng = np.random.default_rng(seed)
    keys = rng.permuted(np.tile(np.arange(KEYS), (number, 1)), axis=1)
    values = rng.integers(0, VALUES, (number, SOURCE))
    positions = rng.integers(0, SOURCE, (number, TARGET))
    asked = np.take_along_axis(keys, positions, axis=1)
    source = np.concatenate([np.eye(KEYS)[keys], np.eye(VALUES)[values]], -1)
    return (
        source.astype("float32"),
        np.eye(KEYS)[asked].astype("float32"),
        np.take_along_axis(values, positions, axis=1),
        positions,
    )


def make_decoder(estimator):
    return ka.EncoderDecoder(
        encoder=Pairs(),
        decoder=ka.AttentionRNN(
            ka.AttentionCell(
                keras.layers.GRUCell(16),
                ka.HardAttention(estimator, score="general"),
                attend="after",
            )
        ),
        output_layer=keras.layers.Dense(VALUES),
    )


def train(model, inputs, answers, epochs):
    model.compile(
        keras.optimizers.Adam(0.02),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    model.fit(inputs, answers, batch_size=64, epochs=epochs, verbose=0)


def accuracy_of_looks(estimator, seed, epochs=5):
    """Trains on pairs; returns the share of steps that look right after."""
    keras.utils.set_random_seed(seed)
    model = make_decoder(estimator)
    source, questions, answers, _ = make_pairs(2048, seed)
    train(model, {"source": source, "target": questions}, answers, epochs)
    source, questions, _, positions = make_pairs(512, seed=seed + 100)
    _, alignments = model(
        {"source": source, "target": questions}, return_attention_scores=True
    )
    assert set(np.unique(numpy(alignments))) == {0.0, 1.0}
    return float(diagnostics.localisation_accuracy(alignments, positions))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", ESTIMATORS)
def test_it_finds_the_position(name, seed):
    # Without any expectation, REINFORCE has to find the positions by luck.
    epochs = 10 if name == "reinforce_alone" else 5
    accuracy = accuracy_of_looks(ESTIMATORS[name](), seed, epochs)
    assert accuracy >= 0.95, accuracy


@pytest.mark.slow
def test_a_deaf_estimator_does_not():
    assert accuracy_of_looks(Deaf(), seed=0) < 0.5


class Reader(ka.RewardMixin, keras.Model):
    """A model of one's own, made from inputs and outputs."""

    reward_to_go = True


@pytest.mark.slow
def test_a_model_of_ones_own():
    keras.utils.set_random_seed(0)
    pairs = keras.Input((None, KEYS + VALUES))
    questions = keras.Input((None, KEYS))
    context, alignments = ka.HardAttention("reinforce", score="general")(
        [questions, pairs], return_attention_scores=True
    )
    model = Reader([pairs, questions], keras.layers.Dense(VALUES)(context))
    looks = keras.Model([pairs, questions], alignments)
    source, asked, answers, _ = make_pairs(2048, seed=0)
    train(model, [source, asked], answers, epochs=5)
    source, asked, _, positions = make_pairs(512, seed=1)
    accuracy = diagnostics.localisation_accuracy(
        looks.predict([source, asked], verbose=0), positions
    )
    assert float(accuracy) >= 0.95
