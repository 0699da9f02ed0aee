"""The loss of token sequences, and the metrics that go with it.

All of them are made of the same few reductions over the vocabulary, written
the same way: where a training step is compiled, they are computed once.
"""

import keras
from keras import ops

PACKAGE = "keras_attention.pipelines"


@keras.saving.register_keras_serializable(package=PACKAGE)
class SmoothedCrossentropy(keras.losses.Loss):
    """Cross-entropy of integer labels with label smoothing, in nats a token.

    `-(1 - e) log p(label) - e / V sum_v log p(v)` over `V` classes (Szegedy et
    al. 2016, section 7), averaged over the tokens of positive sample weight,
    which is how padding is left out.

    With `r_drop` a batch has all its rows twice, all of them and then all
    again, each time with a dropout of its own: `EpochBatches(repeats=2)`. The
    mean of the two halves' losses is added to by
    `r_drop / 4 (KL(p || q) + KL(q || p))` of the two distributions of each
    token: half the loss of R-Drop (Liang et al. 2021, equations 2 to 4), which
    takes their sum. A batch that is split over devices would compare other
    sentences.

    Args:
        label_smoothing: `e`, in `[0, 1)`.
        r_drop: the weight `alpha` of the divergence, not negative; 0: none.
        **kwargs: as in `keras.losses.Loss`.

    Call arguments:
        y_true: integer labels `(batch, target_len)`.
        y_pred: logits `(batch, target_len, V)`.
        sample_weight: `(batch, target_len)`, 0 where there is padding.

    Raises:
        ValueError: if there is a divergence to take, and the batch has an odd
            number of rows.

    Example:

    >>> loss = SmoothedCrossentropy(0.1)
    >>> round(float(loss(ops.array([[1]]), ops.zeros((1, 1, 2)))), 4)
    0.6931
    """

    def __init__(
        self,
        label_smoothing=0.0,
        r_drop=0.0,
        reduction="mean_with_sample_weight",
        name="smoothed_crossentropy",
        **kwargs,
    ):
        super().__init__(reduction=reduction, name=name, **kwargs)
        self.label_smoothing = label_smoothing
        self.r_drop = r_drop

    def call(self, y_true, y_pred):
        logits = ops.cast(y_pred, "float32")
        normalizer = _log_normalizer(logits)
        loss = normalizer - _of_labels(logits, y_true)
        if self.label_smoothing:
            uniform = normalizer - ops.mean(logits, axis=-1)
            loss = loss + self.label_smoothing * (uniform - loss)
        if self.r_drop:
            loss = loss + self.r_drop / 4 * _divergence(logits, normalizer)
        return loss

    def get_config(self):
        return {
            **super().get_config(),
            "label_smoothing": self.label_smoothing,
            "r_drop": self.r_drop,
        }


class _TokenMean(keras.metrics.Mean):
    """A mean over the tokens of all batches.

    `keras.metrics.Mean` takes the mean of a row's values and of its weights
    first, so that a token of a batch with much padding counts for less.
    """

    def _add(self, values, sample_weight=None):
        weights = ops.ones_like(values)
        if sample_weight is not None:
            given = ops.cast(sample_weight, values.dtype)
            if len(given.shape) < len(values.shape):  # one for each row
                given = ops.expand_dims(given, -1)
            weights = given * weights
        self.total.assign_add(ops.sum(weights * values))
        self.count.assign_add(ops.sum(weights))


@keras.saving.register_keras_serializable(package=PACKAGE)
class Perplexity(_TokenMean):
    """Exponential of the mean cross-entropy of a token.

    The mean is over the tokens of all batches, each with its sample weight, 0
    for padding; nothing is smoothed.

    Example:

    >>> metric = Perplexity()
    >>> metric.update_state(ops.array([[1]]), ops.zeros((1, 1, 2)))
    >>> round(float(metric.result()), 4)
    2.0
    """

    def __init__(self, name="perplexity", dtype=None, **kwargs):
        # Checkpoints of earlier versions have these; they say nothing new.
        for argument in ("from_logits", "axis"):
            kwargs.pop(argument, None)
        super().__init__(name=name, dtype=dtype, **kwargs)

    def update_state(self, y_true, y_pred, sample_weight=None):
        logits = ops.cast(y_pred, "float32")
        losses = _log_normalizer(logits) - _of_labels(logits, y_true)
        self._add(losses, sample_weight)

    def result(self):
        return ops.exp(super().result())


@keras.saving.register_keras_serializable(package=PACKAGE)
class TokenAccuracy(_TokenMean):
    """Share of the labels with the largest logit, ties included.

    It is the share of the tokens of all batches, each with its sample weight, 0
    for padding.

    Example:

    >>> metric = TokenAccuracy()
    >>> metric.update_state(ops.array([[1, 0]]), ops.array([[[0.0, 1.0]] * 2]))
    >>> float(metric.result())
    0.5
    """

    def __init__(self, name="accuracy", dtype=None, **kwargs):
        super().__init__(name=name, dtype=dtype, **kwargs)

    def update_state(self, y_true, y_pred, sample_weight=None):
        logits = ops.cast(y_pred, "float32")
        # An argument of the maximum would be one pass more, and a slow one.
        hits = _of_labels(logits, y_true) >= ops.max(logits, axis=-1)
        self._add(ops.cast(hits, "float32"), sample_weight)


def _log_normalizer(logits):
    largest = ops.stop_gradient(ops.max(logits, axis=-1, keepdims=True))
    total = ops.sum(ops.exp(logits - largest), axis=-1)
    return ops.log(total) + ops.squeeze(largest, -1)


def _divergence(logits, normalizer):
    """Returns `KL(p || q) + KL(q || p)` of a batch's halves, for both."""
    rows = logits.shape[0]
    if rows is not None and rows % 2:
        raise ValueError(
            "With `r_drop` a batch must have all its rows twice, as "
            "`EpochBatches(repeats=2)` does. Received: a batch with an odd "
            f"number of rows, {rows}."
        )
    logs = logits - ops.expand_dims(normalizer, -1)
    first, second = ops.split(logs, 2, axis=0)
    both = (ops.exp(first) - ops.exp(second)) * (first - second)
    divergence = ops.sum(both, axis=-1)
    return ops.concatenate([divergence, divergence], axis=0)


def _of_labels(logits, labels):
    """Returns the logits of the labels, `(batch, target_len)`."""
    labels = ops.cast(labels, "int32")
    if len(labels.shape) < len(logits.shape):
        labels = ops.expand_dims(labels, -1)
    classes = ops.arange(logits.shape[-1], dtype="int32")
    # No gather: its gradient would be a scatter.
    return ops.sum(ops.where(ops.equal(labels, classes), logits, 0.0), axis=-1)
