"""Cells, decoders, encoders and bridge against the papers' equations."""

import functools

import keras
import numpy as np
import pytest

import keras_attention as ka
from keras_attention import recurrent_cells
from keras_attention.normalizers import Monotonic
from tests import reference
from tests.cases import (
    BATCH,
    DECODER_CASES,
    DECODERS,
    ENCODERS,
    HIDDEN,
    MEMORY,
    QUERY,
    SOURCE,
    TARGET,
    UNITS,
    Decoder,
    make_token_model,
    numpy,
    randomize,
    reference_pieces,
    sweep,
)
from tests.custom_cells import ElmanCell

MASK = np.array([[True] * 3 + [False] * 2, [True] * SOURCE])


def reference_cell(cell):
    """Returns a cell's step in NumPy, and the widths of its states."""
    normalized = {
        ka.LayerNormLSTMCell: reference.layer_norm_lstm_cell,
        ka.LayerNormGRUCell: reference.layer_norm_gru_cell,
    }.get(type(cell))
    if normalized is not None:
        step = functools.partial(normalized, epsilon=cell.epsilon)
        count = len(recurrent_cells.state_sizes(cell))
    elif isinstance(cell, keras.layers.LSTMCell):
        step, count = reference.lstm_cell, 2
    elif isinstance(cell, keras.layers.GRUCell):
        step, count = reference.gru_cell, 1
    else:
        step, count = reference.elman_cell, 1
    weights = [numpy(weight) for weight in cell.weights]
    return step(*weights), [cell.units] * count


def reference_look(attention, mask):
    """A new one for each example: it remembers its steps."""
    if attention is None:
        return None
    start = None
    if isinstance(attention.normalizer, Monotonic):
        start = reference.first_position(len(mask))
    return reference.remembering(
        allowed=mask, start=start, **reference_pieces(attention)
    )


@pytest.mark.parametrize(
    "case",
    sweep(case for case in DECODER_CASES if "nested" not in case.name),
)
def test_decoder_equations(case):
    decoder = DECODERS[DECODER_CASES.index(case)]
    target, memory = case.data(seed=1)
    layer = decoder.make(return_state=True)
    layer(target, memory=memory)
    randomize(layer, seed=2)
    cell = layer.cell
    rng = np.random.default_rng(3)
    states = [
        rng.normal(size=(BATCH, width)).astype("float32")
        for width in cell.cell_state_size
    ]
    results = layer(
        target, memory=memory, memory_mask=MASK, initial_state=states
    )
    pairs = [reference_cell(one) for one in cell.cells]
    for row in range(BATCH):
        own, given = [], [state[row] for state in states]
        for _, widths in pairs:
            own.append([given.pop(0) for _ in widths])
        outputs, alignments, last = reference.decode(
            target[row],
            memory[row],
            [step for step, _ in pairs],
            own,
            reference_look(cell.attention, MASK[row]),
            decoder.attend == "before",
            cell.output_size if decoder.input_feeding else 0,
            numpy(cell.output_layer.kernel) if decoder.units else None,
        )
        np.testing.assert_allclose(numpy(results[0])[row], outputs, atol=1e-5)
        if decoder.attention != "none":
            np.testing.assert_allclose(
                numpy(results[1])[row], alignments, atol=1e-5
            )
        flat = [state for states_of in last for state in states_of]
        if decoder.input_feeding:
            flat.append(outputs[-1])
        for attention in cell.attentions:
            remembered = {
                "alignments": alignments[-1],
                "accumulated": np.sum(alignments, axis=0),
                "step": len(target[row]),
            }
            flat += [remembered[name] for name in attention.remembers]
        for actual, expected in zip(results[-1], flat, strict=True):
            np.testing.assert_allclose(numpy(actual)[row], expected, atol=1e-5)


