"""`ScheduledSampling`: in training, the decoder hears itself at times."""

from __future__ import annotations

import keras
from keras import ops

from keras_attention.piece import PACKAGE
from keras_attention.registry import check_seed, is_number, positive_integer


@keras.saving.register_keras_serializable(package=PACKAGE)
class ScheduledSampling(keras.layers.Layer):
    """Replaces some of the decoder's inputs by what the model says itself.

    A decoder that has only ever read right words goes astray at its first
    wrong one. With scheduled sampling (Bengio et al. 2015, section 2.4) each
    token that it reads in training is, with probability `rate`, not the
    target's but the model's own most probable one. The probability grows from
    zero in a straight line, over the first `growing_steps` batches:

        min(k / growing_steps, 1) rate      for batch k, from 0

    The model's tokens are those of one pass over the whole target, without the
    decoder's dropout (Mihaylova and Martins 2019), not of a step that read
    replaced tokens itself: two passes instead of a loop with the output layer
    inside. No gradient goes through the first.

    `EncoderDecoder(scheduled_sampling=...)` calls it.

    Args:
        rate: the highest probability, in `[0, 1]`.
        growing_steps: number of batches until it is reached; `None`: from the
            first batch on.
        seed: integer seed.
        **kwargs: as in `keras.layers.Layer` (`name`, ...).

    Call arguments:
        target: ids `(batch, target_len)`, the decoder's inputs. The first of
            each row, which says that a sequence starts, is never replaced.
        logits: what the model made of them, `(batch, target_len, classes)`.
        training: whether anything is replaced.

    Returns:
        Ids `(batch, target_len)`.

    Raises:
        ValueError: on a `rate` outside `[0, 1]`, or a `growing_steps` that is
            not a positive integer.

    Example:

    >>> logits = ops.one_hot(ops.array([[3, 4, 5]]), 6)
    >>> layer = ScheduledSampling(1.0)
    >>> layer(ops.array([[1, 2, 2]]), logits, training=True).numpy()
    array([[1, 3, 4]], dtype=int32)
    """

    def __init__(self, rate, growing_steps=None, seed=None, **kwargs):
        super().__init__(**kwargs)
        if not is_number(rate) or not 0 <= rate <= 1:
            raise ValueError(
                f"`rate` must be a number in [0, 1]. Received: rate={rate!r}."
            )
        check_seed(seed)
        self.rate = float(rate)
        self.growing_steps = positive_integer(
            "growing_steps", growing_steps, optional=True
        )
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.num_batches = None

    def build(self, target_shape=None, logits_shape=None):
        del target_shape, logits_shape
        if self.growing_steps is not None:
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

    def current_rate(self):
        """Returns the probability for the next batch, a scalar tensor."""
        if self.num_batches is None:
            return ops.convert_to_tensor(self.rate, dtype="float32")
        share = ops.cast(self.num_batches, "float32") / self.growing_steps
        return self.rate * ops.minimum(share, 1.0)

    def call(self, target, logits, training=False):
        if not training:
            return target
        said = ops.cast(ops.argmax(logits, axis=-1), target.dtype)
        # What was said at a step is what is read at the next.
        heard = ops.concatenate([target[:, :1], said[:, :-1]], axis=1)
        draws = keras.random.uniform(
            ops.shape(target), dtype="float32", seed=self.seed_generator
        )
        replaced = draws < self.current_rate()
        if self.num_batches is not None:
            self.num_batches.assign_add(1.0)
        return ops.where(replaced, heard, target)

    def compute_output_shape(self, target_shape, logits_shape=None):
        del logits_shape
        return target_shape

    def get_config(self):
        return {
            **super().get_config(),
            "rate": self.rate,
            "growing_steps": self.growing_steps,
            "seed": self.seed,
        }
