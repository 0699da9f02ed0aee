"""int4 weights, by ai-edge-quantizer; and int8 embeddings, which it leaves.

Runs in the converter's process (`export.litert_convert`) only.
"""

import pathlib
import tempfile
from typing import Any

import numpy as np

from export.quantized_weights import check_rounded

MIN_ELEMENTS = 1024  # smaller tables stay as they are: nothing is saved


def quantize_int4(content: bytes) -> bytes:
    """Stores the weights of a float32 model in four bits, tables in eight.

    Matrices of fully connected layers get int4 weights with a scale for each
    output; they are multiplied as they are, by inputs that are rounded to
    int8 at run time. A table that is only looked up in (an embedding) gets
    int8 weights with one scale.

    Args:
        content: A LiteRT model of float32 weights.

    Returns:
        The quantised model.

    Raises:
        ValueError: If a stored weight is not the model's, rounded.
    """
    from ai_edge_litert.tools import flatbuffer_utils
    from ai_edge_quantizer import quantizer, recipe

    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "float32.tflite")
        path.write_bytes(content)
        made = quantizer.Quantizer(str(path))
        made.load_quantization_recipe(recipe.dynamic_wi4_afp32())
        quantized = made.quantize().quantized_model
    model = flatbuffer_utils.read_model_from_bytearray(bytes(quantized))
    quantize_tables(model)
    check_rounded(
        flatbuffer_utils.read_model_from_bytearray(bytearray(content)), model
    )
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def quantize_tables(model: Any) -> None:
    """Turns `GATHER` from a float32 table into `GATHER`, `DEQUANTIZE`.

    The table becomes int8, with one scale: what TensorFlow's converter does
    for int8 too. Changes the model in place.

    Args:
        model: A `ModelT` of LiteRT's schema.
    """
    from ai_edge_litert import schema_py_generated as schema

    codes = [
        max(code.builtinCode, code.deprecatedBuiltinCode)
        for code in model.operatorCodes
    ]
    lookups = []  # subgraph, operator
    others = set()  # buffers that something else reads
    for graph in model.subgraphs:
        for operator in graph.operators:
            read = [i for i in operator.inputs if i >= 0]
            if codes[operator.opcodeIndex] == schema.BuiltinOperator.GATHER:
                lookups.append((graph, operator))
                read = read[1:]
            others |= {graph.tensors[i].buffer for i in read}
    scales: dict[int, float] = {}
    dequantize = None
    for graph, operator in lookups:
        table = graph.tensors[operator.inputs[0]]
        if table.buffer in others:
            continue
        if table.buffer not in scales:
            content = model.buffers[table.buffer].data
            is_float = table.type == schema.TensorType.FLOAT32
            if content is None or not is_float or len(table.shape) != 2:
                continue
            values = np.frombuffer(bytes(content), np.float32)
            if values.size < MIN_ELEMENTS or not np.isfinite(values).all():
                continue
            scale = float(np.max(np.abs(values))) / 127.0 or 1.0
            small = np.round(values / scale).astype(np.int8)
            model.buffers[table.buffer].data = small.view(np.uint8)
            scales[table.buffer] = scale
        if dequantize is None:
            dequantize = len(model.operatorCodes)
            model.operatorCodes.append(_dequantize_code(schema))
        code = model.operatorCodes[operator.opcodeIndex]
        code.version = max(code.version, 2)  # the first that knows int8
        scale = scales[table.buffer]
        table.type = schema.TensorType.INT8
        table.quantization = _quantization(schema, scale)
        _dequantize_after(schema, graph, operator, scale, dequantize)


def _dequantize_after(
    schema: Any, graph: Any, operator: Any, scale: float, opcode: int
) -> None:
    """Lets an operator give int8, and `DEQUANTIZE` what it gave before."""
    (given,) = operator.outputs
    before = graph.tensors[given]
    small = schema.TensorT()
    small.name = bytes(before.name or b"") + b"_int8"
    small.shape = before.shape
    small.shapeSignature = before.shapeSignature
    small.hasRank = before.hasRank
    small.type = schema.TensorType.INT8
    small.quantization = _quantization(schema, scale)
    graph.tensors.append(small)
    operator.outputs = [len(graph.tensors) - 1]
    after = schema.OperatorT()
    after.opcodeIndex = opcode
    after.inputs = operator.outputs
    after.outputs = [given]
    place = next(i for i, o in enumerate(graph.operators) if o is operator)
    graph.operators.insert(place + 1, after)


def _dequantize_code(schema: Any) -> Any:
    code = schema.OperatorCodeT()
    code.builtinCode = schema.BuiltinOperator.DEQUANTIZE
    code.deprecatedBuiltinCode = schema.BuiltinOperator.DEQUANTIZE
    code.version = 2
    return code


def _quantization(schema: Any, scale: float) -> Any:
    quantization = schema.QuantizationParametersT()
    quantization.scale = [scale]
    quantization.zeroPoint = [0]
    return quantization
