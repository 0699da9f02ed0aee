"""`Gumbel`: a relaxed sample."""

from __future__ import annotations

import math

import keras
from keras import ops

from keras_attention import functional
from keras_attention.normalizers.gumbel_noise import GumbelNoise
from keras_attention.normalizers.normalizer import PACKAGE, Normalizer
from keras_attention.registry import is_number, positive_integer


@keras.saving.register_keras_serializable(package=PACKAGE)
class Gumbel(GumbelNoise, Normalizer):
    """Draws a relaxed sample in training, which has a gradient of its own.

    In training, with `g` Gumbel noise,

        alpha = softmax((log softmax(scores) + g) / temperature)

    (Jang et al. 2017, eq. 2; Maddison et al. 2017, eq. 10): close to one
    position at a low temperature, with a gradient of large variance, and
    close to uniform at a high one. At inference the best position is taken.

    The temperature may fall with the training batches `k` seen so far, as
    `temperature * (final_temperature / temperature) ** min(k / decay_steps,
    1)`: exponentially, down to a floor, as Jang et al. (2017) anneal theirs.

    Args:
        temperature: positive, where it starts.
        final_temperature: positive, where it ends; `None` keeps it constant.
        decay_steps: number of batches from one to the other.
        straight_through: whether the sample itself is passed on, one position
            in training too, with the gradient of the relaxed one (Jang et al.
            2017, section 2.2).
        seed: integer seed of the noise.
        **kwargs: as in `keras.layers.Layer` (`name`, `dtype`, ...).

    Raises:
        ValueError: if a temperature is not positive, or only one of
            `final_temperature` and `decay_steps` is given.

    Example:

    >>> Gumbel(0.5)(keras.ops.array([[[0.1, 0.7, 0.2]]])).numpy()
    array([[[0., 1., 0.]]], dtype=float32)
    """

    is_hard = True

    def __init__(
        self,
        temperature=1.0,
        final_temperature=None,
        decay_steps=None,
        straight_through=False,
        seed=None,
        **kwargs,
    ):
        super().__init__(seed=seed, **kwargs)
        _check_positive("temperature", temperature)
        if final_temperature is not None:
            _check_positive("final_temperature", final_temperature)
        if (final_temperature is None) != (decay_steps is None):
            raise ValueError(
                "`final_temperature` and `decay_steps` must be given together: "
                "where the temperature ends, and after how many batches. "
                f"Received: final_temperature={final_temperature}, "
                f"decay_steps={decay_steps}."
            )
        self.temperature = temperature
        self.final_temperature = final_temperature
        self.decay_steps = positive_integer(
            "decay_steps", decay_steps, optional=True
        )
        self.straight_through = straight_through
        self.num_batches = None

    def build(self, scores_shape=None):
        del scores_shape
        if self.decay_steps is not None:
            self.num_batches = self.add_weight(
                name="num_batches",
                shape=(),
                initializer="zeros",
                dtype="float32",
                trainable=False,
                # In half precision a count would stop at 256 or 2,048.
                autocast=False,
                aggregation="only_first_replica",
            )
        self.built = True

    def draw(self, shape, training=False):
        """Returns Gumbel noise in training and counts the batch."""
        if training and self.num_batches is not None:
            self.num_batches.assign_add(1.0)
        return super().draw(shape, training)

    def current_temperature(self):
        """Returns the temperature of the batch at hand, a scalar tensor."""
        if self.num_batches is None:
            return ops.convert_to_tensor(self.temperature, dtype="float32")
        # The batch at hand has been counted, when its noise was drawn.
        before = ops.cast(self.num_batches, "float32") - 1.0
        share = ops.clip(before / self.decay_steps, 0.0, 1.0)
        ratio = self.final_temperature / self.temperature
        return self.temperature * ops.power(ratio, share)

    def call(self, scores, allowed=None, past=None, noise=None, training=False):
        del past
        if not training:
            return functional.masked_hardmax(scores, allowed)
        if noise is None:
            noise = self.draw(ops.shape(scores), training)
        relaxed = functional.gumbel_softmax(
            scores, noise, self.current_temperature(), allowed
        )
        if not self.straight_through:
            return relaxed
        return functional.straight_through(
            functional.gumbel_max(scores, noise, allowed), relaxed
        )

    def get_config(self):
        return {
            **super().get_config(),
            "temperature": self.temperature,
            "final_temperature": self.final_temperature,
            "decay_steps": self.decay_steps,
            "straight_through": self.straight_through,
        }


def _check_positive(name, value):
    if not is_number(value) or not 0 < value < math.inf:
        raise ValueError(
            f"`{name}` must be a positive number. Received: {name}={value!r}."
        )
