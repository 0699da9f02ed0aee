"""A compiled loss, taken apart into the losses of single steps."""

from __future__ import annotations

import keras
from keras import ops, tree

from keras_attention.private_keras import get_keras_mask, set_keras_mask


class InseparableLoss(ValueError):
    """Says why a loss cannot be taken apart, and what to do about it."""


def split_loss(model, y, y_pred, sample_weight=None):
    """Takes the loss that a model was compiled with apart.

    Args:
        model: a compiled model, whose loss has been computed once.
        y, y_pred, sample_weight: as in `keras.Model.compute_loss`.

    Returns:
        `(losses, weights)`, float32 `(batch, target_len)`, so that the
        compiled loss is `sum(losses * weights)`; `(batch, 1)` of a loss that
        is one number for each example. Further axes are summed up.

    Raises:
        InseparableLoss: if there is more than one loss, if it is not reduced
            to a number, or if it is reduced before one can look.

    Example:

    >>> model = keras.Sequential([keras.Input((3, 1))])
    >>> model.compile(loss="mse")
    >>> y, y_pred = ops.zeros((2, 3, 1)), ops.ones((2, 3, 1))
    >>> loss = model.compute_loss(None, y, y_pred)
    >>> losses, weights = split_loss(model, y, y_pred)
    >>> float(loss), float(ops.sum(losses * weights))
    (1.0, 1.0)
    """
    path, loss, loss_weight = _only_loss(model)
    y = _part(y, path)
    y_pred = _part(y_pred, path)
    sample_weight = _part(sample_weight, path)
    values = loss.call(
        ops.convert_to_tensor(y, dtype=loss.dtype),
        ops.convert_to_tensor(y_pred, dtype=loss.dtype),
    )
    if len(values.shape) == 0:
        raise InseparableLoss(
            f"The loss {loss.name!r} gives one number for a whole batch, and "
            "an attention that learns from a reward must know which example "
            "did well. Let the loss function return a tensor (batch,) or "
            "(batch, target_len), which Keras averages by itself, or override "
            "`step_losses` of the model."
        )
    weights = _weights(loss, values, y_pred, sample_weight)
    if loss_weight is not None:
        weights = weights * loss_weight
    if len(values.shape) != len(weights.shape):
        # The sample weights had no last axis of width one, or had one.
        values = ops.reshape(values, ops.shape(weights))
    values, weights = (
        ops.cast(ops.stop_gradient(one), "float32") for one in (values, weights)
    )
    return _as_steps(values, weights)


class _Given(keras.losses.Loss):
    """Reduces given values as a loss would reduce its own."""

    def __init__(self, values, reduction, dtype):
        super().__init__(name="given", reduction=reduction, dtype=dtype)
        self.values = values

    def call(self, y_true, y_pred):
        del y_true, y_pred
        return self.values


def _weights(loss, values, y_pred, sample_weight):
    """Returns what each of the values counts in the reduced loss.

    Keras's own reduction is asked: of ones, unreduced, it gives each value's
    weight up to a factor, and reduced, the sum that the weights must have.
    """
    if loss.reduction in (None, "none"):
        raise InseparableLoss(
            f"The loss {loss.name!r} is not reduced to a number. Compile the "
            "model with another `reduction`, such as 'sum_over_batch_size'."
        )
    ones = ops.ones_like(values)
    # A loss may mask its values, as that with `ignore_class` does.
    mask = get_keras_mask(values)
    if mask is not None:
        set_keras_mask(ones, mask)
    weights, total = (
        _Given(ones, reduction, loss.dtype)(y_pred, y_pred, sample_weight)
        for reduction in ("none", loss.reduction)
    )
    summed = ops.sum(weights)
    return weights * total / ops.where(ops.equal(summed, 0), 1.0, summed)


def _as_steps(values, weights):
    if len(values.shape) == 1:
        return ops.expand_dims(values, 1), ops.expand_dims(weights, 1)
    if len(values.shape) == 2:
        return values, weights
    axes = tuple(range(2, len(values.shape)))
    summed = ops.sum(values * weights, axis=axes)
    weights = ops.sum(weights, axis=axes)
    return summed / ops.where(ops.equal(weights, 0), 1.0, weights), weights


def _only_loss(model):
    """Returns `(path, loss, loss weight)` of the model's only loss."""
    # Keras keeps what `compile` made of a name and where it applies here, and
    # has no public way to it.
    compiled = getattr(model, "_compile_loss", None)
    losses = [] if compiled is None else compiled._flat_losses
    if len(losses) != 1:
        raise InseparableLoss(
            "An attention that learns from a reward needs a model compiled "
            f"with one loss. Received: {len(losses)}. Compile it with a `loss` "
            "for one output (None for the others), or override `step_losses` "
            "of the model."
        )
    path, loss, loss_weight, _ = losses[0]
    return path, loss, loss_weight


def _part(structure, path):
    """Returns the tensor at a path, or the only one that there is."""
    leaves = tree.flatten(structure)
    if len(leaves) == 1:
        return leaves[0]
    for key in path:
        structure = structure[key]
    return structure
