"""What the time loop reads once, and what it leaves as it is."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_attention as ka
from keras_attention.recurrent_cells import CELLS
from keras_attention.time_loop import inference_loop, time_loop
from tests.backends import tensorflow_only

BATCH, TARGET, SOURCE, DIM, MEMORY, UNITS = 2, 3, 5, 7, 11, 13


def make_layer(cell, **options):
    keras.utils.set_random_seed(3)
    layer = ka.AttentionRNN(
        ka.AttentionCell(cell, ka.AdditiveAttention(UNITS), **options)
    )
    inputs = np.random.default_rng(1).normal(size=(BATCH, TARGET, DIM))
    memory = np.random.default_rng(2).normal(size=(BATCH, SOURCE, MEMORY))
    data = [ops.convert_to_tensor(one, "float32") for one in (inputs, memory)]
    layer(data[0], memory=data[1])
    return layer, data


OPTIONS = {
    "input feeding": {"attend": "after", "input_feeding": True, "units": 17},
    "attend before": {},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("make_cell", CELLS.values(), ids=CELLS)
def test_the_loop_gives_what_the_steps_give(make_cell, options):
    layer, (inputs, memory) = make_layer(make_cell(19), **options)
    outputs = layer(inputs, memory=memory)
    cell = layer.cell
    states = cell.get_initial_state(BATCH)
    for time in range(TARGET):
        one, states = cell(inputs[:, time], states, memory=memory)
        np.testing.assert_allclose(
            ops.convert_to_numpy(outputs[:, time]),
            ops.convert_to_numpy(one),
            atol=1e-6,
        )
    with inference_loop():
        in_place = layer(inputs, memory=memory)
    np.testing.assert_allclose(
        ops.convert_to_numpy(outputs),
        ops.convert_to_numpy(in_place),
        atol=1e-6,
    )


def shapes_kept(run, weights):
    """Shapes of what loops keep of every step, for the gradient."""
    import tensorflow as tf

    @tf.function(autograph=False)
    def gradients():
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(run())
        return tape.gradient(loss, [one.value for one in weights])

    graph = gradients.get_concrete_function().graph
    return [
        tuple(one.inputs[1].shape)
        for function in graph.as_graph_def().library.function
        for one in graph._get_function(
            function.signature.name
        ).graph.get_operations()
        if one.type == "TensorListPushBack"
    ]


def check_kept(kept, weights):
    assert (BATCH, 19) in kept  # states are
    assert not {tuple(one.shape) for one in weights} & set(kept)
    # Nor parts of them: all that is kept belongs to an example.
    assert all(shape[:1] == (BATCH,) for shape in kept if len(shape) > 1)


@tensorflow_only
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("make_cell", CELLS.values(), ids=CELLS)
def test_no_matrix_is_kept_for_every_step(make_cell, options):
    layer, (inputs, memory) = make_layer(make_cell(19), **options)
    kept = shapes_kept(lambda: layer(inputs, memory=memory), layer.weights)
    check_kept(kept, layer.weights)


@tensorflow_only
def test_nor_where_hard_attention_is_exact():
    cell = ka.AttentionCell(
        keras.layers.LSTMCell(19), ka.HardAttention("marginal"), attend="after"
    )
    model = ka.EncoderDecoder(
        ka.RecurrentEncoder(19),
        ka.AttentionRNN(cell),
        output_layer=keras.layers.Dense(7),
    )
    inputs = {
        "source": np.ones((BATCH, SOURCE, DIM), "float32"),
        "target": np.ones((BATCH, TARGET, DIM), "float32"),
    }
    model(inputs)
    kept = shapes_kept(lambda: model(inputs, training=True), model.weights)
    check_kept(kept, model.weights)


@tensorflow_only
def test_gradients_are_those_of_the_steps():
    import tensorflow as tf

    layer, (inputs, memory) = make_layer(
        keras.layers.LSTMCell(19), **OPTIONS["input feeding"]
    )
    weights = [one.value for one in layer.weights]

    def by_steps():
        states, outputs = layer.cell.get_initial_state(BATCH), []
        for time in range(TARGET):
            one, states = layer.cell(inputs[:, time], states, memory=memory)
            outputs.append(one)
        return tf.stack(outputs, axis=1)

    found = []
    for run in (lambda: layer(inputs, memory=memory), by_steps):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(run() ** 2)
        found.append(tape.gradient(loss, weights))
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


@tensorflow_only
def test_a_step_may_still_assign():
    scale = keras.Variable(2.0, trainable=False)
    count = keras.Variable(0.0, trainable=False)

    def step(inputs, states):
        count.assign_add(1.0)
        return inputs * scale, states

    outputs, _ = time_loop(
        step, ops.ones((1, 3, 1)), [ops.zeros((1, 1))], 1, variables=[scale]
    )
    assert ops.convert_to_numpy(outputs).ravel().tolist() == [2.0, 2.0, 2.0]
    assert float(count.value) >= 1


@tensorflow_only
def test_values_given_by_a_scope_outside_count():
    first, second = (keras.Variable(one) for one in (2.0, 3.0))

    def step(inputs, states):
        return inputs * first * second, states

    with keras.StatelessScope(
        [(first, ops.ones(())), (second, 5 * ops.ones(()))]
    ):
        outputs, _ = time_loop(
            step, ops.ones((1, 2, 1)), [ops.zeros((1, 1))], 1, variables=[first]
        )
    assert outputs.numpy().ravel().tolist() == [5.0, 5.0]
