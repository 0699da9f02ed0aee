"""`attention_wrapper`: the `AttentionWrapper` of tensorflow-addons."""

from __future__ import annotations

from collections.abc import Mapping

import keras
import numpy as np

from keras_attention import recurrent_cells
from keras_attention.attention_cell import AttentionCell
from keras_attention.attention_vectors import ConcatenatedVectors, ContextVector
from keras_attention.base_attention import BaseAttention
from keras_attention.migrate.arrays import check_shape
from keras_attention.migrate.mechanisms import memory_dim, query_dim

OWNER = "AttentionWrapper"


def attention_wrapper(
    weights,
    cell,
    attention_mechanism,
    attention_layer_size=None,
    cell_input_fn=None,
    output_attention=True,
    attention_layer=None,
    **kwargs,
):
    """Returns `tfa.seq2seq.AttentionWrapper` as an `AttentionCell`.

    It attends after the cell's step and feeds the attention back, whatever
    `output_attention` says: `attend="after", input_feeding=True`. What is not
    built yet gets its weights here; what is keeps its own.

    Args:
        weights: `_attention_layers/0/kernel` and so on, then `_cell/kernel`,
            `_cell/recurrent_kernel` and `_cell/bias`, of a stack
            `_cell/cells/0/kernel` and so on: a dictionary by these names, or
            a list in this order, that of `get_weights()`. What belongs to the
            mechanisms may be there, and is not read.
        cell: a Keras RNN cell with the arguments of the old one, or a list of
            such.
        attention_mechanism: what the other functions of this package
            returned, or a list of such.
        attention_layer_size: as it was given to tensorflow-addons: an
            integer, for a list of mechanisms a list, or `None`.
        cell_input_fn: a function `(inputs, attention) -> cell inputs` in
            `keras.ops`, registered for saving; `None` concatenates the two.
        output_attention: as it was given to tensorflow-addons.
        attention_layer: a Keras layer with the arguments of the old one, for
            a list of mechanisms a list, or `None`.
        **kwargs: as in `keras.layers.Layer` (`name`, `dtype`, ...).

    Returns:
        An `AttentionCell` with these weights, built; with a `cell_input_fn`
        all its parts are, and itself at its first call.

    Raises:
        ValueError: on weights that are missing, left over or of other
            shapes, and on parts that do not fit each other.

    Example:

    >>> import numpy as np
    >>> attention = keras_attention.migrate.luong_attention([np.ones((11, 7))])
    >>> cell = attention_wrapper(
    ...     {
    ...         "_attention_layers/0/kernel": np.ones((18, 13)),
    ...         "_cell/kernel": np.ones((16, 28)),
    ...         "_cell/recurrent_kernel": np.ones((7, 28)),
    ...         "_cell/bias": np.ones(28),
    ...     },
    ...     keras.layers.LSTMCell(7),
    ...     attention,
    ...     attention_layer_size=13,
    ... )
    >>> layer = keras_attention.AttentionRNN(cell)
    >>> layer(ops.ones((2, 5, 3)), memory=ops.ones((2, 5, 11))).shape
    TensorShape([2, 5, 13])
    """
    if isinstance(cell, (list, tuple)):
        cell = keras.layers.StackedRNNCells(list(cell))
    several = isinstance(attention_mechanism, (list, tuple))
    attentions = _listed(attention_mechanism)
    for one in attentions:
        if not isinstance(one, BaseAttention) or not one.built:
            raise ValueError(
                "`attention_mechanism` must be a layer that a function of "
                "keras_attention.migrate made, or a list of such. Received: "
                f"attention_mechanism={attention_mechanism!r}."
            )
    hidden_size = recurrent_cells.output_dim(recurrent_cells.cells_of(cell)[-1])
    _check_widths(attentions, hidden_size)
    layers = _attention_layers(
        attention_layer_size,
        attention_layer,
        len(attentions),
        several,
        kwargs.get("dtype"),
    )
    memory_dims = [memory_dim(one) for one in attentions]
    source = _Source(weights)
    for index, (layer, dim) in enumerate(
        zip(layers, memory_dims, strict=False)
    ):
        if not layer.built:
            layer.build((None, hidden_size + dim))
            source.fill(layer, f"_attention_layers/{index}")
    _fill_cells(source, cell)
    source.check_rest()
    units = ContextVector(hidden_size, dtype=kwargs.get("dtype"))
    if layers:
        units = layers[0]
    if layers and several:
        units = ConcatenatedVectors(
            layers, hidden_size, memory_dims, dtype=kwargs.get("dtype")
        )
    wrapper = AttentionCell(
        cell,
        list(attentions) if several else attentions[0],
        attend="after",
        input_feeding=True,
        units=units,
        output_attention=output_attention,
        cell_input_fn=cell_input_fn,
        **kwargs,
    )
    # Else only the first inputs say how wide they are.
    if cell_input_fn is None and hasattr(wrapper.cells[0], "kernel"):
        _build(wrapper, units, hidden_size, memory_dims, several)
    return wrapper


