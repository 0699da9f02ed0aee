"""Gradients on whichever backend Keras runs on."""

import keras
import numpy as np

from tests.backends import BACKEND
from tests.tensors import numpy


def gradients(function, tensors=(), weights=(), upstream=None):
    """Differentiates `sum(upstream * function(*tensors))`.

    Args:
        function: takes the tensors, returns a tensor; or a tensor and further
            tensors that come along.
        tensors: arrays or tensors. Integers have no gradient.
        weights: variables of Keras.
        upstream: array of the shape of the outputs, or `None`: ones.

    Returns:
        `(outputs, by_tensor, by_weight)`: what the function returned, and two
        lists of gradients as float64 arrays. `None` where there is no way to
        the outputs (on JAX: zeros), and for integers.
    """
    tensors = [keras.ops.convert_to_tensor(one) for one in tensors]
    floats = [is_float(one) for one in tensors]
    kept = {}

    def loss(*arguments):
        kept["outputs"] = function(*arguments)
        outputs = kept["outputs"]
        if isinstance(outputs, (list, tuple)):
            outputs = outputs[0]
        dtype = keras.backend.result_type(outputs.dtype, "float32")
        outputs = keras.ops.cast(outputs, dtype)
        if upstream is not None:
            outputs = outputs * keras.ops.convert_to_tensor(upstream, dtype)
        return keras.ops.sum(outputs), kept["outputs"]

    run = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}[BACKEND]
    outputs, found = run(loss, tensors, floats, list(weights))
    found = [None if one is None else numpy(one) for one in found]
    by_float = iter(found[: sum(floats)])
    by_tensor = [next(by_float) if one else None for one in floats]
    return outputs, by_tensor, found[sum(floats) :]


def is_float(tensor):
    """Whether a tensor has a gradient."""
    return "float" in keras.backend.standardize_dtype(tensor.dtype)


def _tensorflow(loss, tensors, floats, weights):
    import tensorflow as tf

    sources = [one for one, own in zip(tensors, floats, strict=True) if own]
    with tf.GradientTape() as tape:
        tape.watch(sources)
        value, outputs = loss(*tensors)
    found = tape.gradient(value, [*sources, *(one.value for one in weights)])
    # Those of embeddings are sparse.
    return outputs, [
        None if one is None else tf.convert_to_tensor(one) for one in found
    ]


def _jax(loss, tensors, floats, weights):
    import jax

    def of_all(sources, values):
        sources = iter(sources)
        arguments = [
            next(sources) if own else one
            for one, own in zip(tensors, floats, strict=True)
        ]
        pairs = list(zip(weights, values, strict=True))
        with keras.StatelessScope(state_mapping=pairs):
            return loss(*arguments)

    sources = [one for one, own in zip(tensors, floats, strict=True) if own]
    values = [one.value for one in weights]
    found, outputs = jax.jit(jax.grad(of_all, argnums=(0, 1), has_aux=True))(
        sources, values
    )
    return outputs, [*found[0], *found[1]]


def _torch(loss, tensors, floats, weights):
    import torch

    tensors = [
        one.detach().clone().requires_grad_() if own else one
        for one, own in zip(tensors, floats, strict=True)
    ]
    value, outputs = loss(*tensors)
    sources = [one for one, own in zip(tensors, floats, strict=True) if own]
    sources += [one.value for one in weights]
    return outputs, torch.autograd.grad(value, sources, allow_unused=True)


def assert_finite(named):
    """Raises unless every gradient of a dictionary is there and finite."""
    for name, gradient in named.items():
        assert gradient is not None, name
        assert np.isfinite(gradient).all(), name
