"""A layer in a user's own model converts to LiteRT's builtin operators."""

import contextlib

import keras
import numpy as np
import pytest

import keras_attention as ka
from keras_attention.time_loop import inference_loop
from tests.tensors import randomize

tf = pytest.importorskip("tensorflow")

DIM = 7
# Those that answer one query after the other need the inference loop.
LAYERS = {
    "additive": (lambda: ka.AdditiveAttention(128), False),
    "general": (lambda: ka.LuongAttention("general"), False),
    "local_p": (lambda: ka.LuongAttention("dot", window="local_p"), False),
    "sparsemax": (lambda: ka.Attention("dot", normalizer="sparsemax"), False),
    "hard": (lambda: ka.HardAttention(), False),
    "location_sensitive": (lambda: ka.Attention("location_sensitive"), True),
    "coverage": (lambda: ka.Attention("coverage"), True),
    "monotonic": (lambda: ka.Attention("dot", normalizer="monotonic"), True),
}


def convert(model, folder):
    """Returns a LiteRT file: builtin operators only, all sizes unknown."""

    class Module(tf.Module):
        def __init__(self):
            super().__init__()
            self.kept = [variable.value for variable in model.variables]

        @tf.function(
            autograph=False,
            input_signature=[
                tf.TensorSpec((None, None, DIM), name="query"),
                tf.TensorSpec((None, None, DIM), name="value"),
                tf.TensorSpec((None, None), tf.bool, name="mask"),
            ],
        )
        def look(self, query, value, mask):
            context, alignments = model([query, value, mask])
            return {"context": context, "alignments": alignments}

    module = Module()
    tf.saved_model.save(module, folder, signatures={"look": module.look})
    converter = tf.lite.TFLiteConverter.from_saved_model(
        folder, signature_keys=["look"]
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    return converter.convert()


@pytest.mark.slow
@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.filterwarnings("ignore")  # TensorFlow's converter is retiring
def test_a_functional_model_converts(name, tmp_path):
    interpreter = pytest.importorskip("ai_edge_litert.interpreter")
    make, recurrent = LAYERS[name]
    query, value = keras.Input((None, DIM)), keras.Input((None, DIM))
    mask = keras.Input((None,), dtype="bool")
    outputs = make()(
        [query, value], mask=[None, mask], return_attention_scores=True
    )
    model = randomize(keras.Model([query, value, mask], outputs))
    with inference_loop() if recurrent else contextlib.nullcontext():
        content = convert(model, str(tmp_path / "saved"))
    look = interpreter.Interpreter(model_content=content).get_signature_runner(
        "look"
    )
    rng = np.random.default_rng(0)
    for batch, target_len, source_len in ((2, 3, 5), (1, 41, 149), (2, 3, 5)):
        inputs = {
            "query": rng.normal(size=(batch, target_len, DIM)),
            "value": rng.normal(size=(batch, source_len, DIM)),
        }
        inputs = {key: one.astype("float32") for key, one in inputs.items()}
        inputs["mask"] = np.ones((batch, source_len), bool)
        inputs["mask"][0, 3:] = False
        actual = look(**inputs)
        expected = model([inputs["query"], inputs["value"], inputs["mask"]])
        np.testing.assert_allclose(
            actual["context"], np.array(expected[0]), atol=1e-5
        )
        np.testing.assert_allclose(
            actual["alignments"], np.array(expected[1]), atol=1e-5
        )
