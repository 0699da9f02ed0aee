"""`GumbelNoise`: what normalisers that draw a position share."""

from __future__ import annotations

import keras

from keras_attention import functional

# The smallest number that is drawn: the logarithm of zero is infinite.
SMALLEST = 1e-30


class GumbelNoise:
    """Draws Gumbel noise in training; mixed into a `Normalizer`.

    Args:
        seed: integer seed of the noise.
    """

    def __init__(self, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def draw(self, shape, training=False):
        """Returns Gumbel noise of a shape in training, else `None`."""
        if not training:
            return None
        return functional.gumbel_noise(self.draw_uniform(shape))

    def draw_uniform(self, shape):
        """Returns numbers in `(0, 1)`, float32."""
        return keras.random.uniform(
            shape, minval=SMALLEST, dtype="float32", seed=self.seed_generator
        )

    def get_config(self):
        return {**super().get_config(), "seed": self.seed}
