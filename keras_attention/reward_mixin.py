"""`RewardMixin`: a model that tells its attention how well it did."""

from __future__ import annotations

import functools
import threading
import weakref

from keras import ops

from keras_attention import auxiliary_losses
from keras_attention.step_losses import InseparableLoss, split_loss

_STATE = threading.local()


class RewardMixin:
    """Supplies the model's loss to attention that learns from it.

    A layer cannot see the loss. This mix-in gathers what the attention layers
    noted in training, takes the compiled loss apart into the losses of single
    steps, and adds what the layers make of the two. `compile`, `fit`,
    `evaluate` and saving stay as they are. `EncoderDecoder` has it; a model of
    your own gets it by its class line, before `keras.Model`:

        class MyModel(keras_attention.RewardMixin, keras.Model): ...

    either with a `call` of its own or made from inputs and outputs. The model
    must have one compiled loss that gives a loss for each example or each
    step, `(batch,)` or `(batch, target_len)`; sample weights, masks and
    reductions are honoured. For anything else, override `step_losses`.

    It acts on a compiled model only, between a call with `training=True` and
    the `compute_loss` that follows it. A model inside another leaves it to
    the outer one.

    Attributes:
        reward_to_go: whether the loss of a step depends on no position that
            is chosen later, and the steps of the loss are those of the
            attention, as in a recurrent decoder. A choice is then rewarded for
            the losses that come after it only, which is less noisy. `False`:
            for all losses of its example.

    Example:

    >>> class Reader(RewardMixin, keras.Model):
    ...     pass
    >>> query, value = keras.Input((3, 7)), keras.Input((5, 7))
    >>> attention = keras_attention.HardAttention("reinforce", score="dot")
    >>> outputs = keras.layers.Dense(2)(attention([query, value]))
    >>> model = Reader([query, value], outputs)
    >>> model.compile("sgd", "mse")
    >>> data = [ops.ones((2, 3, 7)), ops.ones((2, 5, 7))], ops.ones((2, 3, 2))
    >>> history = model.fit(*data, verbose=0)
    """

    reward_to_go = False

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if "call" in cls.__dict__:
            cls.call = _gathering(cls.__dict__["call"])

    def call(self, inputs, training=None, mask=None, **kwargs):
        """Calls a model that was made from inputs and outputs."""
        # The arguments are those of such a model: Keras reads them here.
        return _gather(
            self,
            super().call,
            inputs,
            training=training,
            mask=mask,
            **kwargs,
        )

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        """Returns the loss, with what the attention layers add to it."""
        reports = _pending().pop(self, [])
        total = super().compute_loss(
            x, y, y_pred, sample_weight, training=training
        )
        if not training or not reports:
            return total
        losses, weights, problem = None, None, None
        try:
            losses, weights = self.step_losses(x, y, y_pred, sample_weight)
        except InseparableLoss as error:
            problem = error
        for attention, notes in reports:
            notes = ops.cast(notes, "float32")
            for piece, part in attention.split_notes(notes):
                if piece.needs_reward and problem is not None:
                    raise problem
                total = total + ops.cast(
                    self._auxiliary_loss(piece, part, losses, weights),
                    total.dtype,
                )
        return total

    def step_losses(self, x, y, y_pred, sample_weight):
        """Takes the model's loss apart; override it for unusual losses.

        Args:
            x, y, y_pred, sample_weight: as in `compute_loss`.

        Returns:
            `(losses, weights)`: the loss of every step and what it counts,
            `(batch, target_len)` (or `(batch, 1)`), so that the model's loss
            is `sum(losses * weights)`.

        Raises:
            ValueError: if the compiled loss cannot be taken apart.
        """
        del x
        return split_loss(self, y, y_pred, sample_weight)

    def _auxiliary_loss(self, piece, notes, losses, weights):
        if losses is None:
            return piece.auxiliary_loss(
                notes, None, auxiliary_losses.even_weights(notes)
            )
        same = notes.shape[1] == losses.shape[1]
        if same and (self.reward_to_go or not piece.needs_reward):
            return piece.auxiliary_loss(notes, losses, weights)
        total = ops.sum(weights, axis=1, keepdims=True)  # (batch, 1)
        mean = ops.sum(losses * weights, axis=1, keepdims=True)
        mean = mean / ops.where(total > 0, total, 1.0)
        steps = ops.arange(ops.shape(notes)[1], dtype="int32")
        steps = ops.expand_dims(steps, 0)
        if not piece.needs_reward:
            # Nobody knows which step is which.
            number = ops.cast(ops.shape(notes)[1], "float32")
            shares = ops.ones_like(notes[..., 0]) / number
        else:
            # What comes last comes after every choice.
            last = ops.equal(steps, ops.shape(notes)[1] - 1)
            shares = ops.cast(last, "float32")
        return piece.auxiliary_loss(
            notes, mean * ops.ones_like(shares), total * shares
        )


def _gathering(call):
    """Returns a model's `call` that keeps what is reported inside."""

    @functools.wraps(call)
    def gathering(self, *args, **kwargs):
        return _gather(self, functools.partial(call, self), *args, **kwargs)

    return gathering


def _gather(model, call, *args, **kwargs):
    # Around `call` and not `__call__`, which first may call it for its shapes
    # only: the last one counts.
    if auxiliary_losses.is_collecting() or not model.compiled:
        return call(*args, **kwargs)
    _pending().pop(model, None)
    with auxiliary_losses.collecting() as reports:
        outputs = call(*args, **kwargs)
    if reports:
        _pending()[model] = reports
    return outputs


def _pending():
    """What models in this thread have gathered: reports by model."""
    if not hasattr(_STATE, "pending"):
        _STATE.pending = weakref.WeakKeyDictionary()
    return _STATE.pending
