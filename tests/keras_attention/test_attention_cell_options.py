"""`AttentionCell` with several attentions, layers and functions for parts.

The expected values come from a loop over steps in NumPy.
"""

import json

import keras
import numpy as np
import pytest

from keras_attention.time_loop import inference_loop
from tests import reference
from tests.cases import (
    BATCH,
    HIDDEN,
    TARGET,
    name_of,
    numpy,
    randomize,
    reference_pieces,
)
from tests.keras_attention.cell_options import (
    OPTIONS,
    CoveredScore,
)

# What builds a whole model is tried with these in the quick set.
QUICK = {"a_vector_each", "input_layer", "grid_and_sequence_after_feeding"}
sweep = pytest.mark.parametrize("options", OPTIONS, ids=name_of)
sweep_models = pytest.mark.parametrize(
    "options",
    [
        pytest.param(
            one,
            id=one.name,
            marks=[] if one.name in QUICK else [pytest.mark.slow],
        )
        for one in OPTIONS
    ],
)


def reference_look(attention, mask):
    """A new one for each example: it remembers its steps."""
    if not isinstance(attention.score, CoveredScore):
        return reference.remembering(
            allowed=mask, **reference_pieces(attention)
        )
    match = reference.each(
        reference.general_score(numpy(attention.score.kernel).T)
    )

    def score(query, keys, past):
        return match(query, keys, past) - past.accumulated

    return reference.remembering(score, allowed=mask)


def decode_example(cell, options, inputs, memories, masks, states):
    """One example, step after step, in NumPy.

    Args:
        cell: a built `AttentionCell`; its weights are read.
        options: an `Options`.
        inputs: `(target_len, input_dim)`.
        memories: one for each attention, `(source_len, dim)` or a grid.
        masks: one for each attention.
        states: `[hidden, carry]` of the LSTM.

    Returns:
        `(outputs, [alignments of each attention], [hidden, carry, fed])`.
    """
    step = reference.lstm_cell(*(numpy(one) for one in cell.cell.weights))
    vector = options.vector(
        cell.units if cell.output_layer is cell.units else cell.output_layer
    )
    join = options.join(cell.cell_input_fn)
    grids = [memory.shape[:-1] for memory in memories]
    memories = [memory.reshape(-1, memory.shape[-1]) for memory in memories]
    looks = [
        reference_look(attention, mask.reshape(-1))
        for attention, mask in zip(cell.attentions, masks, strict=True)
    ]
    fed = np.zeros(cell.attention_size)
    outputs, alignments = [], [[] for _ in looks]
    for one in inputs:
        feed = []
        if cell.attend == "before":
            seen = [
                look(states[0], memory)
                for look, memory in zip(looks, memories, strict=True)
            ]
            feed += [context for context, _ in seen]
        if cell.input_feeding:
            feed.append(fed)
        whole = join(one, np.concatenate(feed)) if feed else one
        hidden, states = step(whole, states)
        if cell.attend == "after":
            seen = [
                look(hidden, memory)
                for look, memory in zip(looks, memories, strict=True)
            ]
        fed = vector(np.concatenate([hidden, *(one[0] for one in seen)]))
        outputs.append(fed if cell.output_attention else hidden)
        for of_one, grid, (_, weights) in zip(
            alignments, grids, seen, strict=True
        ):
            of_one.append(weights.reshape(grid))
    return (
        np.array(outputs),
        [np.array(one) for one in alignments],
        [
            *states,
            fed,
        ],
    )


def built(options, seed=1):
    layer = options.make()
    inputs, memories, _ = options.data()
    layer(inputs, memory=options.given(memories))
    return randomize(layer, seed)


def as_list(given):
    return list(given) if isinstance(given, (list, tuple)) else [given]


def first_states(seed=3):
    rng = np.random.default_rng(seed)
    return [
        rng.normal(size=(BATCH, HIDDEN)).astype("float32") for _ in range(2)
    ]


@sweep
def test_equations(options):
    layer = built(options)
    inputs, memories, masks = options.data(seed=2)
    start = first_states()
    outputs, alignments, states = layer(
        inputs,
        memory=options.given(memories),
        memory_mask=options.given(masks),
        initial_state=start,
    )
    alignments = as_list(alignments)
    number = len(layer.cell.attentions)
    memories, masks = (
        one * number if len(one) == 1 else one for one in (memories, masks)
    )
    for row in range(BATCH):
        expected, looked, last = decode_example(
            layer.cell,
            options,
            inputs[row].astype("float64"),
            [memory[row].astype("float64") for memory in memories],
            [mask[row] for mask in masks],
            [state[row] for state in start],
        )
        np.testing.assert_allclose(numpy(outputs)[row], expected, atol=1e-5)
        for actual, wanted in zip(alignments, looked, strict=True):
            assert actual.shape[1:] == wanted.shape
            np.testing.assert_allclose(numpy(actual)[row], wanted, atol=1e-5)
        last = last if layer.cell.input_feeding else last[:2]
        # What attentions remember comes after these.
        assert len(states) == layer.cell.num_states
        for actual, wanted in zip(states, last, strict=False):
            np.testing.assert_allclose(numpy(actual)[row], wanted, atol=1e-5)


