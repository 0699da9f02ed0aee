"""Attends over an image grid: finds the bright patch and reads its colour."""

import keras
import numpy as np

import keras_attention as ka

SIDE, CHANNELS, COLOURS = 4, 5, 3


def make_images(num_images, seed):
    """Returns `(images, places, colours)`: one patch is lit.

    Channel 0 says which patch is lit; every patch has a colour, one-hot in
    the channels after it, so that without looking one can only guess.
    """
    rng = np.random.default_rng(seed)
    images = rng.normal(scale=0.1, size=(num_images, SIDE, SIDE, CHANNELS))
    colours = rng.integers(0, COLOURS, (num_images, SIDE, SIDE))
    images[..., 1 : 1 + COLOURS] += np.eye(COLOURS)[colours]
    places = rng.integers(0, SIDE * SIDE, num_images)
    rows = np.arange(num_images)
    images[rows, places // SIDE, places % SIDE, 0] += 1.0
    labels = colours.reshape(num_images, -1)[rows, places]
    return images.astype("float32"), places, labels


def test_it_finds_the_bright_patch():
    keras.utils.set_random_seed(1)
    image = keras.Input((SIDE, SIDE, CHANNELS))
    question = keras.Input((1, 7))
    context, alignments = ka.AdditiveAttention(16)(
        [question, image], return_attention_scores=True
    )
    logits = keras.layers.Dense(COLOURS)(keras.layers.Flatten()(context))
    model = keras.Model([image, question], logits)
    looks = keras.Model([image, question], alignments)
    images, _, colours = make_images(1024, seed=0)
    questions = np.ones((len(images), 1, 7), "float32")
    model.compile(
        keras.optimizers.Adam(0.03),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    model.fit([images, questions], colours, batch_size=64, epochs=20, verbose=0)

    images, places, colours = make_images(256, seed=1)
    questions = questions[:256]
    logits = model.predict([images, questions], verbose=0)
    assert (logits.argmax(-1) == colours).mean() > 0.9
    alignments = looks.predict([images, questions], verbose=0)
    assert alignments.shape == (256, 1, SIDE, SIDE)
    rows, columns = places // SIDE, places % SIDE
    assert (alignments[:, 0].max(2).argmax(-1) == rows).mean() > 0.9
    assert (alignments[:, 0].max(1).argmax(-1) == columns).mean() > 0.9
