"""The whole model: its parts in the right order, its steps, its baseline."""

import keras
import numpy as np
import pytest

import keras_attention as ka
from tests.cases import (
    MODELS,
    SOURCE_VOCABULARY,
    TARGET,
    make_token_model,
    numpy,
    randomize,
    sweep,
)


def prepare(case):
    """Returns a built model, and data whose first row is padded."""
    model = case.built(seed=1)
    target, source = case.data(seed=2)
    mask = np.array([[True] * 3 + [False] * 2, [True] * 5])
    if case.source_dim is None:
        source[0, 3:] = 0
        mask = None
    return model, target, source, mask


@pytest.mark.parametrize("case", sweep(MODELS))
def test_decode_steps_are_the_whole_sequence(case):
    model, target, source, mask = prepare(case)
    whole, alignments = case.call(model, target, source, mask=mask)
    memory, states = model.encode(source, mask)
    assert isinstance(memory, ka.Memory)
    for time in range(TARGET):
        outputs, states, looked = model.decode_step(
            target[:, time], states, memory
        )
        np.testing.assert_allclose(
            numpy(outputs), numpy(whole)[:, time], atol=1e-5
        )
        if alignments is None:
            assert looked is None
        else:
            np.testing.assert_allclose(
                numpy(looked), numpy(alignments)[:, time], atol=1e-5
            )


@pytest.mark.parametrize("case", sweep(MODELS))
def test_the_model_is_its_parts(case):
    model, target, source, mask = prepare(case)
    whole, _ = case.call(model, target, source, mask=mask)
    embedded = source
    if model.source_embedding is not None:
        embedded, mask = model.source_embedding(source), source != 0
    memory, states = model.encoder(embedded, mask=mask)
    fed = target
    if model.target_embedding is not None:
        fed = model.target_embedding(target)
    outputs = model.decoder(
        fed,
        memory=memory,
        initial_state=model.bridge(states),
        memory_mask=mask,
    )
    if isinstance(outputs, tuple):
        outputs = outputs[0]
    table = [model.target_embedding.embeddings] if "tied" in case.name else []
    np.testing.assert_allclose(
        numpy(model.output_layer(outputs, *table)), numpy(whole), atol=1e-5
    )


def test_the_baseline_sees_the_source_through_its_state_only():
    case = next(one for one in MODELS if one.name == "model-no-attention")
    model, target, source, _ = prepare(case)
    memory, states = model.encode(source)
    assert memory.keys is None
    outputs, _, _ = model.decode_step(target[:, 0], states, memory)
    other = memory._replace(value=memory.value * 0)
    again, _, _ = model.decode_step(target[:, 0], states, other)
    np.testing.assert_array_equal(numpy(outputs), numpy(again))
    changed = source.copy()
    changed[:, 0] = (source[:, 0] + 1) % (SOURCE_VOCABULARY - 4) + 4
    assert (
        np.abs(
            numpy(model({"source": changed, "target": target}))
            - numpy(model({"source": source, "target": target}))
        ).max()
        > 1e-4
    )


def test_dropout_is_for_training_only():
    model = ka.EncoderDecoder(
        encoder=ka.RecurrentEncoder(7, num_layers=2, dropout=0.5),
        decoder=ka.AttentionRNN(
            ka.AttentionCell(keras.layers.GRUCell(11), ka.AdditiveAttention(5))
        ),
        dropout=0.5,
    )
    inputs = {
        "source": np.ones((2, 5, 3), "float32"),
        "target": np.ones((2, 3, 3), "float32"),
    }
    quiet = [numpy(model(inputs)) for _ in range(2)]
    np.testing.assert_array_equal(*quiet)
    loud = [numpy(model(inputs, training=True)) for _ in range(2)]
    assert np.abs(loud[0] - loud[1]).max() > 1e-4


@pytest.mark.slow
def test_it_is_saved_as_it_is(tmp_path):
    """Not inside a functional model, and after training."""
    model = make_token_model(attend="after", input_feeding=True, units=19)
    source = np.array([[4, 5, 6, 0, 0], [7, 8, 9, 10, 11]])
    inputs = {"source": source, "target": source[:, :3]}
    model.compile(
        "adam",
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    model.fit(inputs, source[:, :3], verbose=0)
    randomize(model)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(
        numpy(again(inputs)), numpy(model(inputs)), atol=1e-6
    )
