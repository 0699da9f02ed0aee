"""Where a model's attention layers look, whatever the model is made of."""

from __future__ import annotations

import contextlib
import functools
import inspect
import itertools
import math
import threading
from collections.abc import Iterator
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

import keras_attention
from keras_attention import auxiliary_losses
from keras_attention.base_attention import BaseAttention

_LOCK = threading.RLock()
# Where alignments are made.
_MADE = (
    (keras_attention.AttentionRNN, "run"),
    (BaseAttention, "call"),
    (keras.layers.Attention, "call"),
    (keras.layers.MultiHeadAttention, "call"),
)


class Recorded(NamedTuple):
    """What an attention layer looked at in one call of a model.

    Attributes:
        layer: The attention layer; in a decoder, that of its cell.
        alignments: `(batch, target_len, source_len)`; those of several heads
            are averaged, grids are flat.
        target_mask: boolean `(batch, target_len)`, or None if unknown.
        source_mask: boolean `(batch, source_len)`, or None if unknown.
    """

    layer: Any
    alignments: np.ndarray
    target_mask: np.ndarray | None
    source_mask: np.ndarray | None


def record_alignments(
    model: Any, inputs: Any, training: bool = False
) -> dict[str, Recorded]:
    """Calls a model once and returns where its attention layers looked.

    It sees every call of one of our attention layers, of an `AttentionRNN`,
    and of `keras.layers.Attention`, `AdditiveAttention` and
    `MultiHeadAttention`, wherever they are in the model. It sees no layer
    inside a `tf.function` of the model's own that was traced before.

    Args:
        model: Any Keras model.
        inputs: What it is called on, a batch.
        training: Whether it is called as in training, so that hard attention
            draws its samples. All that such a call changes (the random
            numbers to come, moving averages) is set back.

    Returns:
        By the name of the layer or decoder, in the order of the calls. A
        decoder with several attentions has `NAME_1`, `NAME_2`, and so has a
        layer that is called several times.

    Example:

    >>> query, value = keras.Input((3, 7)), keras.Input((5, 7))
    >>> look = keras_attention.AdditiveAttention(11, name="look")
    >>> model = keras.Model([query, value], look([query, value]))
    >>> batch = [np.ones((2, 3, 7)), np.ones((2, 5, 7))]
    >>> record_alignments(model, batch)["look"].alignments.shape
    (2, 3, 5)
    """
    found: list[tuple[str, Recorded]] = []
    if not model.built:
        model(inputs)  # Keras may call the layers for their shapes.
    with contextlib.ExitStack() as stack:
        if training:
            stack.enter_context(_unchanged(model))
            # Nobody weighs what the layers note here.
            stack.enter_context(auxiliary_losses.collecting())
        stack.enter_context(_recording(found, training))
        model(inputs, training=training)
    target_mask = _target_mask(model, inputs)
    records = {}
    for name, (_, record) in zip(_numbered(found), found, strict=True):
        if (
            record.target_mask is None
            and target_mask is not None
            # Others look from elsewhere, such as an encoder's.
            and target_mask.shape == record.alignments.shape[:2]
        ):
            record = record._replace(target_mask=target_mask)
        records[name] = record
    return records


def _numbered(found: list[tuple[str, Recorded]]) -> list[str]:
    """The records' names, no two alike: those of several have a number."""
    own = [name for name, _ in found]
    taken = set(own)  # Keras itself numbers names like this.
    names = []
    for name in own:
        if own.count(name) > 1:
            numbered = (f"{name}_{number}" for number in itertools.count(1))
            name = next(one for one in numbered if one not in taken)
            taken.add(name)
        names.append(name)
    return names


def draws_samples(layer: Any) -> bool:
    """Whether it is hard attention that draws samples in training."""
    normalizer = layer.normalizer
    return normalizer.is_hard and hasattr(normalizer, "seed_generator")


@contextlib.contextmanager
def _recording(
    found: list[tuple[str, Recorded]], training: bool
) -> Iterator[None]:
    """Inside this context, layers called in this thread are recorded.

    The classes are changed and not the layers, which a model need not show.
    """
    thread = threading.get_ident()
    with _LOCK, contextlib.ExitStack() as stack:
        for kind, method in _MADE:
            original = getattr(kind, method)
            stack.callback(setattr, kind, method, original)
            setattr(kind, method, _recorded(original, thread, found, training))
        yield


