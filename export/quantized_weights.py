"""Whether quantised weights are the rounded ones of the model.

Runs in the converter's process (`export.litert_convert`) only.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

# Half a step, and the last bits of a product in float32.
HALF_STEP = 0.5 * (1 + 1e-4)


def check_rounded(before: Any, after: Any) -> None:
    """Compares all weights of a quantised model with those before.

    A weight may be off by half of its scale, which is what rounding does; one
    that is not quantised must be the same. What a model answers says little of
    that where weights are coarse: another matrix than the right one may still
    give answers within what is allowed to four bits.

    Args:
        before: A `ModelT` of LiteRT's schema, of float32 weights.
        after: The quantised one: the same graphs, with the same tensors first.

    Raises:
        ValueError: If a weight is another one; the tensor is named.
    """
    seen = set()
    for old, new in _pairs(before, after):
        both = (old.buffer, new.buffer)
        content = before.buffers[old.buffer].data
        if content is None or not len(content) or both in seen:
            continue
        seen.add(both)
        expected = np.frombuffer(bytes(content), np.uint8)
        found = np.frombuffer(bytes(after.buffers[new.buffer].data), np.uint8)
        if old.type == new.type:
            wrong = not np.array_equal(expected, found)
        else:
            values, steps = _dequantized(new, found)
            floats = expected.view(np.float32).reshape(values.shape)
            # Not `>`: that is false of NaN.
            wrong = not np.all(np.abs(values - floats) <= HALF_STEP * steps)
        if wrong:
            raise ValueError(
                f"the stored weights of {bytes(new.name or b'').decode()!r} "
                "are not the model's, rounded"
            )


def _pairs(before: Any, after: Any) -> Iterator[tuple[Any, Any]]:
    """Tensors of one model and what became of them in the other."""
    for old, new in zip(before.subgraphs, after.subgraphs, strict=True):
        # What is new stands at the end.
        yield from zip(
            old.tensors, new.tensors[: len(old.tensors)], strict=True
        )


def _dequantized(
    tensor: Any, content: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the values of a tensor of int4 or int8, and their scales."""
    from ai_edge_litert import schema_py_generated as schema

    shape = tuple(tensor.shape)
    size = int(np.prod(shape))
    if tensor.type == schema.TensorType.INT4:
        # Two in a byte, the lower half first, in two's complement.
        halves = np.stack([content & 15, content >> 4], axis=-1).reshape(-1)
        integers = ((halves[:size] ^ 8).astype(np.int8) - 8).reshape(shape)
    elif tensor.type == schema.TensorType.INT8:
        integers = content.view(np.int8).reshape(shape)
    else:
        raise ValueError(f"a weight has the unexpected type {tensor.type}")
    scales = np.asarray(tensor.quantization.scale, np.float32)
    zeros = np.asarray(tensor.quantization.zeroPoint, np.float32)
    if scales.size > 1:
        places = [1] * len(shape)
        places[tensor.quantization.quantizedDimension or 0] = scales.size
        scales, zeros = scales.reshape(places), zeros.reshape(places)
    return (integers - zeros) * scales, scales
