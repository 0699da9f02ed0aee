"""`Monotonic`: from where the step before stopped, never back."""

from __future__ import annotations

import math

import keras
from keras import ops

from keras_attention import functional
from keras_attention.normalizers.normalizer import PACKAGE, Normalizer
from keras_attention.registry import is_number

MODES = ("parallel", "recursive", "hard")


@keras.saving.register_keras_serializable(package=PACKAGE)
class Monotonic(Normalizer):
    """Goes through the source from left to right, across all steps.

    Raffel et al. (2017). At each step of the target the source positions are
    inspected one after the other, from the one on that the step before chose;
    position `j` is chosen with probability `p_j = sigmoid(score_j + r)`. There
    is no softmax, and a decision needs no look ahead.

    Training follows the expectation of this process (eqs. 8-12), which has a
    gradient:

        q_j = (1 - p_{j-1}) q_{j-1} + previous_j
        alignment_j = p_j q_j

    Inference decides: one-hot at the first position with `p_j > 0.5`, from
    the previous one on, zeros if there is none (Algorithm 1).

    The two agree as far as the probabilities have become zeros and ones.
    `sigmoid_noise` teaches them that (the paper adds noise of deviation 1),
    and a negative `score_bias_init` keeps the first steps of training from
    running through the source at once. Without noise, `inference_mode=
    "parallel"` may serve better.

    Alignments sum to less than one by the chance that nothing was chosen, and
    what is lost stays lost in all later steps. Each step depends on the one
    before, so queries are answered one after the other.

    Args:
        mode: in training. `"parallel"`: the expectation, over all source
            positions at once. `"recursive"`: the same numbers, one position
            after the other: less arithmetic, and slow. `"hard"`: as above;
            the scores then get no gradient.
        inference_mode: likewise, where nothing is trained.
        sigmoid_noise: standard deviation of the noise added to the scores in
            training.
        score_bias_init: what `r` starts from.
        seed: integer seed of the noise.
        **kwargs: as in `keras.layers.Layer` (`name`, `dtype`, ...).

    Call arguments, returns: as in `Normalizer.call`, of one query: scores are
    `(batch, 1, source_len)`.

    Weights: `score_bias`, `r`, a scalar.

    Masking:
        A masked position is passed over. The first position is where the
        first step starts, masked or not.

    Raises:
        ValueError: on an unknown mode, a negative `sigmoid_noise`, or scores
            of several queries at once.

    Example:

    >>> normalizer = Monotonic()
    >>> scores = keras.ops.array([[[-1.0, 0.0, 1.0]]])
    >>> normalizer(scores, training=True).numpy().round(2)
    array([[[0.27, 0.37, 0.27]]], dtype=float32)
    >>> normalizer(scores).numpy()
    array([[[0., 0., 1.]]], dtype=float32)
    """

    remembers = ("alignments",)

    def __init__(
        self,
        mode="parallel",
        inference_mode="hard",
        sigmoid_noise=0.0,
        score_bias_init=0.0,
        seed=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        for name, given in (("mode", mode), ("inference_mode", inference_mode)):
            if given not in MODES:
                raise ValueError(
                    f"`{name}` must be one of {MODES}. "
                    f"Received: {name}={given!r}."
                )
        _check_number("sigmoid_noise", sigmoid_noise, lowest=0.0)
        _check_number("score_bias_init", score_bias_init)
        self.mode = mode
        self.inference_mode = inference_mode
        self.sigmoid_noise = sigmoid_noise
        self.score_bias_init = score_bias_init
        self.seed = seed
        self.seed_generator = (
            keras.random.SeedGenerator(seed) if sigmoid_noise else None
        )

    def build(self, scores_shape=None):
        del scores_shape
        self.score_bias = self.add_weight(
            name="score_bias",
            shape=(),
            initializer=keras.initializers.Constant(self.score_bias_init),
        )
        self.built = True

    def draw(self, shape, training=False):
        if not training or self.seed_generator is None:
            return None
        return keras.random.normal(
            shape,
            stddev=self.sigmoid_noise,
            dtype="float32",
            seed=self.seed_generator,
        )

    def first_alignments(self, batch_size, source_len, dtype):
        """One at the first position: Raffel et al. (2017), Algorithm 1."""
        first = ops.equal(ops.arange(source_len, dtype="int32"), 0)
        return ops.broadcast_to(
            ops.expand_dims(ops.cast(first, dtype), 0), (batch_size, source_len)
        )

    def call(self, scores, allowed=None, past=None, noise=None, training=False):
        if scores.shape[1] not in (0, 1, None):
            raise ValueError(
                "A monotonic normaliser answers one query after the other: "
                "`scores` must be of shape (batch, 1, source_len). Received: "
                f"scores of shape {tuple(scores.shape)}. "
                "`keras_attention.Attention(normalizer='monotonic')` takes "
                "whole sequences."
            )
        dtype = scores.dtype
        previous = (
            self.first_alignments(
                ops.shape(scores)[0], ops.shape(scores)[2], "float32"
            )
            if past is None
            else past.alignments
        )
        previous = ops.expand_dims(previous, 1)  # (batch, 1, source_len)
        scores = functional.widened(scores)
        scores = scores + ops.cast(self.score_bias, scores.dtype)
        if noise is not None:
            scores = scores + ops.cast(noise, scores.dtype)
        mode = self.mode if training else self.inference_mode
        if mode == "hard":
            alignments = functional.hard_monotonic(scores, previous, allowed)
        else:
            alignments = functional.expected_monotonic(
                scores,
                previous,
                allowed,
                functional.doubled
                if mode == "parallel"
                else functional.in_turn,
            )
        return ops.cast(alignments, dtype)

    def get_config(self):
        return {
            **super().get_config(),
            "mode": self.mode,
            "inference_mode": self.inference_mode,
            "sigmoid_noise": self.sigmoid_noise,
            "score_bias_init": self.score_bias_init,
            "seed": self.seed,
        }


def _check_number(name, given, lowest=-math.inf):
    if not is_number(given) or not lowest <= given < math.inf:
        what = "a number" if lowest < 0 else f"a number of {lowest} or more"
        raise ValueError(
            f"`{name}` must be {what}. Received: {name}={given!r}."
        )
