"""Every search and rule becomes LiteRT's builtin operations."""

import numpy as np
import pytest

from keras_attention.search import (
    BeamSearch,
    ForbiddenWords,
    GreedySearch,
    MinimumLength,
    NoRepeatedNgrams,
    SamplingSearch,
)
from tests.backends import needs_tensorflow
from tests.keras_attention.test_search import ROWS, VOCABULARY, language, step

tf = needs_tensorflow()
interpreter = pytest.importorskip("ai_edge_litert.interpreter")

RULES = [
    MinimumLength(2, 0.5),
    ForbiddenWords([4, [3, 3]]),
    NoRepeatedNgrams(2),
]
REQUIRED = np.array([[[3, 0], [1, 3]]], "int32")
SEARCHES = {
    "greedy": (GreedySearch(rules=RULES), {}),
    "beam": (BeamSearch(3, coverage_penalty=0.2, num_results=2), {}),
    "required": (BeamSearch(2, rules=RULES[:1]), {"required": REQUIRED}),
    "sampling": (SamplingSearch(2.0, top_k=4, top_p=0.9, seed=3), {}),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SEARCHES)
def test_converts(name, tmp_path):
    search, given = SEARCHES[name]
    size = VOCABULARY

    @tf.function(
        autograph=False,
        input_signature=[
            tf.TensorSpec((None, size, size, size), tf.float32, "tables"),
            tf.TensorSpec((None, size), tf.float32, "state"),
            tf.TensorSpec((None,), tf.int32, "lengths"),
        ],
    )
    def run(tables, state, lengths):
        mask = tf.range(2 * size) < lengths[:, None]
        copies = {
            key: tf.repeat(one, tf.shape(lengths)[0], axis=0)
            for key, one in given.items()
        }
        result = search(
            step, [state], tables, lengths + 2, source_mask=mask, **copies
        )
        return {"tokens": result.tokens, "scores": result.scores}

    module = tf.Module()
    module.run = run
    signatures = {"run": run.get_concrete_function()}
    tf.saved_model.save(module, str(tmp_path), signatures)
    converter = tf.lite.TFLiteConverter.from_saved_model(
        str(tmp_path), signature_keys=["run"]
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    runner = interpreter.Interpreter(
        model_content=converter.convert()
    ).get_signature_runner("run")
    tables, (state,) = language(seed=50)
    lengths = np.arange(1, ROWS + 1, dtype="int32")
    for rows in (ROWS, 2):
        arguments = {
            "tables": tables[:rows],
            "state": state[:rows],
            "lengths": lengths[:rows],
        }
        expected, actual = run(**arguments), runner(**arguments)
        np.testing.assert_array_equal(actual["tokens"], expected["tokens"])
        np.testing.assert_allclose(
            actual["scores"], expected["scores"], atol=1e-4
        )
