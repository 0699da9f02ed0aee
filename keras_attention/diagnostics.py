"""How sharply a model looks, and whether it looks where it should."""

from __future__ import annotations

import keras
from keras import ops

from keras_attention import functional
from keras_attention.piece import PACKAGE


def entropy(alignments):
    """Returns the entropy of alignments, `- sum_s a_s log a_s`, in nats.

    Zero at one position, `log source_len` over all alike.

    Args:
        alignments: `(..., source_len)`, each row summing to one.

    Returns:
        A tensor `(...)`, in at least float32.

    Example:

    >>> entropy(ops.array([[0.5, 0.5, 0.0]])).numpy()
    array([0.6931472], dtype=float32)
    """
    wide = functional.widened(ops.convert_to_tensor(alignments))
    # 0 log 0 = 0
    logarithms = ops.log(ops.where(wide > 0, wide, 1.0))
    return -ops.sum(wide * logarithms, axis=-1)


def effective_positions(alignments):
    """Returns over how many positions alignments spread, `exp(entropy)`.

    One if they are one-hot, `source_len` if they are all alike.

    Args:
        alignments: `(..., source_len)`, each row summing to one.

    Returns:
        A tensor `(...)`, in at least float32.

    Example:

    >>> effective_positions(ops.array([[0.25, 0.25, 0.25, 0.25]])).numpy()
    array([4.], dtype=float32)
    """
    return ops.exp(entropy(alignments))


def localisation_accuracy(alignments, truth, mask=None):
    """Returns the share of steps at which the model looks at the true position.

    It looks where its alignment is the highest.

    Args:
        alignments: `(..., source_len)`.
        truth: integers `(...)`, the true positions.
        mask: boolean `(...)`, `True` where a step counts; `None`: all count.

    Returns:
        A scalar float32 tensor in `[0, 1]`; zero if no step counts.

    Example:

    >>> alignments = ops.array([[0.1, 0.9], [0.8, 0.2]])
    >>> float(localisation_accuracy(alignments, ops.array([1, 1])))
    0.5
    """
    hits = _hits(truth, alignments)
    if mask is None:
        return ops.mean(hits)
    counts = ops.cast(mask, "float32")
    return ops.sum(hits * counts) / ops.maximum(ops.sum(counts), 1.0)


@keras.saving.register_keras_serializable(package=PACKAGE)
class LocalisationAccuracy(keras.metrics.MeanMetricWrapper):
    """`localisation_accuracy` as a metric, over batches.

    For a model that has alignments among its outputs, and true positions
    among its labels.

    Args:
        name, dtype: as in `keras.metrics.Metric`.

    Call arguments:
        y_true: integers `(batch, target_len)`, the true positions.
        y_pred: alignments `(batch, target_len, source_len)`.
        sample_weight: `(batch, target_len)`, zero where a step does not
            count; or `None`.

    Example:

    >>> metric = LocalisationAccuracy()
    >>> metric.update_state([[1, 1]], [[[0.1, 0.9], [0.8, 0.2]]])
    >>> float(metric.result())
    0.5
    """

    def __init__(self, name="localisation_accuracy", dtype=None):
        super().__init__(_hits, name=name, dtype=dtype)

    def get_config(self):
        return {"name": self.name, "dtype": self.dtype}


def _hits(truth, alignments):
    """Whether each row is the highest at the truth, as float32 `(...)`."""
    alignments = ops.convert_to_tensor(alignments)
    best = ops.argmax(alignments, axis=-1)
    hits = ops.equal(ops.cast(best, "int32"), ops.cast(truth, "int32"))
    return ops.cast(hits, "float32")