@pytest.mark.parametrize("case", sweep(ENCODERS))
def test_encoder_equations(case):
    layer = case.built(seed=4)
    _, source = case.data(seed=5)
    mask = np.array([[True, True, False, True, False], [True] * SOURCE])
    memory, states = layer(source, mask=mask)
    for row in range(BATCH):
        expected, last = reference.encode(
            source[row].astype("float64"),
            mask[row],
            [
                [reference_cell(cell)[0] for cell in cells]
                for cells in layer.cells
            ],
            reference_cell(layer.cells[0][0])[1],
        )
        np.testing.assert_allclose(numpy(memory)[row], expected, atol=1e-5)
        for actual, wanted in zip(states, last, strict=True):
            np.testing.assert_allclose(numpy(actual)[row], wanted, atol=1e-5)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_an_encoder_is_keras_bidirectional(cell, masked):
    """With its weights, the numbers of `Bidirectional(LSTM or GRU)`."""
    kind = {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU}[cell]
    theirs = keras.layers.Bidirectional(
        kind(UNITS, return_sequences=True, return_state=True)
    )
    source = np.random.default_rng(0).normal(size=(BATCH, SOURCE, QUERY))
    source = source.astype("float32")
    mask = MASK if masked else None
    theirs(source)
    randomize(theirs)
    ours = ka.RecurrentEncoder(UNITS, cell=cell)
    ours(source)
    ours.set_weights(theirs.get_weights())
    expected = theirs(source, mask=mask)
    memory, states = ours(source, mask=mask)
    where = MASK if masked else np.ones_like(MASK)
    np.testing.assert_allclose(
        numpy(memory)[where], numpy(expected[0])[where], atol=1e-5
    )
    np.testing.assert_array_equal(numpy(memory)[~where], 0.0)
    for actual, wanted in zip(states, expected[1:], strict=True):
        np.testing.assert_allclose(numpy(actual), numpy(wanted), atol=1e-5)


def test_a_decoder_without_attention_is_keras_rnn():
    theirs = keras.layers.LSTM(HIDDEN, return_sequences=True)
    inputs = np.random.default_rng(0).normal(size=(BATCH, TARGET, QUERY))
    theirs(inputs)
    ours = ka.AttentionRNN(ka.AttentionCell(keras.layers.LSTMCell(HIDDEN)))
    ours(inputs)
    ours.set_weights(theirs.get_weights())
    np.testing.assert_allclose(
        numpy(ours(inputs)), numpy(theirs(inputs)), atol=1e-5
    )


def test_alignments_are_left_out_unless_asked_for():
    decoder = Decoder("lstm", "additive", "before", True, 19)
    inputs, memory = DECODER_CASES[DECODERS.index(decoder)].data()
    with_alignments = decoder.make()
    expected, _ = with_alignments(inputs, memory=memory)
    plain = ka.AttentionRNN(with_alignments.cell)
    np.testing.assert_allclose(
        numpy(plain(inputs, memory=memory)), numpy(expected), atol=1e-6
    )


def test_the_mask_of_a_memory_is_found():
    embedding = keras.layers.Embedding(29, QUERY, mask_zero=True)
    source = np.array([[4, 5, 6, 0, 0], [7, 8, 9, 10, 11]])
    inputs = np.ones((BATCH, TARGET, QUERY), "float32")
    encoder = ka.RecurrentEncoder(UNITS)
    decoder = Decoder("lstm", "luong", "before", False, None).make()
    memory, states = encoder(embedding(source))
    _, alignments = decoder(inputs, memory=memory)
    np.testing.assert_array_equal(numpy(alignments)[0, :, 3:], 0.0)

    tokens = keras.Input((None,), dtype="int32")
    features = keras.Input((None, QUERY))
    memory, states = encoder(embedding(tokens))
    model = keras.Model(
        [tokens, features],
        decoder(features, memory=memory, initial_state=states[:2])[1]
        if states[0].shape[-1] == HIDDEN
        else decoder(features, memory=memory)[1],
    )
    np.testing.assert_allclose(
        numpy(model([source, inputs])), numpy(alignments), atol=1e-6
    )


def test_the_mask_of_targets_is_passed_on():
    decoder = Decoder("lstm", "luong", "before", False, None).make()
    embedding = keras.layers.Embedding(29, QUERY, mask_zero=True)
    target = np.array([[4, 5, 0], [7, 8, 9]])
    outputs, _ = decoder(
        embedding(target), memory=np.ones((BATCH, SOURCE, MEMORY))
    )
    mask = keras.ops.convert_to_numpy(outputs._keras_mask)
    np.testing.assert_array_equal(mask, target != 0)


def test_cells_with_dropout_and_custom_first_states():
    cell = ka.AttentionCell(
        keras.layers.LSTMCell(HIDDEN, dropout=0.5, recurrent_dropout=0.5),
        ka.LuongAttention("general"),
        input_feeding=True,
    )
    layer = ka.AttentionRNN(cell)
    inputs = np.ones((BATCH, TARGET, QUERY), "float32")
    memory = np.ones((BATCH, SOURCE, MEMORY), "float32")
    first = numpy(layer(inputs, memory=memory, training=True))
    again = numpy(layer(inputs, memory=memory, training=True))
    assert np.abs(first - again).max() > 1e-4
    assert cell.cell._dropout_mask is None, "no tensor stays on a layer"

    nested = Decoder("nested", "additive", "before", True, 19).make()
    nested(inputs, memory=memory)
    states = [numpy(one) for one in nested.cell.get_initial_state(BATCH)]
    assert [one.shape[-1] for one in states] == [HIDDEN, HIDDEN, 19]
    np.testing.assert_array_equal(states[1], 1.0)


