"""Floats in, floats out, squared error: nothing assumes text."""

import keras
import numpy as np

import keras_attention as ka
from tests.tensors import numpy

PAST, FUTURE, PERIOD = 24, 6, 12


def make_series(num_series, seed):
    """Returns `(past, future)`: noisy sines of one period, random phase."""
    rng = np.random.default_rng(seed)
    phase = rng.uniform(0, 2 * np.pi, (num_series, 1))
    time = np.arange(PAST + FUTURE)[None]
    series = np.sin(2 * np.pi * time / PERIOD + phase)
    series = series + rng.normal(scale=0.1, size=series.shape)
    series = series[..., None].astype("float32")
    return series[:, :PAST], series[:, PAST:]


def test_it_forecasts_a_noisy_sine():
    keras.utils.set_random_seed(1)
    model = ka.EncoderDecoder(
        encoder=ka.RecurrentEncoder(16, cell="gru", bidirectional=False),
        decoder=ka.AttentionRNN(
            ka.AttentionCell(keras.layers.GRUCell(16), ka.AdditiveAttention(16))
        ),
        output_layer=keras.layers.Dense(1),
    )
    past, future = make_series(512, seed=0)
    shifted = np.concatenate([past[:, -1:], future[:, :-1]], axis=1)
    model.compile(keras.optimizers.Adam(0.01), "mse", jit_compile=False)
    model.fit(
        {"source": past, "target": shifted},
        future,
        batch_size=64,
        epochs=8,
        verbose=0,
    )

    # Free running: each forecast is the next step's input.
    past, future = make_series(128, seed=1)
    memory, states = model.encode(past)
    value, forecasts = past[:, -1], []
    for _ in range(FUTURE):
        value, states, alignments = model.decode_step(value, states, memory)
        forecasts.append(numpy(value))
    assert alignments.shape == (128, PAST)
    error = np.mean((np.stack(forecasts, axis=1) - future) ** 2)
    persistence = np.mean((past[:, -1:] - future) ** 2)
    assert error < 0.2 * persistence, (error, persistence)
