"""`AttentionCell` with unusual parts: masks, errors, a fresh process."""

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_attention as ka
from keras_attention.attention_vectors import (
    ConcatenatedVectors,
    ContextVector,
)
from tests.cases import (
    BATCH,
    HIDDEN,
    MEMORY,
    QUERY,
    TARGET,
    VECTOR,
    numpy,
)
from tests.keras_attention.cell_options import (
    OTHER_MEMORY,
    OTHER_SOURCE,
    additive,
    fed_first,
    general,
    make_each_vector,
    remembering,
)


def test_the_mask_that_a_list_of_memories_carries_is_found():
    first = keras.layers.Embedding(29, MEMORY, mask_zero=True)
    cell = ka.AttentionCell(
        keras.layers.LSTMCell(HIDDEN), [additive(), general()]
    )
    layer = ka.AttentionRNN(cell, return_attention_scores=True)
    ids = np.array([[4, 5, 6, 0, 0], [7, 8, 9, 10, 11]])
    plain = np.ones((BATCH, OTHER_SOURCE, OTHER_MEMORY), "float32")
    inputs = np.ones((BATCH, TARGET, QUERY), "float32")
    _, (masked, whole) = layer(inputs, memory=[first(ids), plain])
    np.testing.assert_array_equal(numpy(masked)[0, :, 3:], 0.0)
    assert (numpy(masked)[1] > 0).all() and (numpy(whole) > 0).all()

    tokens, others = keras.Input((None,)), keras.Input((None, OTHER_MEMORY))
    features = keras.Input((None, QUERY))
    _, (symbolic, _) = layer(features, memory=[first(tokens), others])
    model = keras.Model([features, tokens, others], symbolic)
    np.testing.assert_allclose(
        numpy(model([inputs, ids, plain])), numpy(masked), atol=1e-6
    )


def make(attention=additive, **arguments):
    return ka.AttentionCell(
        keras.layers.LSTMCell(HIDDEN), attention(), **arguments
    )


@pytest.mark.parametrize(
    ("attempt", "message"),
    [
        (lambda: make(lambda: []), "must not be an empty list"),
        (lambda: make(lambda: [None]), "a list of them"),
        (lambda: make(cell_input_fn="concatenate"), "function or a layer"),
        (
            lambda: make(attend="after", cell_input_fn=fed_first),
            "and nothing is: set attend='before'",
        ),
        (
            lambda: make(lambda: None, cell_input_fn=fed_first),
            "input_feeding=True",
        ),
        (
            lambda: make(units=VECTOR, output_attention=False),
            "nobody would see",
        ),
        (
            lambda: make(units=keras.layers.Dense(3)).output_size,
            "Build the cell first, or give `units` as an",
        ),
        (
            lambda: make(units=keras.layers.Dense(3, dtype="float16")).build(
                (None, QUERY), (None, None, MEMORY)
            ),
            "Dense float16",
        ),
        (
            lambda: make(lambda: [additive(), general()]).build(
                (None, QUERY), [(None, None, MEMORY)]
            ),
            "a list of 2, one for each. Received: a list of 1",
        ),
        (
            lambda: make(remembering).get_initial_state(BATCH),
            "memory=memory",
        ),
        (
            lambda: ContextVector(HIDDEN).build((None, HIDDEN)),
            "wider than h_t",
        ),
        (
            lambda: ConcatenatedVectors([], HIDDEN, [MEMORY]),
            "one entry for each attention",
        ),
        (
            lambda: make_each_vector().build((None, HIDDEN)),
            "17 and context_sizes=\\[11, 23\\], 51 in all",
        ),
    ],
)
def test_errors_help(attempt, message):
    with pytest.raises(ValueError, match=message):
        attempt()


RELOAD = """
import sys
import keras, keras_attention
keras.saving.load_model(sys.argv[1])
"""


@pytest.mark.slow
def test_attention_vectors_reload_in_a_fresh_process(tmp_path):
    """Whoever loads need not know that `attention_vectors` exists."""
    cell = make(
        lambda: [general(), general()],
        attend="after",
        input_feeding=True,
        units=ConcatenatedVectors(
            [ContextVector(HIDDEN), keras.layers.Dense(VECTOR)],
            HIDDEN,
            [MEMORY, MEMORY],
        ),
    )
    inputs, memory = keras.Input((None, QUERY)), keras.Input((None, MEMORY))
    outputs = ka.AttentionRNN(cell)(inputs, memory=memory)
    path = tmp_path / "model.keras"
    keras.Model([inputs, memory], outputs).save(path)
    done = subprocess.run(
        [sys.executable, "-c", RELOAD, str(path)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
