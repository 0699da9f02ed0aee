"""Verification tells a good int8 or int4 file from a damaged one."""

import dataclasses

import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

import keras_attention as ka
from export import verify
from export.errors import ExportError
from export.litert import convert
from export.package import append_package
from export.reference import Reference
from export.signatures import save
from export.token_signatures import TokenSignatures
from export.verify_checks import checks_of
from keras_attention.time_loop import inference_loop
from tests.export import tiny

pytestmark = pytest.mark.slow

TYPES = {"int8": schema.TensorType.INT8, "int4": schema.TensorType.INT4}
UNITS = 64  # large enough for the converter to quantise


@pytest.fixture(scope="module")
def model():
    """Wide, and surer of what it says than random weights are."""
    source, target = (one.vocabulary_size for one in tiny.tokenizers())
    keras.utils.set_random_seed(3)
    made = ka.EncoderDecoder(
        encoder=ka.RecurrentEncoder(UNITS, cell="gru"),
        decoder=ka.AttentionRNN(
            ka.AttentionCell(
                keras.layers.GRUCell(UNITS), ka.AdditiveAttention(UNITS)
            )
        ),
        source_embedding=keras.layers.Embedding(source, UNITS, mask_zero=True),
        target_embedding=keras.layers.Embedding(
            target, UNITS, embeddings_initializer="random_normal"
        ),
        output_layer=keras.layers.Dense(target),
    )
    ids = np.ones((2, 3), "int32")
    made({"source": ids, "target": ids})
    made.set_weights([2.0 * weight for weight in made.get_weights()])
    return made


@pytest.fixture(scope="module", params=TYPES)
def settings(request):
    return dataclasses.replace(tiny.SETTINGS, quantize=request.param)


@pytest.fixture(scope="module")
def saved(model, tmp_path_factory):
    """What is converted, traced once for both types."""
    folder = tmp_path_factory.mktemp("quantized") / "saved_model"
    with inference_loop():
        save(TokenSignatures(model, tiny.SETTINGS), folder)
    return folder


@pytest.fixture(scope="module")
def good(saved, settings):
    """A converted file, without tokenizers and settings."""
    path = saved.with_name(f"{settings.quantize}.tflite")
    convert(saved, path, settings.quantize)
    return path


@pytest.fixture(scope="module")
def reference(model):
    """What the model says, traced once for both types."""
    return Reference(model, *tiny.tokenizers(), tiny.SETTINGS)


@pytest.fixture(scope="module")
def check(model, reference, settings):
    """Verifies a file; what the model says is asked once for all."""
    checks = checks_of("litert", reference, tiny.SENTENCES, settings)

    def run(path):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("export.verify_process.THREADS", (1,))
            patch.setattr("export.reference.Reference", lambda *_: reference)
            patch.setattr(verify, "checks_of", lambda *_: checks)
            return verify.verify(
                "litert", model, path, (None, None), settings, tiny.SENTENCES
            )

    return run


def matrices(content, quantize):
    """Quantised weights of a LiteRT file: tensors by buffer.

    The signatures share a buffer, and each has scales of its own.
    """
    model = schema.Model.GetRootAs(content, 0)
    found = {}
    for graph in map(model.Subgraphs, range(model.SubgraphsLength())):
        for tensor in map(graph.Tensors, range(graph.TensorsLength())):
            data = model.Buffers(tensor.Buffer())
            if data.DataLength() and tensor.Type() == TYPES[quantize]:
                _, tensors = found.setdefault(tensor.Buffer(), (data, []))
                tensors.append(tensor)
    return list(found.values())


def damaged(good, path, settings, damage):
    """Writes an export, its model changed by `damage(matrices)`."""
    content = bytearray(good.read_bytes())
    damage(matrices(content, settings.quantize))  # in place
    path.write_bytes(content)
    models = [one.model for one in tiny.tokenizers()]
    append_package(path, *models, settings)
    return path


def largest(found):
    return max(found, key=lambda one: one[0].DataLength())


def nothing(found):
    assert len(found) > 5


def zeroed(found):
    data, _ = largest(found)
    data.DataAsNumpy()[:] = 0


def flipped(found):
    """Every bit, as of one stored the other way."""
    data, _ = largest(found)
    data.DataAsNumpy()[:] ^= 0xFF


def scales_doubled(found):
    for tensor in largest(found)[1]:
        tensor.Quantization().ScaleAsNumpy()[:] *= 2


def all_scales_off(found):
    for _, tensors in found:
        for tensor in tensors:
            tensor.Quantization().ScaleAsNumpy()[:] *= 0.8


def shifted(found):
    """Rows in each other's places, as of a wrong offset."""
    data, _ = largest(found)
    values = data.DataAsNumpy()
    values[:] = np.roll(values, data.DataLength() // 8)


def test_a_good_file_passes(good, check, settings, tmp_path):
    report = check(damaged(good, tmp_path / "m.tflite", settings, nothing))
    for one in report.agreements:
        assert 0 < one.score_error < one.max_score_error


@pytest.mark.parametrize("damage", [flipped, scales_doubled, shifted])
def test_a_damaged_file_fails(good, check, settings, tmp_path, damage):
    with pytest.raises(ExportError, match="does not answer as its model"):
        check(damaged(good, tmp_path / "m.tflite", settings, damage))


# In this model these change little, and a good int4 file may err as much:
# docs/export_cost.md says so.
@pytest.mark.parametrize("damage", [zeroed, all_scales_off])
@pytest.mark.parametrize("settings", ["int8"], indirect=True)
def test_a_little_damage_fails(good, check, settings, tmp_path, damage):
    with pytest.raises(ExportError, match="does not answer as its model"):
        check(damaged(good, tmp_path / "m.tflite", settings, damage))
