"""Memory and states as tensors with names, for callers who search themselves.

`EncoderDecoder.encode` returns nested structures: a `Memory`, some of whose
fields may be `None`, and a list of states. A signature of a SavedModel or of
a LiteRT file takes and returns nothing but a flat dictionary of tensors. This
module goes both ways, by names that say where a tensor came from:

| in the structure | its name |
|---|---|
| `memory.value`, `memory.keys`, `memory.mask` | `memory_value`, ... |
| `memory.keys[1]`, of several attentions | `memory_keys_1` |
| `states[0]`, `states[1]` | `state_0`, `state_1` |
| a field that is `None` | none: it is left out |

How to use it in two signatures:

```python
like = structure_of(model)  # without running the model

@tf.function(input_signature=[tf.TensorSpec((None, None), tf.int32)])
def encode(source):
    return flatten(*model.encode(source))

@tf.function
def decode_step(tokens, **tensors):
    memory, states = unflatten(tensors, *like)
    logits, states, alignments = model.decode_step(tokens, states, memory)
    return {"logits": logits, **flatten_states(states)}

tokens = tf.TensorSpec((None,), tf.int32, "tokens")
decode_step.get_concrete_function(tokens, **flatten(*like))
```

A step's new states have the names of the states that it takes: a caller's
loop hands them back under the same keys.
"""

from typing import Any

import tensorflow as tf

MEMORY = "memory"
STATE = "state"


def structure_of(model: Any) -> tuple[Any, Any]:
    """What `encode` returns, without running it: traced, not computed.

    Args:
        model: A built encoder-decoder with `encode` and `decode_step`, of a
            source of token ids.

    Returns:
        `(memory, states)` as `encode` returns them, with a named
        `tf.TensorSpec` in place of every tensor; unknown sizes are `None`.
    """
    function = tf.function(
        model.encode,
        autograph=False,
        input_signature=[tf.TensorSpec((None, None), tf.int32)],
    )
    memory, states = function.get_concrete_function().structured_outputs
    specs = {
        # A caller's batch and lengths are free; widths are the model's.
        name: tf.TensorSpec(tensor.shape, tensor.dtype, name)
        for name, tensor in flatten(memory, states).items()
    }
    return unflatten(specs, memory, states)


def flatten(memory: Any, states: Any) -> dict[str, Any]:
    """Names every tensor of memory and states.

    Args:
        memory: As `encode` returns it, or `None`.
        states: As `encode` and `decode_step` return them.

    Returns:
        Names to tensors (or whatever stands in their place), memory first.

    Example:

    >>> flatten(None, [1.0, 2.0])
    {'state_0': 1.0, 'state_1': 2.0}
    """
    return {**flatten_memory(memory), **flatten_states(states)}


def flatten_memory(memory: Any) -> dict[str, Any]:
    """Names every tensor of a memory; see `flatten`."""
    return dict(_named(memory, MEMORY))


def flatten_states(states: Any) -> dict[str, Any]:
    """Names every tensor of the states; see `flatten`."""
    return dict(_named(states, STATE))


def unflatten(
    tensors: dict[str, Any], memory: Any, states: Any
) -> tuple[Any, Any]:
    """Puts named tensors back into the structures that they came from.

    Args:
        tensors: Names to tensors, as `flatten` returns them; others are
            passed over.
        memory: A memory of the same structure, of tensors or of what
            `structure_of` returns; only its structure counts.
        states: Likewise, states.

    Returns:
        `(memory, states)`.

    Raises:
        KeyError: If a tensor is missing.

    Example:

    >>> unflatten({"state_1": 2.0, "state_0": 1.0}, None, [0, 0])
    (None, [1.0, 2.0])
    """
    return _filled(memory, MEMORY, tensors), _filled(states, STATE, tensors)


def _named(nest: Any, name: str) -> list[tuple[str, Any]]:
    """Pairs of name and tensor, depth first."""
    if nest is None:
        return []
    parts = _parts(nest)
    if parts is None:
        return [(name, nest)]
    return [
        pair for key, part in parts for pair in _named(part, f"{name}_{key}")
    ]


def _filled(nest: Any, name: str, tensors: dict[str, Any]) -> Any:
    """A nest like `nest`, its tensors taken by their names."""
    if nest is None:
        return None
    parts = _parts(nest)
    if parts is None:
        return tensors[name]
    filled = [_filled(part, f"{name}_{key}", tensors) for key, part in parts]
    if hasattr(nest, "_fields"):
        return type(nest)(*filled)
    if isinstance(nest, dict):
        return dict(zip(nest, filled, strict=True))
    return type(nest)(filled)


def _parts(nest: Any) -> list[tuple[Any, Any]] | None:
    """Keys and parts of a structure; `None` if it is a tensor."""
    if hasattr(nest, "_fields"):  # a named tuple
        return list(zip(nest._fields, nest, strict=True))
    if isinstance(nest, dict):
        return list(nest.items())
    # Also the lists that TensorFlow wraps; a shape is no structure.
    if isinstance(nest, list | tuple):
        return list(enumerate(nest))
    return None
