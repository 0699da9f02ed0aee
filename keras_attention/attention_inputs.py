"""What an attention layer is called on: taken apart and checked."""

from __future__ import annotations

import inspect

from keras import ops

from keras_attention.registry import is_number

SCALES = (
    "Leave it out. The scale v_a of additive scores is always learned here; "
    "of dot products, score='scaled_dot' divides by sqrt(dim) and "
    "score='general' learns a whole matrix."
)
# What `keras.layers.Attention` has and no layer here.
KERAS_ARGUMENTS = {
    "use_scale": SCALES,
    "score_mode": "Write LuongAttention(score='dot') or "
    "LuongAttention(score='concat').",
}


def refuse_keras_arguments(layer, score, arguments):
    """Raises a ValueError for arguments of `keras.layers.Attention` alone.

    Args:
        layer: the layer's name, for errors.
        score: the first argument, where Keras has `use_scale`.
        arguments: dictionary of those that no layer here has.
    """
    if isinstance(score, bool):
        raise ValueError(
            f"`score` must be a name or a Score. Received: score={score}. If "
            f"you meant `use_scale` of keras.layers.Attention: {SCALES}"
        )
    for name, remedy in KERAS_ARGUMENTS.items():
        if name in arguments:
            raise ValueError(
                f"`{name}` is an argument of keras.layers.Attention that "
                f"{layer} does not have. Received: "
                f"{name}={arguments[name]!r}. {remedy}"
            )


def check_dropout(dropout):
    """Raises a ValueError if `dropout` is no share."""
    if not is_number(dropout) or not 0 <= dropout < 1:
        raise ValueError(
            "`dropout` must be a number in [0, 1), 0 for none. Received: "
            f"dropout={dropout!r}."
        )


def split_inputs(layer, inputs, are_shapes=False):
    """Returns `(query, value, key)` of `[query, value]` or with a key.

    Args:
        layer: the layer's name, for errors.
        inputs: list or tuple of two or three tensors, or of their shapes.
        are_shapes: whether they are shapes.

    Raises:
        ValueError: if there are not two or three, if one has the wrong rank,
            or if they do not fit each other.
    """
    is_list = isinstance(inputs, (list, tuple))
    if is_list and are_shapes:
        is_list = all(isinstance(one, (list, tuple)) for one in inputs)
    if not is_list or len(inputs) not in (2, 3):
        raise ValueError(
            f"{layer} must be called on a list `[query, value]` or `[query, "
            f"value, key]`. Received: {inputs}."
        )
    query, value, *rest = inputs
    key = rest[0] if rest else value
    named = {"query": query, "value": value, "key": key}
    shapes = {
        name: tuple(one if are_shapes else one.shape)
        for name, one in named.items()
    }
    if len(shapes["query"]) != 3:
        raise ValueError(
            f"{layer} expects a query of rank 3, (batch, target_len, dim). "
            f"Received: query of shape {shapes['query']}. One query per "
            "example becomes a sequence of one by "
            "`keras.ops.expand_dims(query, 1)`."
        )
    for name in ("value", "key"):
        if len(shapes[name]) not in (3, 4):
            raise ValueError(
                f"{layer} expects a {name} of rank 3, (batch, source_len, "
                "dim), or 4, (batch, height, width, channels). Received: "
                f"{name} of shape {shapes[name]}."
            )
    if not agree(shapes["value"][1:-1], shapes["key"][1:-1]):
        raise ValueError(
            "Value and key must have as many positions as each other. "
            f"Received: value of shape {shapes['value']}, key of shape "
            f"{shapes['key']}."
        )
    for name in ("value", "key"):
        if not agree(shapes["query"][:1], shapes[name][:1]):
            raise ValueError(
                f"Query and {name} must have the same batch size. Received: "
                f"query of shape {shapes['query']}, {name} of shape "
                f"{shapes[name]}."
            )
    return query, value, key


def check_mask(layer, mask, query, value):
    """Returns `(query_mask, value_mask)` as booleans, `None` where none is.

    Args:
        layer: the layer's name, for errors.
        mask: `None` or a list of two or three masks or `None`s; of three, the
            key's is left alone, as in Keras.
        query, value: what they belong to.

    Raises:
        ValueError: if it is no such list or a mask does not fit its tensor.
    """
    if mask is None:
        return None, None
    if not isinstance(mask, (list, tuple)) or len(mask) not in (2, 3):
        raise ValueError(
            f"The mask of {layer} must be a list `[query_mask, value_mask]`, "
            f"either of which may be None. Received: mask={mask}."
        )
    masks = []
    for name, one, tensor in zip(
        ("query", "value"), mask[:2], (query, value), strict=True
    ):
        if one is not None:
            one = one if hasattr(one, "shape") else ops.convert_to_tensor(one)
            if not agree(tuple(one.shape), tuple(tensor.shape[:-1])):
                raise ValueError(
                    f"The {name} mask of {layer} must have the shape of the "
                    f"{name} without its last axis, {tuple(tensor.shape[:-1])}"
                    f". Received: a mask of shape {tuple(one.shape)}."
                )
            one = ops.cast(one, "bool")
        masks.append(one)
    return tuple(masks)


def takes_mask(layer):
    """Whether the `call` of a layer or a model has an argument `mask`."""
    parameters = inspect.signature(layer.call).parameters.values()
    return any(
        one.name == "mask" or one.kind is inspect.Parameter.VAR_KEYWORD
        for one in parameters
    )


def grid_of(value):
    """Returns `(height, width)` of a grid `(batch, height, width, channels)`.

    Of a sequence, `None`.
    """
    if len(value.shape) == 3:
        return None
    return ops.shape(value)[1], ops.shape(value)[2]


def agree(shape, other):
    """Whether two shapes may be the same, as far as they are known."""
    return len(shape) == len(other) and all(
        # A backend that traces may have a kind of its own for unknown sizes.
        not all(isinstance(one, int) for one in pair) or pair[0] == pair[1]
        for pair in zip(shape, other, strict=True)
    )
