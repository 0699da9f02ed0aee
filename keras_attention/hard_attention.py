"""`HardAttention`: one position at a time."""

from __future__ import annotations

import keras

from keras_attention import normalizers, scores
from keras_attention.base_attention import BaseAttention
from keras_attention.piece import PACKAGE
from keras_attention.registry import get
from keras_attention.serialization import serialized

ESTIMATORS = {
    name: estimator
    for name, estimator in normalizers.NORMALIZERS.items()
    if estimator.is_hard
}


@keras.saving.register_keras_serializable(package=PACKAGE)
class HardAttention(BaseAttention):
    """Hard attention: each query takes the value at one position.

    At inference the alignments are exactly one-hot, at the highest score (Xu
    et al. 2015, section 4.1, at the mode of the distribution). A choice has no
    gradient; `estimator` says how the scores learn nevertheless:

    | estimator | in training | gradient |
    |---|---|---|
    | `"straight_through"` | a sample | that of the softmax: biased, quiet |
    | `"gumbel"` | a relaxed sample | its own: biased, falls with the \
temperature |
    | `"reinforce"` | samples, some soft | unbiased but for the soft ones, \
noisy; wants the model's loss |
    | `"marginal"` | all positions, each with its own output | exact; in an \
`EncoderDecoder` only |
    | `"hardmax"` | the highest score | that of the softmax; explores nothing |

    They are the classes `StraightThrough`, `Gumbel`, `Reinforce`, `Marginal`
    and `Hardmax` of `keras_attention.normalizers`, which have the equations
    and the papers.

    Args:
        estimator: one of these names, or an instance where its settings
            matter: `normalizers.Gumbel(temperature=2.0)`.
        score: a name in `keras_attention.scores.SCORES` or a `Score`.
        dropout: share of alignments dropped in training, in `[0, 1)`: here, of
            the queries that get a zero context.
        seed: integer seed of the dropout, and of an estimator given by name.
        **kwargs: as in `keras.layers.Layer` (`name`, `dtype`, ...).

    Call arguments, returns, masking: as in `keras_attention.Attention`.

    Raises:
        ValueError: if the estimator is unknown or not hard; in training, if
            it needs what the model does not supply (`"reinforce"`,
            `"marginal"`).

    Example:

    >>> layer = HardAttention("gumbel", score="dot")
    >>> query = keras.ops.ones((1, 1, 2))
    >>> value = keras.ops.array([[[0.0, 1.0], [2.0, 3.0]]])
    >>> layer([query, value]).numpy()
    array([[[2., 3.]]], dtype=float32)
    """

    def __init__(
        self,
        estimator="straight_through",
        score="additive",
        dropout=0.0,
        seed=None,
        **kwargs,
    ):
        super().__init__(
            score=score,
            normalizer=_get_estimator(estimator, seed),
            dropout=dropout,
            seed=seed,
            **kwargs,
        )

    @property
    def estimator(self):
        """How the scores learn: the normaliser."""
        return self.normalizer

    def get_config(self):
        return {
            **super().get_config(),
            "estimator": serialized(self.normalizer),
            "score": serialized(self.score),
        }


def _get_estimator(estimator, seed):
    if isinstance(estimator, str) and estimator in scores.SCORES:
        raise ValueError(
            f"{estimator!r} is a score. Write HardAttention(score="
            f"{estimator!r}): the first argument is the estimator, one of "
            f"{sorted(ESTIMATORS)}."
        )
    found = get(estimator, ESTIMATORS, normalizers.Normalizer, "estimator")
    if not found.is_hard:
        raise ValueError(
            "Expected an estimator that takes one position at inference: one "
            f"of {sorted(ESTIMATORS)}, or an instance. Received: "
            f"{type(found).__name__}. For any normaliser, use "
            "keras_attention.Attention(normalizer=...)."
        )
    if isinstance(estimator, str) and "seed" in found.get_config():
        found = type(found)(seed=seed)
    return found
