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


def peak(alignments):
    """Returns the highest alignment of each row, `max_s a_s`.

    One if a row is one-hot, `1 / source_len` if all are alike: how sure the
    model is of where it looks.

    Args:
        alignments: `(..., source_len)`.

    Returns:
        A tensor `(...)`, in at least float32.

    Example:

    >>> float(peak(ops.array([0.7, 0.1, 0.2])))
    0.699999988079071
    """
    alignments = ops.convert_to_tensor(alignments)
    return ops.max(functional.widened(alignments), axis=-1)


def coverage(alignments, mask=None):
    """Returns how far each source position was looked at, at most one.

    `min(sum_t a_ts, 1)`, the term of the coverage penalty of Wu et al. (2016,
    eq. 14). Zero where the model never looked: what stands there may have
    been left out.

    Args:
        alignments: `(..., target_len, source_len)`.
        mask: boolean `(..., target_len)`, `True` where a step counts; `None`:
            all count.

    Returns:
        A tensor `(..., source_len)`, in at least float32.

    Example:

    >>> coverage(ops.array([[0.5, 0.5, 0.0], [0.0, 1.0, 0.0]])).numpy()
    array([0.5, 1. , 0. ], dtype=float32)
    """
    wide = functional.widened(ops.convert_to_tensor(alignments))
    if mask is not None:
        wide = ops.where(ops.expand_dims(mask, -1), wide, 0.0)
    return ops.minimum(ops.sum(wide, axis=-2), 1.0)


def monotonicity(alignments, mask=None):
    """Returns the share of steps at which the model does not go back.

    A step looks where its alignment is the highest; it goes back if that is
    before where the step before it looked. One: the model reads from left to
    right, as monotonic attention must (Raffel et al. 2017).

    Args:
        alignments: `(..., target_len, source_len)`.
        mask: boolean `(..., target_len)`, `True` where a step counts; `None`:
            all count. A step is compared with its neighbour only.

    Returns:
        A float32 tensor `(...)` in `[0, 1]`; one where no two steps count.

    Example:

    >>> steps = ops.one_hot(ops.array([0, 2, 1, 1, 1]), 3)
    >>> float(monotonicity(steps))  # of four moves, one goes back
    0.75
    """
    best = ops.argmax(ops.convert_to_tensor(alignments), axis=-1)
    back = ops.cast(best[..., 1:] < best[..., :-1], "float32")
    counts = ops.ones_like(back)
    if mask is not None:
        mask = ops.cast(mask, "float32")
        counts = mask[..., 1:] * mask[..., :-1]
    number = ops.maximum(ops.sum(counts, axis=-1), 1.0)
    return 1.0 - ops.sum(back * counts, axis=-1) / number


def alignment_error_rate(links, sure, possible=None):
    """Returns the alignment error rate of links against links drawn by hand.

    `AER = 1 - (|A and S| + |A and P|) / (|A| + |S|)` (Och and Ney 2003,
    section 5): `A` are the links found, `S` those that a person is sure of,
    `P` those that are possible, the sure ones among them. Zero: every sure
    link was found, and nothing but possible ones. The numbers are of all the
    links given, so that of a corpus is computed at once.

    Args:
        links: booleans of any shape, such as `(batch, target_len,
            source_len)`: which source position each target position is linked
            to.
        sure: booleans of that shape.
        possible: likewise; `None`: the sure ones only.

    Returns:
        A scalar float32 tensor in `[0, 1]`; zero if there are no links.

    Example:

    >>> found = [[True, False], [True, False]]
    >>> by_hand = [[True, False], [False, True]]
    >>> float(alignment_error_rate(found, by_hand))
    0.5
    """
    links, sure = (
        ops.cast(ops.convert_to_tensor(one), "bool") for one in (links, sure)
    )
    if possible is None:
        possible = sure
    possible = ops.logical_or(ops.cast(possible, "bool"), sure)
    hits = _count(ops.logical_and(links, sure)) + _count(
        ops.logical_and(links, possible)
    )
    total = _count(links) + _count(sure)
    rate = 1.0 - hits / ops.maximum(total, 1.0)
    return ops.where(total > 0, rate, 0.0)


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


def _count(links):
    return ops.sum(ops.cast(links, "float32"))


def _hits(truth, alignments):
    """Whether each row is the highest at the truth, as float32 `(...)`."""
    alignments = ops.convert_to_tensor(alignments)
    best = ops.argmax(alignments, axis=-1)
    hits = ops.equal(ops.cast(best, "int32"), ops.cast(truth, "int32"))
    return ops.cast(hits, "float32")
