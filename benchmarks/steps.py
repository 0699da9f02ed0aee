"""A decoder's step, with the keys passed in and with keys made anew."""

from __future__ import annotations

import keras
import measure
import tensorflow as tf

import keras_attention

BATCH, UNITS = 32, 256
SOURCE_LENGTHS = (64, 512)
STEPS = (16, 64, 256)


def decoder():
    """An `AttentionRNN` with a cell by Bahdanau et al. (2014)."""
    keras.utils.set_random_seed(0)
    return keras_attention.AttentionRNN(
        keras_attention.AttentionCell(
            keras.layers.LSTMCell(UNITS),
            keras_attention.AdditiveAttention(UNITS),
        )
    )


def one_step(source_len):
    """Returns two functions: a step with keys passed in, and one without."""
    layer = decoder()
    inputs = keras.random.normal((BATCH, UNITS), seed=0)
    memory = keras.random.normal((BATCH, source_len, UNITS), seed=1)
    mask = tf.sequence_mask([source_len - 1] * BATCH, source_len)
    layer(inputs[:, None], memory=memory)
    states = layer.cell.get_initial_state(BATCH)
    keys = layer.cell.project_keys(memory)

    @tf.function(jit_compile=True, autograph=False)
    def passed_in():
        return layer.cell(inputs, states, memory, keys, mask)

    @tf.function(jit_compile=True, autograph=False)
    def made_anew():
        return layer.cell(inputs, states, memory, memory_mask=mask)

    return passed_in, made_anew


def whole_decoder(num_steps, source_len=64):
    """Returns a function that runs `num_steps` steps."""
    layer = decoder()
    inputs = keras.random.normal((BATCH, num_steps, UNITS), seed=0)
    memory = keras.random.normal((BATCH, source_len, UNITS), seed=1)
    layer(inputs[:, :1], memory=memory)

    @tf.function(jit_compile=True, autograph=False)
    def run():
        return layer(inputs, memory=memory)

    return run


def run(arguments):
    """Prints both tables. Returns the ratios and the seconds of a step."""
    print(
        f"Batch {BATCH}, {UNITS} units, LSTM and additive attention, XLA.\n\n"
        "| source | keys passed in | keys made anew "
        "| times as fast (quartiles) |\n|---|---|---|---|"
    )
    ratios, per_step = {}, {}
    for source_len in SOURCE_LENGTHS:
        functions = one_step(source_len)
        for function in functions:
            measure.wait(function())
        ratio = measure.interleaved(*functions, arguments.budget)
        ratios[source_len] = ratio
        print(
            f"| {source_len} | {1e3 * ratio.ours:.2f} ms "
            f"| {1e3 * ratio.peer:.2f} ms | **{ratio.median:.2f}** "
            f"({ratio.low:.2f}-{ratio.high:.2f}) |",
            flush=True,
        )
    print("\n| steps | whole decoder | a step |\n|---|---|---|")
    runs = {number: whole_decoder(number) for number in STEPS}
    for number, function in runs.items():
        measure.wait(function())
        times = sorted(measure.seconds(function) for _ in range(7))
        per_step[number] = times[len(times) // 2] / number
        print(
            f"| {number} | {1e3 * times[len(times) // 2]:.1f} ms "
            f"| {1e3 * per_step[number]:.2f} ms |",
            flush=True,
        )
    print()
    return ratios, per_step
