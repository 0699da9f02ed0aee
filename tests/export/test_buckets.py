"""The LiteRT file of fixed sizes: like the model, whatever the bucket."""

import pathlib

import numpy as np
import pytest

from export import buckets
from export.bucket_runner import BucketRunner, buckets_of
from export.bucket_signatures import longest_answer
from export.buckets import LiteRTBucketsExporter, fitting_buckets
from export.errors import ExportError
from export.exporters import get
from export.operators import operators
from export.reference import Reference
from export.runtime import Translator
from export.settings import ExportSettings
from export.signatures import output_limits
from tests.export import tiny

KIND = "lstm_additive_before"
BUCKETS = (7, 64)  # the last one is cut to the settings' 13
SENTENCES = [
    *tiny.SENTENCES,
    "le chat dort " * 9,  # longer than any bucket
]


def export(path):
    source, target = tiny.tokenizers()
    return LiteRTBucketsExporter(BUCKETS).export(
        tiny.model(**tiny.MODELS[KIND]),
        path,
        source_tokenizer=source,
        target_tokenizer=target,
        settings=tiny.SETTINGS,
    )


def expected():
    model = tiny.model(**tiny.MODELS[KIND])
    return Reference(model, *tiny.tokenizers(), tiny.SETTINGS)


def assert_same(translation, answer):
    assert translation.text == answer.text
    np.testing.assert_array_equal(translation.tokens, answer.tokens)
    np.testing.assert_allclose(translation.score, answer.score, atol=1e-4)
    if answer.alignments is None:
        assert translation.alignments is None
    else:
        shape = (len(answer.tokens), len(translation.pieces_source))
        assert translation.alignments.shape == shape
        np.testing.assert_allclose(
            translation.alignments, answer.alignments, atol=1e-5
        )


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return export(tmp_path_factory.mktemp("buckets") / "m.tflite")


@pytest.fixture(scope="module")
def interpreter(file):
    from ai_edge_litert.interpreter import Interpreter

    return Interpreter(model_path=str(file))


@pytest.mark.slow
def test_answers_as_the_model_does(file):
    """Each sentence in the smallest bucket, all buckets in use."""
    translator = Translator(file)
    lengths = {
        len(one.pieces_source) for one in translator.translate(SENTENCES)
    }
    assert {0, 13} < lengths and any(0 < n <= 7 for n in lengths)
    reference = expected()
    for size in (1, 4):
        found = translator.translate(SENTENCES, size)
        for one, [answer] in zip(
            found, reference.greedy(SENTENCES, 3), strict=True
        ):
            assert_same(one, answer)
    found = translator.nbest(SENTENCES)
    for several, answers in zip(
        found, reference.beam(SENTENCES, 3), strict=True
    ):
        assert len(several) == len(answers)
        for one, answer in zip(several, answers, strict=True):
            assert_same(one, answer)


@pytest.mark.slow
def test_padding_to_a_bucket_changes_nothing(interpreter):
    """One sentence in every bucket: the same, and beyond it nothing."""
    source = np.array([[5, 7, 9, 2]], np.int32)
    for search in ("greedy", "beam"):
        answers = []
        for bucket in (7, 13):
            runner = interpreter.get_signature_runner(f"{search}_{bucket}")
            padded = np.zeros((1, bucket), np.int32)
            padded[:, :4] = source
            first, again = runner(source=padded), runner(source=padded)
            width = longest_answer(bucket, tiny.SETTINGS)
            assert first["tokens"].shape[-1] == width
            assert first["alignments"].shape[-2:] == (width, bucket)
            for name, array in first.items():
                np.testing.assert_array_equal(array, again[name])
            assert not first["alignments"][..., 4:].any()
            answers.append(first)
        # 1.5 * 4 + 2 tokens: what all buckets allow a source of 4.
        for name in ("lengths", "scores"):
            for other in answers[1:]:
                np.testing.assert_allclose(
                    other[name], answers[0][name], atol=1e-5
                )
        for other in answers[1:]:
            np.testing.assert_array_equal(
                other["tokens"][..., :8], answers[0]["tokens"][..., :8]
            )
            assert not other["tokens"][..., 8:].any()
            np.testing.assert_allclose(
                other["alignments"][..., :8, :4],
                answers[0]["alignments"][..., :8, :4],
                atol=1e-6,
            )


