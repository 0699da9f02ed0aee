"""Windows and normalisers step by step: decoders, training, export."""

import keras
import numpy as np
import pytest

import keras_attention as ka
from keras_attention.normalizers import Monotonic
from keras_attention.time_loop import inference_loop
from keras_attention.windows import LocalPredictiveWindow
from tests import reference
from tests.backends import needs_compiler, needs_tensorflow
from tests.cases import (
    BATCH,
    HIDDEN,
    MEMORY,
    QUERY,
    SOURCE,
    TARGET,
    reference_pieces,
)
from tests.keras_attention.tried_pieces import (
    MASK,
    NAMED,
    TRIED,
    close,
    draw,
    swept,
)
from tests.tensors import numpy, randomize


def decoder_of(attention, attend, **options):
    cell = ka.AttentionCell(
        keras.layers.LSTMCell(HIDDEN), attention, attend=attend
    )
    return ka.AttentionRNN(cell, **options)


@pytest.mark.parametrize("attend", ["before", "after"])
@swept(TRIED)
def test_decoder_equations(tried, attend):
    """The paper's, step by step; the cell's steps and both loops agree."""
    inputs, memory = draw(12)
    layer = decoder_of(tried.attention(), attend, return_attention_scores=True)
    layer(inputs, memory=memory)
    randomize(layer, seed=13)
    call = {"memory": memory, "memory_mask": MASK}
    whole, alignments = layer(inputs, **call)
    cell = layer.cell
    lstm = reference.lstm_cell(*[numpy(one) for one in cell.cell.weights])
    start = None
    if isinstance(cell.attention.normalizer, Monotonic):
        start = reference.first_position(SOURCE)
    for row in range(BATCH):
        outputs, looked, _ = reference.decode(
            inputs[row],
            memory[row],
            [lstm],
            [[np.zeros(HIDDEN)] * 2],
            reference.remembering(
                **reference_pieces(cell.attention),
                allowed=MASK[row],
                start=start,
            ),
            attend == "before",
        )
        close([whole[row], alignments[row]], [outputs, looked])
    with inference_loop():
        close(layer(inputs, **call), [whole, alignments], 1e-6)
    memory = keras.ops.convert_to_tensor(memory * MASK[..., None])
    states = cell.get_initial_state(BATCH, memory=memory)
    for time in range(TARGET):
        output, states = cell(
            inputs[:, time],
            states,
            memory=memory,
            memory_mask=keras.ops.convert_to_tensor(MASK),
        )
        close([output], [whole[:, time]])


def fit(attention, attend, jit_compile=True):
    needs_compiler(jit_compile)
    target = keras.Input((None, QUERY))
    memory = keras.Input((None, MEMORY))
    mask = keras.Input((None,), dtype="bool")
    outputs = decoder_of(attention, attend)(
        target, memory=memory, memory_mask=mask
    )
    outputs = keras.layers.Dense(2)(outputs)
    model = keras.Model([target, memory, mask], outputs)
    model.compile(keras.optimizers.Adam(0.01), "mse", jit_compile=jit_compile)
    data = [*draw(14), MASK]
    expected = np.tanh(numpy(model(data))[::-1]).astype("float32")
    history = model.fit(data, expected, epochs=3, verbose=0, shuffle=False)
    losses = history.history["loss"]
    assert np.isfinite(losses).all()
    assert losses[-1] < losses[0]


@pytest.mark.parametrize(
    "jit_compile", [False, pytest.param(True, marks=pytest.mark.slow)]
)
def test_fit_with_lengths_that_are_not_known_beforehand(jit_compile):
    """The noise of all steps is drawn before the loop over time."""
    normalizer = Monotonic(sigmoid_noise=0.1, seed=3)
    window = LocalPredictiveWindow(3)
    fit(
        ka.Attention("additive", window=window, normalizer=normalizer),
        "before",
        jit_compile,
    )


@pytest.mark.slow
@swept(TRIED)
def test_everything_fits_with_xla(tried):
    # XLA takes long: one place each. The equations are tested in both.
    fit(tried.attention(), ("before", "after")[TRIED.index(tried) % 2])


@pytest.mark.slow
def test_a_step_converts_to_litert(tmp_path):
    """With builtin operators only, for any batch and any length."""
    tf = needs_tensorflow()
    interpreter = pytest.importorskip("ai_edge_litert.interpreter")
    from export.litert import convert, operators, refuse_operators

    names = ("local_m-hard", "local_p-parallel", "local_p-sparsemax", "hard")
    layers = {name: NAMED[name].built() for name in names}

    def step(query, memory, mask):
        results = {}
        for name, layer in layers.items():
            look = layer.attend(
                query,
                memory,
                layer.project_keys(memory),
                keras.ops.expand_dims(mask, 1),
            )
            results[name.replace("-", "_")] = look.alignments
        return results

    module = tf.Module()
    module.weights = [
        variable.value
        for layer in layers.values()
        for variable in layer.variables
    ]
    module.greedy = tf.function(
        step,
        autograph=False,
        input_signature=[
            tf.TensorSpec((None, 1, QUERY), tf.float32, "query"),
            tf.TensorSpec((None, None, MEMORY), tf.float32, "memory"),
            tf.TensorSpec((None, None), tf.bool, "mask"),
        ],
    )
    tf.saved_model.save(
        module, tmp_path / "saved_model", signatures={"greedy": module.greedy}
    )
    path = tmp_path / "step.tflite"
    convert(tmp_path / "saved_model", path)
    refuse_operators(operators(path))
    run = interpreter.Interpreter(str(path)).get_signature_runner("greedy")
    for batch, source_len in ((2, SOURCE), (3, 11), (1, 2)):
        rng = np.random.default_rng(source_len)
        inputs = {
            "query": rng.normal(size=(batch, 1, QUERY)).astype("float32"),
            "memory": rng.normal(size=(batch, source_len, MEMORY)).astype(
                "float32"
            ),
            "mask": rng.random((batch, source_len)) > 0.3,
        }
        expected = step(**{name: tf.constant(inputs[name]) for name in inputs})
        actual = run(**inputs)
        for name in expected:
            close([actual[name]], [expected[name]])
