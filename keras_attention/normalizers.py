"""How scores become alignments: one small class a normaliser.

To add one, write a class here and a line in `NORMALIZERS`.
"""

from __future__ import annotations

import keras

from keras_attention import functional
from keras_attention.registry import get as _get

PACKAGE = "keras_attention"


class Normalizer:
    """Base class: `alignments = normalizer(scores, mask, training)`."""

    def __call__(self, scores, mask=None, training=False):
        """Returns alignments of the shape and dtype of `scores`.

        Args:
            scores: `(batch, target_len, source_len)`.
            mask: boolean, broadcastable to `scores`; `True` = attend.
            training: whether gradients are going to be taken.
        """
        raise NotImplementedError(
            f"{type(self).__name__} must implement "
            "`__call__(scores, mask, training)`."
        )

    def get_config(self):
        return {}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


@keras.saving.register_keras_serializable(package=PACKAGE)
class Softmax(Normalizer):
    """Weighs all positions (Bahdanau et al. 2014, eq. 6)."""

    def __call__(self, scores, mask=None, training=False):
        del training
        return functional.masked_softmax(scores, mask)


@keras.saving.register_keras_serializable(package=PACKAGE)
class Hardmax(Normalizer):
    """Picks the one position with the highest score.

    In training the gradient is that of the softmax, by the straight-through
    estimator (Bengio, Leonard and Courville 2013, section 4).
    """

    def __call__(self, scores, mask=None, training=False):
        hard = functional.masked_hardmax(scores, mask)
        if not training:
            return hard
        soft = functional.masked_softmax(scores, mask)
        return functional.straight_through(hard, soft)


NORMALIZERS = {"hardmax": Hardmax, "softmax": Softmax}


def get(identifier):
    """Returns the `Normalizer` that a name, config or instance stands for.

    Example:

    >>> type(get("softmax")).__name__
    'Softmax'
    """
    return _get(identifier, NORMALIZERS, Normalizer, "normalizer")