class _Source:
    """Weights that are read one after the other, by name or in order."""

    def __init__(self, weights):
        self.by_name = isinstance(weights, Mapping)
        self.weights = dict(weights) if self.by_name else list(weights)

    def see(self, name):
        """Returns a weight and leaves it there."""
        if self.by_name and name not in self.weights:
            raise ValueError(
                f"`{name}` of {OWNER} is missing. Received: "
                f"{sorted(self.weights)}. In a checkpoint of a whole model, "
                "checkpoint_weights(reader, prefix) finds the wrapper's own; "
                "a part that is saved elsewhere can be given built, with its "
                "weights set."
            )
        if not self.weights:
            raise ValueError(
                f"There are too few weights: `{name}` of {OWNER} is missing."
            )
        return np.asarray(self.weights[name if self.by_name else 0])

    def fill(self, layer, prefix):
        """Sets all weights of a built layer."""
        for weight in layer.weights:
            name = f"{prefix}/{weight.name}"
            array = self.see(name)
            check_shape(name, array, tuple(weight.shape), OWNER)
            weight.assign(array)
            del self.weights[name if self.by_name else 0]

    def check_rest(self):
        """Raises a ValueError if something was not read."""
        if not self.by_name:
            return  # the mechanisms' weights
        rest = [
            name
            for name in self.weights
            if name.startswith(("_attention_layers/", "_cell/"))
        ]
        if rest:
            raise ValueError(
                f"{OWNER} has more weights than its parts: {rest}. Give the "
                "cell, `attention_layer_size` or `attention_layer` the "
                "arguments that they had; a part given built keeps its "
                "weights, so leave them out."
            )


def _listed(given):
    if given is None:
        return []
    return list(given) if isinstance(given, (list, tuple)) else [given]


def _check_widths(attentions, hidden_size):
    for number, attention in enumerate(attentions):
        if query_dim(attention) != hidden_size:
            raise ValueError(
                f"Mechanism {number} expects a query of width "
                f"{query_dim(attention)}, but the cell puts out {hidden_size}."
            )


def _attention_layers(sizes, layers, number, several, dtype):
    """Returns a list of layers: one for each mechanism, or none."""
    if sizes is not None and layers is not None:
        raise ValueError(
            "Give `attention_layer_size` or `attention_layer`, not both. "
            f"Received: {sizes!r} and {layers!r}."
        )
    given = layers if sizes is None else sizes
    if given is None:
        return []
    if isinstance(given, (list, tuple)) != several or (
        len(_listed(given)) != number
    ):
        raise ValueError(
            "There must be one attention layer for each mechanism, in a list "
            "if the mechanisms are in a list. Received: "
            f"{given!r} for {number} mechanisms."
        )
    if sizes is None:
        return _listed(layers)
    # No tanh: tensorflow-addons has none here.
    return [
        keras.layers.Dense(size, use_bias=False, dtype=dtype)
        for size in _listed(sizes)
    ]


def _fill_cells(source, cell):
    stacked = isinstance(cell, keras.layers.StackedRNNCells)
    for index, one in enumerate(recurrent_cells.cells_of(cell)):
        if not one.built:
            prefix = f"_cell/cells/{index}" if stacked else "_cell"
            # Its rows say how wide the inputs are.
            kernel = source.see(f"{prefix}/kernel")
            one.build((None, kernel.shape[0]))
            source.fill(one, prefix)


def _build(wrapper, units, hidden_size, memory_dims, several):
    joined = (None, hidden_size + sum(memory_dims))
    fed_dim = units.compute_output_shape(joined)[-1]
    rows = wrapper.cells[0].kernel.shape[0]
    if rows <= fed_dim:
        raise ValueError(
            f"`_cell/kernel` of {OWNER} has {rows} rows, and {fed_dim} of them "
            "are for the attention that is fed back: none is left for the "
            "inputs. Is the attention layer the one that the model had, and "
            "had the model no `cell_input_fn`?"
        )
    shapes = [(None, None, dim) for dim in memory_dims]
    wrapper.build((None, rows - fed_dim), shapes if several else shapes[0])
