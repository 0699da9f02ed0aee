"""`Reinforce`: samples, and a gradient from how well they did."""

from __future__ import annotations

import math

import keras
from keras import ops

from keras_attention import functional
from keras_attention.normalizers.gumbel_noise import GumbelNoise
from keras_attention.normalizers.normalizer import PACKAGE, Normalizer
from keras_attention.registry import is_number


@keras.saving.register_keras_serializable(package=PACKAGE)
class Reinforce(GumbelNoise, Normalizer):
    """Draws one position in training and learns from the loss that follows.

    Hard attention as Xu et al. (2015, section 4.1) train it, with the
    gradient of REINFORCE (Williams 1992). The model's loss being
    `sum_bt w_bt l_bt` over examples `b` and steps `t`, a position `s_bt` that
    was drawn gets the reward of what came of it,

        A_bt = - sum_{t' >= t} w_bt' (l_bt' - baseline),

    and the scores the gradient of `- sum_bt A_bt log alpha_bt(s_bt)`, whose
    mean is that of the expected loss. Three things tame its variance (Xu et
    al. 2015, eqs. 11-12 and the paragraph after them):

    - the baseline, the moving average of the mean loss of a step,
      `0.9 baseline + 0.1 mean`, over the batches before this one, so that it
      leaves the gradient's mean alone;
    - the entropy of the alignments, which is rewarded;
    - a share of the examples that take the expectation (the soft alignments)
      instead of samples, for all their steps.

    At inference the best position is taken.

    A layer cannot see the loss. `EncoderDecoder` supplies it; a model of your
    own does as a subclass of `keras_attention.RewardMixin` and `keras.Model`.
    `fit` stays as it is, and so does the loss that it shows, but for the
    entropy.

    Args:
        expectation_rate: share of the examples that take the expectation, in
            `[0, 1]`.
        baseline_decay: how much of the baseline each batch keeps, in
            `[0, 1)`; `None`: no baseline.
        reward_weight: what the rewards count, Xu et al.'s lambda_r.
        entropy_weight: what the entropy counts, Xu et al.'s lambda_e; that of
            a step weighs as much as its loss. (They tuned theirs; the default
            is ours.)
        seed: integer seed of the draws.
        **kwargs: as in `keras.layers.Layer` (`name`, `dtype`, ...).

    Raises:
        ValueError: if a rate or a weight is out of its range; in training in
            a model that supplies no loss.

    Example:

    >>> Reinforce()(keras.ops.array([[[0.1, 0.7, 0.2]]])).numpy()
    array([[[0., 1., 0.]]], dtype=float32)
    """

    is_hard = True
    needs_reward = True
    num_notes = 2  # the log-probability of what was drawn, and the entropy

    def __init__(
        self,
        expectation_rate=0.5,
        baseline_decay=0.9,
        reward_weight=1.0,
        entropy_weight=0.01,
        seed=None,
        **kwargs,
    ):
        super().__init__(seed=seed, **kwargs)
        if not is_number(expectation_rate) or not 0 <= expectation_rate <= 1:
            raise ValueError(
                "`expectation_rate` must be in [0, 1]. Received: "
                f"expectation_rate={expectation_rate!r}."
            )
        for name, given in (
            ("reward_weight", reward_weight),
            ("entropy_weight", entropy_weight),
        ):
            if not is_number(given) or not 0 <= given < math.inf:
                raise ValueError(
                    f"`{name}` must be a number, 0 or more. "
                    f"Received: {name}={given!r}."
                )
        if baseline_decay is not None and not (
            is_number(baseline_decay) and 0 <= baseline_decay < 1
        ):
            raise ValueError(
                "`baseline_decay` must be in [0, 1), or None for no baseline. "
                f"Received: baseline_decay={baseline_decay!r}."
            )
        self.expectation_rate = expectation_rate
        self.baseline_decay = baseline_decay
        self.reward_weight = reward_weight
        self.entropy_weight = entropy_weight
        self.baseline = None

    def build(self, scores_shape=None):
        del scores_shape
        if self.baseline_decay is not None:
            self.baseline = self.add_weight(
                name="baseline",
                shape=(),
                initializer="zeros",
                dtype="float32",
                trainable=False,
                # A mean of many batches needs more digits than half precision.
                autocast=False,
                aggregation="mean",
            )
        self.built = True

    def draw(self, shape, training=False):
        """Returns Gumbel noise in training, else `None`.

        That of an example that takes the expectation is infinite.
        """
        if not training:
            return None
        batch, target_len, source_len = shape
        if not self.expectation_rate:
            return super().draw(shape, training)
        # One more column, in the same draw, decides about the examples.
        uniform = self.draw_uniform((batch, target_len, source_len + 1))
        takes_mean = uniform[:, :1, -1:] < self.expectation_rate
        noise = functional.gumbel_noise(uniform[:, :, :-1])
        return ops.where(takes_mean, float("inf"), noise)

    def call(self, scores, allowed=None, past=None, noise=None, training=False):
        del past
        if not training:
            return functional.masked_hardmax(scores, allowed)
        if noise is None:
            noise = self.draw(ops.shape(scores), training)
        takes_mean = ops.isinf(noise)
        noise = ops.where(takes_mean, 0.0, noise)
        # A sample is a constant: what it did shows in the reward.
        hard = ops.stop_gradient(functional.gumbel_max(scores, noise, allowed))
        soft = functional.masked_softmax(scores, allowed)
        return ops.where(takes_mean, soft, hard)

    def notes(self, scores, allowed, past, alignments):
        del past
        chosen = ops.not_equal(alignments, 0)
        number = ops.sum(ops.cast(chosen, "int32"), axis=-1, keepdims=True)
        # Nothing was drawn where several positions are looked at.
        chosen = ops.logical_and(chosen, ops.equal(number, 1))
        return ops.stack(
            [
                functional.log_probability(scores, chosen, allowed),
                functional.entropy_of_scores(scores, allowed),
            ],
            axis=-1,
        )

    def auxiliary_loss(self, notes, losses, weights):
        losses = ops.stop_gradient(ops.cast(losses, "float32"))
        weights = ops.stop_gradient(ops.cast(weights, "float32"))
        log_probability, entropy = notes[..., 0], notes[..., 1]
        # Before it is updated: it must not know this batch.
        baseline = 0.0
        if self.baseline is not None:
            baseline = ops.cast(self.baseline, "float32")
        advantages = -_to_come(weights * (losses - baseline))
        surrogate = -ops.sum(advantages * log_probability)
        if self.baseline is not None:
            self._update_baseline(baseline, losses, weights)
        # It has a gradient that means something, but no such value.
        surrogate = surrogate - ops.stop_gradient(surrogate)
        entropies = ops.sum(_even(weights) * entropy)
        return self.reward_weight * surrogate - self.entropy_weight * entropies

    def _update_baseline(self, baseline, losses, weights):
        total = ops.sum(weights)
        counts = total > 0
        mean = ops.sum(losses * weights) / ops.where(counts, total, 1.0)
        # Xu et al. (2015), section 4.1: b_k = 0.9 b_{k-1} + 0.1 log p
        following = (
            self.baseline_decay * baseline + (1 - self.baseline_decay) * mean
        )
        self.baseline.assign(ops.where(counts, following, baseline))

    def get_config(self):
        return {
            **super().get_config(),
            "expectation_rate": self.expectation_rate,
            "baseline_decay": self.baseline_decay,
            "reward_weight": self.reward_weight,
            "entropy_weight": self.entropy_weight,
        }


def _to_come(tensor):
    """Returns `sum_{t' >= t}` of `(batch, target_len)`."""
    return ops.flip(ops.cumsum(ops.flip(tensor, axis=1), axis=1), axis=1)


def _even(weights):
    """Spreads an example's weight over the steps that a reward comes after.

    Steps that only padding follows get none.
    """
    counts = ops.cast(_to_come(weights) > 0, "float32")
    number = ops.maximum(ops.sum(counts, axis=1, keepdims=True), 1.0)
    return counts * ops.sum(weights, axis=1, keepdims=True) / number
