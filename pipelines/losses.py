"""The loss of token sequences, and the perplexity that goes with it."""

import keras
from keras import ops

PACKAGE = "keras_attention.pipelines"


@keras.saving.register_keras_serializable(package=PACKAGE)
class SmoothedCrossentropy(keras.losses.Loss):
    """Cross-entropy of integer labels with label smoothing, in nats a token.

    `-(1 - e) log p(label) - e / V sum_v log p(v)` over `V` classes (Szegedy et
    al. 2016, section 7), averaged over the tokens of positive sample weight,
    which is how padding is left out.

    Args:
        label_smoothing: `e`, in `[0, 1)`.
        **kwargs: as in `keras.losses.Loss`.

    Call arguments:
        y_true: integer labels `(batch, target_len)`.
        y_pred: logits `(batch, target_len, V)`.
        sample_weight: `(batch, target_len)`, 0 where there is padding.

    Example:

    >>> loss = SmoothedCrossentropy(0.1)
    >>> round(float(loss(ops.array([[1]]), ops.zeros((1, 1, 2)))), 4)
    0.6931
    """

    def __init__(
        self,
        label_smoothing=0.0,
        reduction="mean_with_sample_weight",
        name="smoothed_crossentropy",
        **kwargs,
    ):
        super().__init__(reduction=reduction, name=name, **kwargs)
        self.label_smoothing = label_smoothing

    def call(self, y_true, y_pred):
        logits = ops.cast(y_pred, "float32")
        loss = keras.losses.sparse_categorical_crossentropy(
            y_true, logits, from_logits=True
        )
        if not self.label_smoothing:
            return loss
        uniform = ops.logsumexp(logits, axis=-1) - ops.mean(logits, axis=-1)
        return loss + self.label_smoothing * (uniform - loss)

    def get_config(self):
        return {
            **super().get_config(),
            "label_smoothing": self.label_smoothing,
        }


@keras.saving.register_keras_serializable(package=PACKAGE)
class Perplexity(keras.metrics.SparseCategoricalCrossentropy):
    """Exponential of the mean cross-entropy, over tokens, not batches.

    A token's weight is its sample weight, 0 for padding; nothing is smoothed.

    Example:

    >>> metric = Perplexity()
    >>> metric.update_state(ops.array([[1]]), ops.zeros((1, 1, 2)))
    >>> round(float(metric.result()), 4)
    2.0
    """

    def __init__(self, name="perplexity", dtype=None, **kwargs):
        kwargs["from_logits"] = True
        super().__init__(name=name, dtype=dtype, **kwargs)

    def result(self):
        return ops.exp(super().result())
