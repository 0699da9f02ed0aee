"""Reads digit strings from images, with soft and with hard attention.

    python examples/read_digits/main.py

trains one model for each attention, on the same images, and prints how well
each one reads and how often it looks at the digit that it is reading.
"""

from __future__ import annotations

import argparse
import time
from typing import NamedTuple

import keras
import numpy as np
from digit_strings import (
    END,
    FIRST_DIGIT,
    LONGEST,
    START,
    VOCABULARY,
    chance,
    lies_on_digit,
    make_strings,
)
from picture import draw

import keras_attention as ka
from keras_attention.functional import unflatten_grid
from keras_attention.normalizers import Gumbel, Reinforce

ATTENTIONS = {
    "soft": ka.AdditiveAttention,
    "straight_through": lambda: ka.HardAttention("straight_through"),
    "gumbel": lambda: ka.HardAttention(Gumbel(2.0, 0.3, decay_steps=2000)),
    "reinforce": lambda: ka.HardAttention(Reinforce(expectation_rate=0.8)),
}
PICTURED = ("soft", "straight_through")
COLUMNS = "{:18}{:>9}{:>9}{:>16}{:>9}"


class Result(NamedTuple):
    """What came of one model.

    Attributes:
        strings: share of the images read without a mistake.
        digits: share of the digits read right.
        on_digit: share of the digits at whose step the peak of the alignments
            lay on them.
        seconds: of training.
        alignments: `(num, LONGEST + 1, height, width)`.
        tokens: `(num, LONGEST + 1)`, what was read.
    """

    strings: float
    digits: float
    on_digit: float
    seconds: float
    alignments: np.ndarray
    tokens: np.ndarray


def make_encoder(filters=(32, 32, 64), kernels=(5, 3, 3), strides=(2, 1, 2)):
    """Images to a grid of features, a cell for 4 x 4 pixels, and their mean."""
    image = keras.Input((None, None, 3))
    features = image
    for sizes in zip(filters, kernels, strides, strict=True):
        features = keras.layers.Conv2D(*sizes, padding="same")(features)
        features = keras.layers.BatchNormalization()(features)
        features = keras.layers.Activation("relu")(features)
    mean = keras.layers.GlobalAveragePooling2D()(features)
    return keras.Model(image, (features, [mean]))


def make_model(attention):
    """A model that reads images with an attention layer."""
    cell = ka.AttentionCell(keras.layers.GRUCell(64), attention)
    return ka.EncoderDecoder(
        encoder=make_encoder(),
        decoder=ka.AttentionRNN(cell),
        target_embedding=keras.layers.Embedding(VOCABULARY, 16),
        output_layer=keras.layers.Dense(VOCABULARY),
    )


def train(model, strings, epochs, batch_size=32):
    """Plain `compile` and `fit`."""
    steps = epochs * -(-len(strings.images) // batch_size)
    schedule = keras.optimizers.schedules.CosineDecay(3e-3, steps)
    model.compile(
        keras.optimizers.Adam(schedule, clipnorm=1.0),
        keras.losses.SparseCategoricalCrossentropy(
            from_logits=True, ignore_class=0
        ),
        # On a CPU, convolutions are faster without XLA.
        jit_compile=False,
    )
    model.fit(
        strings.inputs,
        strings.tokens,
        batch_size=batch_size,
        epochs=epochs,
        verbose=0,
    )


def evaluate(model, strings, seconds):
    """Reads images freely, digit after digit. Returns a `Result`."""
    memory, states = model.encode(strings.images)
    said = ka.search.GreedySearch(START, END)(
        model.decode_step, states, memory, LONGEST + 1
    )
    tokens = keras.ops.convert_to_numpy(said.tokens)
    alignments = keras.ops.convert_to_numpy(
        unflatten_grid(said.alignments, memory.value.shape[1:3])
    )
    right = tokens == strings.tokens
    is_digit = strings.tokens[:, :LONGEST] >= FIRST_DIGIT
    on_digit = lies_on_digit(alignments[:, :LONGEST], strings.corners)
    return Result(
        strings=right.all(axis=1).mean(),
        digits=right[:, :LONGEST][is_digit].mean(),
        on_digit=on_digit[is_digit].mean(),
        seconds=seconds,
        alignments=alignments,
        tokens=tokens,
    )


def main(arguments=None):
    """Runs the example. Returns a dictionary of `Result`s."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--attentions", nargs="+", choices=ATTENTIONS, default=ATTENTIONS
    )
    parser.add_argument("--strings", type=int, default=8192)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="train briefly")
    parser.add_argument("--picture", help="where to save heat maps, a .png")
    options = parser.parse_args(arguments)
    if options.quick:
        options.strings, options.epochs = 6144, 4

    train_strings, test_strings = make_strings(options.strings, 1000)
    print(COLUMNS.format("", "strings", "digits", "peak on digit", "seconds"))
    for name, share in chance(test_strings).items():
        print(COLUMNS.format(name, "", "", f"{share:.1%}", ""))
    results = {}
    for name in options.attentions:
        keras.utils.set_random_seed(options.seed)
        model = make_model(ATTENTIONS[name]())
        start = time.perf_counter()
        train(model, train_strings, options.epochs)
        result = evaluate(model, test_strings, time.perf_counter() - start)
        shares = [f"{share:.1%}" for share in result[:3]]
        print(
            COLUMNS.format(name, *shares, f"{result.seconds:.0f}"), flush=True
        )
        results[name] = result
    if options.picture:
        drawn = [one for one in PICTURED if one in results] or list(results)
        draw(
            test_strings,
            {one: results[one] for one in drawn},
            options.picture,
        )
    return results


if __name__ == "__main__":
    main()
