"""Training through plain `compile` and `fit`, with XLA and without."""

import keras
import numpy as np
import pytest

import keras_attention as ka
from keras_attention.time_loop import inference_loop
from tests.backends import needs_compiler
from tests.cases import (
    CASES,
    DECODER_CASES,
    DECODERS,
    ENCODERS,
    MODELS,
    QUICK_DECODERS,
    REPRESENTATIVE,
    SOURCE,
    TARGET,
    name_of,
    numpy,
    randomize,
    sweep,
)

MASK = np.array([[True] * 3 + [False] * 2, [True] * SOURCE])
SWEPT = [case for case in CASES if case.trains_alone and case.compiled]


def fit(case, jit_compile):
    """Two rows of a batch of 32: XLA sees an unknown batch size."""
    needs_compiler(jit_compile)
    model = case.functional()
    # A layer on top, because some scores have nothing to learn themselves.
    outputs = keras.layers.Dense(3)(model.outputs[0])
    model = randomize(type(model)(model.inputs, outputs))
    model.compile(keras.optimizers.Adam(0.01), "mse", jit_compile=jit_compile)
    target, source = case.data()
    inputs = [target, source, MASK]
    expected = np.tanh(numpy(model(inputs))[::-1]).astype("float32")
    # What hard attention looks at jumps, and its loss with it, up and down.
    epochs = 12 if case.jumps else 3
    history = model.fit(
        inputs, expected, epochs=epochs, verbose=0, shuffle=False
    )
    losses = history.history["loss"]
    assert np.isfinite(losses).all()
    assert min(losses[1:]) < losses[0]


@pytest.mark.parametrize("case", REPRESENTATIVE[:4:3], ids=name_of)
def test_fit_with_xla(case):
    fit(case, jit_compile=True)


@pytest.mark.parametrize("case", REPRESENTATIVE[1:5:3], ids=name_of)
def test_fit_without_xla(case):
    fit(case, jit_compile=False)


@pytest.mark.slow
@pytest.mark.parametrize("case", sweep(SWEPT))
def test_every_case_fits(case):
    """With XLA, which asks for more than training without it."""
    fit(case, jit_compile=True)


@pytest.mark.parametrize("case", sweep(DECODER_CASES))
def test_step_by_step_is_the_whole_sequence(case):
    layer = case.built()
    target, memory = case.data()
    whole, alignments = case.call(layer, target, memory, mask=MASK)
    cell = layer.cell
    # Zeros, not garbage: the cell's caller sees to finite memory.
    memory = keras.ops.convert_to_tensor(memory * MASK[..., None])
    keys = cell.project_keys(memory)
    states = cell.get_initial_state(batch_size=2, memory=memory)
    for time in range(TARGET):
        result, states = cell(
            target[:, time],
            states,
            memory=memory,
            # Left out now and then: projected at this step.
            keys=keys if time else None,
            memory_mask=keras.ops.convert_to_tensor(MASK),
            return_attention_scores=True,
        )
        output, looked = result
        np.testing.assert_allclose(
            numpy(output), numpy(whole)[:, time], atol=1e-5
        )
        if looked is not None:
            np.testing.assert_allclose(
                numpy(looked), numpy(alignments)[:, time], atol=1e-5
            )


@pytest.mark.parametrize("case", sweep([*DECODER_CASES, *ENCODERS, *MODELS]))
def test_the_inference_loop_gives_the_same(case):
    layer = case.built()
    target, source = case.data()
    expected, alignments = case.call(layer, target, source, mask=MASK)
    with inference_loop():
        actual, again = case.call(layer, target, source, mask=MASK)
    np.testing.assert_allclose(numpy(actual), numpy(expected), atol=1e-6)
    if alignments is not None:
        np.testing.assert_allclose(numpy(again), numpy(alignments), atol=1e-6)


@pytest.mark.parametrize(
    "decoder",
    [one for one in DECODERS if one.name in QUICK_DECODERS],
    ids=name_of,
)
def test_returned_states_continue_the_sequence(decoder):
    """Two halves, with the states handed over, are the whole."""
    layer = decoder.make(return_state=True)
    case = DECODER_CASES[DECODERS.index(decoder)]
    target, memory = case.data(target_len=4)
    results = layer(target, memory=memory)
    whole, states = results[0], results[-1]
    first = layer(target[:, :1], memory=memory)
    rest = layer(target[:, 1:], memory=memory, initial_state=first[-1])
    np.testing.assert_allclose(
        np.concatenate([numpy(first[0]), numpy(rest[0])], axis=1),
        numpy(whole),
        atol=1e-5,
    )
    for actual, expected in zip(rest[-1], states, strict=True):
        np.testing.assert_allclose(numpy(actual), numpy(expected), atol=1e-5)


@pytest.mark.parametrize("decoder", DECODERS[::23], ids=name_of)
def test_the_last_output_alone(decoder):
    layer = decoder.make()
    case = DECODER_CASES[DECODERS.index(decoder)]
    target, memory = case.data()
    whole, _ = case.call(layer, target, memory)
    last = ka.AttentionRNN(layer.cell, return_sequences=False)
    actual = last(target, memory=memory)
    np.testing.assert_allclose(numpy(actual), numpy(whole)[:, -1], atol=1e-6)
    mask = np.array([[True, True, False], [False, False, False]])
    actual = last(target, memory=memory, inputs_mask=mask)
    expected = [numpy(whole)[0, 1], 0.0 * numpy(whole)[1, 0]]
    np.testing.assert_allclose(numpy(actual), expected, atol=1e-6)
