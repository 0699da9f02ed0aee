"""The weights of an int4 file are the model's, rounded: all of them."""

import numpy as np
import pytest
import tensorflow as tf

from export.litert_convert import convert
from export.quantized_weights import check_rounded

flatbuffer_utils = pytest.importorskip("ai_edge_litert.tools.flatbuffer_utils")
pytest.importorskip("ai_edge_quantizer")

WIDTH = 64
ROWS = 100


class Lookup(tf.Module):
    """A table, looked up in and then multiplied."""

    def __init__(self):
        random = np.random.default_rng(1)
        shapes = ((ROWS, WIDTH), (WIDTH, 2 * WIDTH), (2 * WIDTH,))
        self.weights = [
            tf.Variable(random.normal(size=shape).astype("float32"))
            for shape in shapes
        ]

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int32)])
    def __call__(self, ids):
        table, kernel, bias = self.weights
        return tf.matmul(tf.gather(table, ids), kernel) + bias


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """The bytes of a model of float32, and of the same in int4."""
    from export.quantize_int4 import quantize_int4

    path = str(tmp_path_factory.mktemp("models") / "saved_model")
    tf.saved_model.save(Lookup(), path)
    content = convert(path, "int4")
    return content, quantize_int4(content)


def read(content):
    return flatbuffer_utils.read_model_from_bytearray(bytearray(content))


def types_and_buffers(model):
    """Those of the weights, by the type's name."""
    from ai_edge_litert import schema_py_generated as schema

    names = {
        value: name
        for name, value in vars(schema.TensorType).items()
        if isinstance(value, int)
    }
    return {
        names[tensor.type]: tensor.buffer
        for tensor in model.subgraphs[0].tensors
        if model.buffers[tensor.buffer].data is not None
        and len(model.buffers[tensor.buffer].data) >= WIDTH
    }


def zeroed(data):
    data[:] = 0


def a_bit_flipped(data):
    data[len(data) // 3] ^= 16


@pytest.mark.parametrize("damage", [zeroed, a_bit_flipped])
@pytest.mark.parametrize("kind", ["INT4", "INT8", "FLOAT32"])
def test_another_weight_is_told(models, kind, damage):
    before, after = map(read, models)
    check_rounded(before, after)
    buffer = after.buffers[types_and_buffers(after)[kind]]
    buffer.data = np.array(buffer.data, copy=True)
    damage(buffer.data)
    with pytest.raises(ValueError, match="are not the model's, rounded"):
        check_rounded(before, after)


@pytest.mark.parametrize("factor", [0.98, 1.02, np.nan])
def test_another_scale_is_told(models, factor):
    before, after = map(read, models)
    for tensor in after.subgraphs[0].tensors:
        scales = tensor.quantization and tensor.quantization.scale
        if scales is not None and len(scales) > 1:
            tensor.quantization.scale = factor * np.asarray(scales)
    with pytest.raises(ValueError, match="are not the model's, rounded"):
        check_rounded(before, after)


def test_another_model_is_told(models):
    before, after = read(models[0]), read(models[1])
    for buffer in before.buffers:
        if buffer.data is not None and len(buffer.data) >= WIDTH:
            values = np.array(buffer.data, copy=True).view(np.float32)
            buffer.data = (1.01 * values).astype(np.float32).view(np.uint8)
    with pytest.raises(ValueError, match="are not the model's, rounded"):
        check_rounded(before, after)


def test_a_runtime_reads_the_same_weights(models):
    interpreter = pytest.importorskip("ai_edge_litert.interpreter")
    answers = []
    for content in models:
        runner = interpreter.Interpreter(
            model_content=content
        ).get_signature_runner()
        (answer,) = runner(ids=np.arange(ROWS, dtype="int32")).values()
        answers.append(answer)
    spread = np.abs(answers[0]).max()
    assert 0 < np.abs(answers[0] - answers[1]).max() < 0.3 * spread
