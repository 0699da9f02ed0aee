"""Images of digit strings, composed from scikit-learn's 8 x 8 digits."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

HEIGHT, WIDTH, SIDE = 20, 48, 8
LONGEST = 4
# Token 0 is padding, digit d is token d + 3.
START, END, FIRST_DIGIT = 1, 2, 3
VOCABULARY = FIRST_DIGIT + 10


class Strings(NamedTuple):
    """Images and what stands in them.

    Attributes:
        images: `(num, HEIGHT, WIDTH, 3)`: ink, row, column, each in [0, 1].
            The latter two say where a feature stands, which a convolution
            does not know (as in Wojna et al. 2017).
        tokens: `(num, LONGEST + 1)`: the digits, the end, zeros.
        corners: `(num, LONGEST, 2)`: top and left of each digit's box.
    """

    images: np.ndarray
    tokens: np.ndarray
    corners: np.ndarray

    @property
    def inputs(self):
        """What the model is called on; the target is one step behind."""
        target = np.roll(self.tokens, 1, axis=1)
        target[:, 0] = START
        return {"source": self.images, "target": target}


def split_digits():
    """Returns `((images, labels), (images, labels))`, a quarter to test on.

    The images are `(num, SIDE, SIDE)`, ink in [0, 1].
    """
    images, labels = load_digits(return_X_y=True)
    train_images, test_images, train_labels, test_labels = train_test_split(
        images.reshape(-1, SIDE, SIDE) / 16,
        labels,
        test_size=0.25,
        random_state=0,
        stratify=labels,
    )
    return (train_images, train_labels), (test_images, test_labels)


def make_strings(num_train, num_test, seed=0):
    """Returns `(train, test)`; no digit image is in both."""
    train, test = split_digits()
    rng = np.random.default_rng(seed)
    return compose(*train, num_train, rng), compose(*test, num_test, rng)


def compose(digits, labels, num_strings, rng):
    """Puts 1 to 4 digits into each image, from left to right, with noise.

    Args:
        digits, labels: images of single digits and what they show.
        num_strings: how many images to make.
        rng: a NumPy random generator.

    Returns:
        `Strings`.
    """
    ink = rng.normal(0.1, 0.1, (num_strings, HEIGHT, WIDTH))
    tokens = np.zeros((num_strings, LONGEST + 1), "int32")
    corners = np.zeros((num_strings, LONGEST, 2), "int32")
    for row in range(num_strings):
        length = rng.integers(1, LONGEST + 1)
        chosen = rng.integers(0, len(digits), length)
        tokens[row, : length + 1] = [*(labels[chosen] + FIRST_DIGIT), END]
        # The free columns are shared out at random before the digits.
        free = np.sort(rng.integers(0, WIDTH - SIDE * length + 1, length))
        lefts = free + SIDE * np.arange(length)
        tops = rng.integers(0, HEIGHT - SIDE + 1, length)
        corners[row, :length] = np.stack([tops, lefts], axis=1)
        for digit, top, left in zip(digits[chosen], tops, lefts, strict=True):
            ink[row, top : top + SIDE, left : left + SIDE] += digit
    rows, columns = np.meshgrid(
        np.linspace(0, 1, HEIGHT), np.linspace(0, 1, WIDTH), indexing="ij"
    )
    images = np.stack(
        [
            np.clip(ink, 0, 1),
            np.broadcast_to(rows, ink.shape),
            np.broadcast_to(columns, ink.shape),
        ],
        axis=-1,
    )
    return Strings(images.astype("float32"), tokens, corners)


def chance(strings):
    """Returns how often a peak would lie on the digit without looking.

    Anywhere at random, and on any of the image's digits at random.
    """
    lengths = (strings.tokens >= FIRST_DIGIT).sum(axis=1)
    return {
        "(any place)": SIDE * SIDE / (HEIGHT * WIDTH),
        # One of `length` is right, `length` times an image.
        "(any digit)": len(lengths) / lengths.sum(),
    }


def lies_on_digit(alignments, corners):
    """Returns whether the peak lies in the box of the digit being read.

    Args:
        alignments: `(num, LONGEST, height, width)`, over any grid that covers
            the image evenly.
        corners: as in `Strings`.

    Returns:
        boolean `(num, LONGEST)`: the centre of the cell where the alignments
        are highest is inside the box.
    """
    height, width = alignments.shape[2:]
    flat = alignments.reshape(*alignments.shape[:2], -1)
    rows, columns = np.unravel_index(flat.argmax(-1), (height, width))
    centres = np.stack(
        [(rows + 0.5) * HEIGHT / height, (columns + 0.5) * WIDTH / width],
        axis=-1,
    )
    inside = (corners <= centres) & (centres < corners + SIDE)
    return inside.all(axis=-1)