def test_bridge():
    rng = np.random.default_rng(0)
    states = [
        rng.normal(size=(BATCH, width)).astype("float32")
        for width in (QUERY, MEMORY)
    ]
    bridge = ka.Bridge([UNITS, HIDDEN, 19])
    bridge(states)
    randomize(bridge)
    joined = np.concatenate(states, axis=-1)
    expected = np.tanh(
        joined @ numpy(bridge.dense.kernel) + numpy(bridge.dense.bias)
    )
    actual = bridge(states)
    assert [one.shape[-1] for one in actual] == [UNITS, HIDDEN, 19]
    np.testing.assert_allclose(
        np.concatenate([numpy(one) for one in actual], axis=-1),
        expected,
        atol=1e-5,
    )
    copy = ka.Bridge.from_config(bridge.get_config())
    assert copy.get_config() == bridge.get_config()


def attention_cell(**options):
    return ka.AttentionCell(
        keras.layers.LSTMCell(HIDDEN), ka.AdditiveAttention(UNITS), **options
    )


INPUTS = np.ones((BATCH, TARGET, QUERY), "float32")
VALUE = np.ones((BATCH, SOURCE, MEMORY), "float32")


def call_without_memory(**options):
    layer = ka.AttentionRNN(attention_cell(**options))
    layer(INPUTS, memory=VALUE)
    layer(INPUTS)


def step_without_memory():
    cell = attention_cell()
    states = cell.get_initial_state(BATCH)
    cell(INPUTS[:, 0], states, memory=VALUE)
    cell(INPUTS[:, 0], states)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: attention_cell(units=0), "`units` must be a positive"),
        (lambda: attention_cell(units=True), "Received: units=True"),
        (lambda: attention_cell(attend="during"), "'before' .* 'after'"),
        (lambda: ka.AttentionCell(keras.layers.Dense(3)), "LSTMCell\\(256\\)"),
        (
            lambda: ka.AttentionCell(ElmanCell(3), keras.layers.Attention()),
            "keras_attention.AdditiveAttention\\(128\\)",
        ),
        (lambda: ka.AttentionRNN(ElmanCell(3)), "must be an AttentionCell"),
        (
            lambda: ka.AttentionRNN(
                ka.AttentionCell(ElmanCell(3)), return_attention_scores=True
            ),
            "needs a cell with an attention",
        ),
        (lambda: ka.AttentionRNN(attention_cell())(INPUTS), "`memory=`"),
        (call_without_memory, "`memory=`"),
        (step_without_memory, "`memory=`"),
        (lambda: call_without_memory(attend="after"), "`memory=`"),
        (
            lambda: ka.AttentionRNN(attention_cell())(
                INPUTS, memory=VALUE, initial_state=[INPUTS[:, 0]]
            ),
            "`initial_state` must have 2 tensors, of widths \\[17, 17\\]",
        ),
        (lambda: ka.RecurrentEncoder(0), "`units` must be a positive"),
        (lambda: ka.RecurrentEncoder(3, num_layers=0), "`num_layers`"),
        (lambda: ka.RecurrentEncoder(3, cell="lsmt"), "'gru', .* mean 'lstm'"),
        (
            lambda: ka.EncoderDecoder(ka.RecurrentEncoder(3), ElmanCell(3)),
            "`decoder` must be an AttentionRNN",
        ),
        (lambda: attention_cell().output_size, "Build the cell first"),
        (
            lambda: ka.AttentionRNN(attention_cell(dtype="float16"))(
                INPUTS, memory=VALUE
            ),
            "set_dtype_policy",
        ),
        (
            lambda: ka.AttentionRNN(
                attention_cell(dtype="float16"), dtype="float16"
            )(INPUTS, memory=VALUE),
            "AttentionCell float16, LSTMCell float32",
        ),
        (
            lambda: make_token_model().encode(np.array([[4, 5]])),
            "Call it on a batch",
        ),
    ],
)
def test_errors_help(make, message):
    with pytest.raises(ValueError, match=message):
        make()
