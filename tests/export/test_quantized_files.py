"""Verification tells a good int8 file from one that was damaged."""

import dataclasses

import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

import keras_attention as ka
from export import verify
from export.errors import ExportError
from export.litert import LiteRTExporter
from export.package import append_package
from export.reference import Reference
from export.verify_checks import checks_of
from tests.export import tiny

pytestmark = pytest.mark.slow

SETTINGS = dataclasses.replace(tiny.SETTINGS, quantize="int8")
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


@pytest.fixture(scope="module")
def good(model, tmp_path_factory):
    source, target = tiny.tokenizers()
    return LiteRTExporter().export(
        model,
        tmp_path_factory.mktemp("int8") / "m.tflite",
        source_tokenizer=source,
        target_tokenizer=target,
        settings=SETTINGS,
    )


@pytest.fixture(scope="module")
def check(model):
    """Verifies a file; what the model says is asked once for all."""
    reference = Reference(model, *tiny.tokenizers(), SETTINGS)
    checks = checks_of("litert", reference, tiny.SENTENCES, SETTINGS)

    def run(path):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("export.verify_process.THREADS", (1,))
            patch.setattr("export.reference.Reference", lambda *_: reference)
            patch.setattr(verify, "checks_of", lambda *_: checks)
            return verify.verify(
                "litert", model, path, (None, None), SETTINGS, tiny.SENTENCES
            )

    return run


def matrices(content):
    """Quantised weights of a LiteRT file: tensors by buffer.

    The signatures share a buffer, and each has scales of its own.
    """
    model = schema.Model.GetRootAs(content, 0)
    found = {}
    for graph in map(model.Subgraphs, range(model.SubgraphsLength())):
        for tensor in map(graph.Tensors, range(graph.TensorsLength())):
            data = model.Buffers(tensor.Buffer())
            if data.DataLength() and tensor.Type() == schema.TensorType.INT8:
                _, tensors = found.setdefault(tensor.Buffer(), (data, []))
                tensors.append(tensor)
    return list(found.values())


def damaged(good, path, damage):
    """Writes the file anew, its model changed by `damage(matrices)`."""
    content = bytearray(good.read_bytes())
    content = content[: content.index(b"PK\x03\x04")]
    damage(matrices(content))  # in place
    path.write_bytes(content)
    models = [one.model for one in tiny.tokenizers()]
    append_package(path, *models, SETTINGS)
    return path


def largest(found):
    return max(found, key=lambda one: one[0].DataLength())


def nothing(found):
    assert len(found) > 5


def zeroed(found):
    data, _ = largest(found)
    data.DataAsNumpy()[:] = 0


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
    values[:] = np.roll(values, UNITS)


def test_a_good_file_passes(good, check, tmp_path):
    report = check(damaged(good, tmp_path / "m.tflite", nothing))
    for one in report.agreements:
        assert 0 < one.score_error < one.max_score_error


@pytest.mark.parametrize(
    "damage", [zeroed, scales_doubled, all_scales_off, shifted]
)
def test_a_damaged_file_fails(good, check, tmp_path, damage):
    with pytest.raises(ExportError, match="does not answer as its model"):
        check(damaged(good, tmp_path / "m.tflite", damage))
