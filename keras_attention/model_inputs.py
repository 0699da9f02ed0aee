"""What an `EncoderDecoder` is called on, checked."""

from __future__ import annotations


def check_inputs(inputs):
    """Raises a ValueError unless there are a source and a target by name."""
    known = {"source", "target", "source_mask"}
    names = set(inputs) if isinstance(inputs, dict) else set()
    if not {"source", "target"} <= names or names - known:
        given = sorted(names) if names else type(inputs).__name__
        raise ValueError(
            'EncoderDecoder must be called on a dictionary {"source": ..., '
            '"target": ...}, and "source_mask" if there is one; the target is '
            f"the decoder's input. Received: {given}."
        )


def known_shape(shape):
    """Returns a shape that can be saved: where JAX traces, sizes are not."""
    return tuple(size if isinstance(size, int) else None for size in shape)