@pytest.mark.slow
def test_the_signatures_are_as_documented(interpreter, file):
    beams = tiny.SETTINGS.beam_size
    names = {
        f"{search}_{bucket}"
        for search in ("greedy", "beam")
        for bucket in (7, 13)
    }
    assert set(interpreter.get_signature_list()) == names
    for bucket, width in {7: 11, 13: 11}.items():
        for search, several in {"greedy": (), "beam": (beams,)}.items():
            runner = interpreter.get_signature_runner(f"{search}_{bucket}")
            found = {
                name: (tuple(details["shape"]), details["dtype"])
                for name, details in runner.get_output_details().items()
            }
            assert found == {
                "tokens": ((1, *several, width), np.int32),
                "lengths": ((1, *several), np.int32),
                "scores": ((1, *several), np.float32),
                "alignments": ((1, *several, width, bucket), np.float32),
            }
            [details] = runner.get_input_details().values()
            assert tuple(details["shape"]) == (1, bucket)
            assert details["dtype"] == np.int32
    assert "WHILE" in operators(file)


@pytest.mark.slow
def test_weights_are_stored_once(file):
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAs(file.read_bytes(), 0)
    buffers = [
        model.Buffers(index).DataAsNumpy().tobytes()
        for index in range(model.BuffersLength())
        if model.Buffers(index).DataLength() >= 1000
    ]
    embedding = tiny.model(**tiny.MODELS[KIND]).source_embedding.embeddings
    assert buffers.count(embedding.numpy().tobytes()) == 1
    assert len(set(buffers)) == len(buffers)


@pytest.mark.slow
def test_compiled_model_runs_it(file, interpreter):
    """The runtime that takes no free sizes; what it says is on the screen."""
    from ai_edge_litert.compiled_model import CompiledModel

    model = CompiledModel.from_file(str(file))
    source = np.zeros((1, 7), np.int32)
    source[0, :4] = [5, 7, 9, 2]
    for search in ("greedy", "beam"):
        name = f"{search}_7"
        runner = interpreter.get_signature_runner(name)
        details = runner.get_output_details()
        answer = runner(source=source)
        index = model.get_signature_index(name)
        inputs = model.create_input_buffers(index)
        outputs = model.create_output_buffers(index)
        for _ in range(2):
            inputs[0].write(source)
            model.run_by_index(index, inputs, outputs)
            names = model.get_signature_list()[name]["outputs"]
            assert set(names) == set(details)
            for key, output in zip(names, outputs, strict=True):
                dtype, shape = details[key]["dtype"], details[key]["shape"]
                found = output.read(int(np.prod(shape)), dtype)
                np.testing.assert_allclose(
                    np.reshape(found, shape), answer[key], atol=1e-5
                )


@pytest.mark.slow
def test_a_source_that_fits_no_bucket_is_refused(interpreter):
    with pytest.raises(ValueError, match="at most 13 tokens. Received: 14"):
        BucketRunner(interpreter, "greedy")(np.ones((1, 14), np.int32))


def test_a_dynamic_file_has_no_buckets_and_is_refused(tmp_path):
    """The check of sizes can fail."""
    import tensorflow as tf

    class Doubling(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((None,), tf.float32)])
        def double(self, x):
            return {"y": 2.0 * x}

    module = Doubling()
    tf.saved_model.save(module, tmp_path / "m", {"double": module.double})
    converter = tf.lite.TFLiteConverter.from_saved_model(str(tmp_path / "m"))
    path = pathlib.Path(tmp_path, "m.tflite")
    path.write_bytes(converter.convert())
    with pytest.raises(ExportError, match="size depends on the sentence"):
        buckets.refuse_free_sizes(path)


@pytest.mark.parametrize("wrong", [(1,), (16, 0), (True,), (16.0,), ("16",)])
def test_buckets_must_hold_a_token(wrong):
    with pytest.raises(ExportError, match="at least 2. Received: buckets="):
        LiteRTBucketsExporter(wrong)


def test_buckets_up_to_the_longest_source():
    assert get("litert_buckets").buckets == (16, 32, 64)
    assert fitting_buckets((64, 16, 32, 16), 128) == [16, 32, 64, 128]
    assert fitting_buckets((16, 32, 64), 32) == [16, 32]
    assert fitting_buckets((16, 32), 9) == [9]
    names = ["greedy_16", "greedy_8", "beam_16", "greedy", "greedy_x"]
    assert buckets_of(names, "greedy") == [8, 16]
    assert buckets_of(["greedy", "encode"], "greedy") == []


@pytest.mark.parametrize("factor", [0.0, 0.1, 1.05, 1.1, 1.3, 2.3])
def test_the_width_is_the_limit_of_the_longest_source(factor):
    settings = ExportSettings(
        max_length_factor=factor, max_length_extra=2, max_target_len=97
    )
    for length in range(1, 129):
        [limit] = output_limits(np.ones((1, length), "int32"), settings)
        assert longest_answer(length, settings) == int(limit)
    nothing = ExportSettings(max_length_factor=0, max_length_extra=0)
    assert longest_answer(16, nothing) == 1