def _recorded(
    original: Any,
    thread: int,
    found: list[tuple[str, Recorded]],
    training: bool,
) -> Any:
    signature = inspect.signature(original)

    @functools.wraps(original)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        if threading.get_ident() != thread or _is_symbolic(args, kwargs):
            return original(self, *args, **kwargs)
        bound = signature.bind(self, *args, **kwargs)
        given = bound.arguments
        if _is_rehearsal(self, given, training):
            return original(self, *args, **kwargs)
        asked = given.get("return_attention_scores", False)
        given["return_attention_scores"] = True
        results = original(*bound.args, **bound.kwargs)
        found.extend(_records(self, given, results[1]))
        if asked or isinstance(self, keras_attention.AttentionRNN):
            return results
        return results[0]

    return method


def _is_rehearsal(layer: Any, given: dict[str, Any], training: bool) -> bool:
    """Whether a decoder only looks for what scheduled sampling may say.

    That pass is made as at inference, before the one of the training.
    """
    return (
        training
        and isinstance(layer, keras_attention.AttentionRNN)
        and not given.get("training", False)
    )


def _is_symbolic(args: Any, kwargs: Any) -> bool:
    """Whether a layer is only asked for its shapes, or traced."""
    return not tf.executing_eagerly() or any(
        isinstance(one, keras.KerasTensor)
        for one in keras.tree.flatten((args, kwargs))
    )


def _records(
    layer: Any, given: dict[str, Any], alignments: Any
) -> list[tuple[str, Recorded]]:
    """The records of one call, with their names."""
    if alignments is None:
        return []  # A decoder without attention.
    if isinstance(layer, keras_attention.AttentionRNN):
        target = given.get("inputs_mask")
        source = given.get("memory_mask")
        layers = layer.cell.attentions
        many = isinstance(alignments, (list, tuple))
        alignments = alignments if many else [alignments]
    else:
        masks = given.get("mask")
        target, source = (
            (masks[0], masks[1])
            if isinstance(masks, (list, tuple)) and len(masks) > 1
            else (given.get("query_mask"), given.get("value_mask"))
        )
        layers, alignments = [layer], [alignments]
    arrays = [
        array
        for one in alignments
        if (array := _flat(layer, given, one)) is not None
    ]
    if not arrays:
        return []
    sources = source if isinstance(source, (list, tuple)) else [source]
    sources = list(sources) * (len(layers) if len(sources) == 1 else 1)
    return [
        (
            layer.name,
            Recorded(one, array, _mask(target), _mask(s)),
        )
        for one, array, s in zip(layers, arrays, sources, strict=True)
    ]


def _flat(
    layer: Any, given: dict[str, Any], alignments: Any
) -> np.ndarray | None:
    """Alignments `(batch, target_len, source_len)`.

    None of a `MultiHeadAttention` that looks along some axes only.
    """
    array = np.asarray(keras.ops.convert_to_numpy(alignments), np.float32)
    if not isinstance(layer, keras.layers.MultiHeadAttention):
        return array.reshape(*array.shape[:2], -1)
    # (batch, heads, axes of the query, axes of the key)
    num_axes = len(given["query"].shape) - 2
    if array.ndim != 2 + 2 * num_axes:
        return None
    target_len = math.prod(array.shape[2 : 2 + num_axes])
    return array.mean(axis=1).reshape(len(array), target_len, -1)


def _mask(mask: Any) -> np.ndarray | None:
    if mask is None:
        return None
    array = np.asarray(keras.ops.convert_to_numpy(mask), bool)
    return array.reshape(len(array), -1)


def _target_mask(model: Any, inputs: Any) -> np.ndarray | None:
    """What the target's embedding calls padding, which is for the loss."""
    embedding = getattr(model, "target_embedding", None)
    if embedding is None or not isinstance(inputs, dict):
        return None
    target = keras.ops.convert_to_tensor(inputs["target"])
    return _mask(embedding.compute_mask(target, None))


@contextlib.contextmanager
def _unchanged(model: Any) -> Iterator[None]:
    """Sets back what a call in training changes: it is no training step."""
    before = [
        (variable, keras.ops.convert_to_numpy(variable))
        for variable in model.non_trainable_variables
    ]
    try:
        yield
    finally:
        for variable, value in before:
            variable.assign(value)