@sweep
def test_step_by_step_is_the_whole(options):
    layer = built(options)
    inputs, memories, masks = options.data(seed=2)
    memory, mask = options.given(memories), options.given(masks)
    outputs, alignments, last = layer(inputs, memory=memory, memory_mask=mask)
    cell = layer.cell
    states = cell.get_initial_state(BATCH, memory)
    assert len(states) == cell.num_states
    widths = [state.shape[-1] for state in states]
    assert widths[: len(cell.state_size)] == cell.state_size
    keys = cell.project_keys(memory)
    for position in range(TARGET):
        (output, looked), states = cell(
            inputs[:, position],
            states,
            memory=memory,
            keys=keys,
            memory_mask=mask,
            return_attention_scores=True,
        )
        assert output.shape == (BATCH, cell.output_size)
        np.testing.assert_allclose(
            numpy(output), numpy(outputs)[:, position], atol=1e-5
        )
        assert isinstance(looked, list) == isinstance(cell.attention, list)
        for one, whole in zip(
            as_list(looked), as_list(alignments), strict=True
        ):
            np.testing.assert_allclose(
                numpy(one), numpy(whole)[:, position], atol=1e-5
            )
    for state, whole in zip(states, last, strict=True):
        np.testing.assert_allclose(numpy(state), numpy(whole), atol=1e-5)


@sweep
def test_config_round_trip(options):
    layer = built(options)
    text = json.dumps(keras.saving.serialize_keras_object(layer))
    again = keras.saving.deserialize_keras_object(json.loads(text))
    inputs, memories, _ = options.data()
    memory = options.given(memories)
    expected = layer(inputs, memory=memory)[0]
    again(inputs, memory=memory)
    again.set_weights(layer.get_weights())
    np.testing.assert_allclose(
        numpy(again(inputs, memory=memory)[0]), numpy(expected), atol=1e-6
    )


@sweep_models
def test_saving_and_training_in_a_functional_model(options, tmp_path):
    inputs, memories, masks = options.data()
    # Lengths may be anything; of a grid, height and width too.
    tensors = [
        keras.Input((None,) * (one.ndim - 2) + one.shape[-1:])
        for one in (inputs, *memories)
    ]
    flags = [
        keras.Input((None,) * (one.ndim - 1), dtype="bool") for one in masks
    ]
    outputs, alignments, _ = options.make()(
        tensors[0],
        memory=options.given(tensors[1:]),
        memory_mask=options.given(flags),
    )
    model = keras.Model([*tensors, *flags], [outputs, *as_list(alignments)])
    randomize(model)
    given = [inputs, *memories, *masks]
    expected = model(given)
    assert [len(one.shape) for one in model.outputs] == [
        len(one.shape) for one in expected
    ]
    assert model.outputs[0].shape[-1] == expected[0].shape[-1]
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    for actual, one in zip(again(given), expected, strict=True):
        np.testing.assert_allclose(numpy(actual), numpy(one), atol=1e-6)

    # Where only `h_t` is put out, the alignments alone reach the attention.
    losses = ["mse"] * len(expected)
    model.compile(keras.optimizers.SGD(0.1), losses, jit_compile=False)
    before = [numpy(one) for one in model.trainable_weights]
    rng = np.random.default_rng(5)
    wanted = [rng.normal(size=one.shape) for one in expected]
    model.train_on_batch(given, wanted)
    for weight, value in zip(model.trainable_weights, before, strict=True):
        moved = np.abs(numpy(weight) - value).max()
        assert 0 < moved < 1e3, weight.path


@sweep
def test_the_inference_loop_is_the_same(options):
    layer = built(options)
    inputs, memories, masks = options.data(seed=2)
    given = {
        "memory": options.given(memories),
        "memory_mask": options.given(masks),
    }
    outputs, alignments, states = layer(inputs, **given)
    with inference_loop():
        again = layer(inputs, **given)
    for actual, expected in zip(
        [again[0], *as_list(again[1]), *again[2]],
        [outputs, *as_list(alignments), *states],
        strict=True,
    ):
        np.testing.assert_allclose(numpy(actual), numpy(expected), atol=1e-6)
