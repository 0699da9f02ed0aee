"""Attends over an image grid: finds the bright patch and reads its colour."""

import keras
import numpy as np

import keras_attention as ka

SIDE, CHANNELS = 4, 5
COLOUR = slice(1, 4)  # its channels; channel 0 says which patch is lit


def make_images(num_images, seed):
    """Returns `(images, places, colours)`: one patch is lit.

    Every patch has a colour, three numbers, and it is the lit one's that is
    asked for: without looking one can only say the mean.
    """
    rng = np.random.default_rng(seed)
    shape = (num_images, SIDE, SIDE)
    images = rng.normal(scale=0.1, size=(*shape, CHANNELS))
    images[..., COLOUR] = rng.uniform(-1.0, 1.0, (*shape, 3))
    places = rng.integers(0, SIDE * SIDE, num_images)
    lit = np.arange(num_images), places // SIDE, places % SIDE
    images[(*lit, 0)] += 1.0
    return images.astype("float32"), places, images[lit][:, COLOUR]


def train():
    """Returns a model that answers, and one that says where it looked."""
    keras.utils.set_random_seed(1)
    image = keras.Input((SIDE, SIDE, CHANNELS))
    question = keras.Input((1, 7))
    context, alignments = ka.AdditiveAttention(16)(
        [question, image], return_attention_scores=True
    )
    colour = keras.layers.Dense(3)(keras.layers.Flatten()(context))
    model = keras.Model([image, question], colour)
    images, _, colours = make_images(1024, seed=0)
    questions = np.ones((len(images), 1, 7), "float32")
    model.compile(keras.optimizers.Adam(0.03), "mse", jit_compile=False)
    model.fit([images, questions], colours, batch_size=64, epochs=20, verbose=0)
    return model, keras.Model([image, question], alignments)


def test_it_finds_the_bright_patch():
    images, places, colours = make_images(256, seed=1)
    questions = np.ones((len(images), 1, 7), "float32")
    model, looks = train()
    answers = model.predict([images, questions], verbose=0)
    alignments = looks.predict([images, questions], verbose=0)
    assert alignments.shape == (256, 1, SIDE, SIDE)
    # One that does not look is wrong by the variance.
    assert ((answers - colours) ** 2).mean() < 0.1 * colours.var()
    rows, columns = places // SIDE, places % SIDE
    assert (alignments[:, 0].max(2).argmax(-1) == rows).mean() > 0.9
    assert (alignments[:, 0].max(1).argmax(-1) == columns).mean() > 0.9
