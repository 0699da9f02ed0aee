"""Layers with the weights of tensorflow-addons give what it gave.

`tests/addons/record.py` says how the expected values were recorded.
"""

import json
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_attention as ka
from keras_attention import migrate
from tests.addons import cases
from tests.tensors import numpy

FILE = Path(__file__).parents[1] / "addons" / "recorded.npz"
with np.load(FILE, allow_pickle=False) as file:
    RECORDED = {name: file[name] for name in file.files}
MECHANISMS = {
    "BahdanauAttention": migrate.bahdanau_attention,
    "BahdanauMonotonicAttention": migrate.bahdanau_monotonic_attention,
    "LuongAttention": migrate.luong_attention,
    "LuongMonotonicAttention": migrate.luong_monotonic_attention,
}
MEMORY = RECORDED["inputs/memory"]
MASK = (
    np.arange(cases.SOURCE)
    < RECORDED["inputs/memory_sequence_length"][:, np.newaxis]
)
TOLERANCE = {"atol": 1e-5, "rtol": 0}


@keras.saving.register_keras_serializable(package="tests")
def attention_first(inputs, attention):
    """The order of the case `cell_input_fn`."""
    return keras.ops.concatenate([attention, inputs], axis=-1)


def below(prefix):
    """What is recorded below a prefix, by the names that remain."""
    return {
        name.removeprefix(prefix): value
        for name, value in RECORDED.items()
        if name.startswith(prefix)
    }


def in_order(weights, order):
    """As `get_weights()` returns them."""
    return [weights[str(name)] for name in order]


def make_mechanism(config, weights):
    arguments = {
        # Widths are read from the weights; what the bias starts from is past.
        name: value
        for name, value in config["arguments"].items()
        if name not in ("units", "score_bias_init")
    }
    return MECHANISMS[config["class"]](weights, **arguments)


def make_wrapper(config, weights, listed=False):
    """Returns the `AttentionCell` of a case.

    Args:
        config: a value of `cases.WRAPPERS`.
        weights: by name.
        listed: the order of all names, to give the wrapper a list; or False.
    """
    several = isinstance(config["attention_mechanism"], list)
    mechanisms = config["attention_mechanism"]
    attentions = [
        make_mechanism(
            mechanism,
            {
                name.removeprefix(prefix): value
                for name, value in weights.items()
                if name.startswith(prefix)
            },
        )
        for mechanism, prefix in (
            (each, f"_attention_mechanisms/{number}/")
            for number, each in enumerate(
                mechanisms if several else [mechanisms]
            )
        )
    ]
    arguments = dict(config["arguments"])
    arguments.pop("alignment_history", None)
    if "attention_layer" in arguments:
        arguments["attention_layer"] = keras.layers.Dense(
            **arguments["attention_layer"]
        )
    if "cell_input_fn" in arguments:
        assert arguments["cell_input_fn"] == ["attention", "inputs"]
        arguments["cell_input_fn"] = attention_first
    made = [
        getattr(keras.layers, name)(units) for name, units in config["cells"]
    ]
    return migrate.attention_wrapper(
        in_order(weights, listed) if listed is not False else weights,
        made if len(made) > 1 else made[0],
        attentions if several else attentions[0],
        **arguments,
    )


def flat(prefix):
    """A recorded field as a list: `FIELD` itself or `FIELD/0`, ..."""
    if prefix in RECORDED:
        return [RECORDED[prefix]]
    found = below(f"{prefix}/")
    return [found[str(number)] for number in range(len(found))]


def test_the_file_is_of_these_cases():
    tables = json.loads(str(RECORDED["cases"]))
    assert tables["mechanism"] == cases.MECHANISMS
    assert tables["wrapper"] == cases.WRAPPERS
    assert RECORDED["versions/tensorflow_addons"] == "0.23.0"


@pytest.mark.parametrize("listed", [False, True], ids=["named", "listed"])
@pytest.mark.parametrize("name", cases.MECHANISMS)
def test_a_mechanism_over_seven_steps(name, listed):
    prefix = f"mechanism/{name}/"
    weights = below(f"{prefix}weights/")
    if listed:
        weights = in_order(weights, RECORDED[f"{prefix}weight_order"])
    layer = make_mechanism(cases.MECHANISMS[name], weights)
    expected = RECORDED[f"{prefix}alignments"]
    assert expected.shape[1] == cases.TIME == 7
    context, alignments = layer(
        [RECORDED["inputs/queries"], MEMORY],
        mask=[None, MASK],
        return_attention_scores=True,
    )
    np.testing.assert_allclose(numpy(alignments), expected, **TOLERANCE)
    np.testing.assert_allclose(
        numpy(context),
        np.einsum("bts,bsd->btd", expected, MEMORY * MASK[..., np.newaxis]),
        **TOLERANCE,
    )


@pytest.mark.parametrize("name", cases.MECHANISMS)
def test_the_scores_of_a_mechanism(name):
    prefix = f"mechanism/{name}/"
    layer = make_mechanism(cases.MECHANISMS[name], below(f"{prefix}weights/"))
    # There the memory is set to zero before the keys are made.
    keys = layer.project_keys(MEMORY * MASK[..., np.newaxis])
    # The bias is added to the keys here, and to the query there.
    bias = numpy(layer.score.bias) if "normalized" in name else 0.0
    np.testing.assert_allclose(
        numpy(keys) - bias, RECORDED[f"{prefix}keys"], **TOLERANCE
    )
    scores = numpy(layer.score(RECORDED["inputs/queries"], keys))
    if "monotonic" in name:
        scores = scores + numpy(layer.normalizer.score_bias)
    expected = RECORDED[f"{prefix}scores"]
    np.testing.assert_allclose(scores, expected, **TOLERANCE)


def check_states(prefix, states, alignments, position):
    """Compares the five fields of the state after a step."""
    own = flat(f"{prefix}states/cell_state")
    for actual, expected in zip(states[: len(own)], own, strict=True):
        np.testing.assert_allclose(
            numpy(actual), expected[:, position], **TOLERANCE
        )
    np.testing.assert_allclose(
        numpy(states[len(own)]),
        RECORDED[f"{prefix}states/attention"][:, position],
        **TOLERANCE,
    )
    for field in ("alignments", "attention_state"):
        for actual, expected in zip(
            alignments, flat(f"{prefix}states/{field}"), strict=True
        ):
            np.testing.assert_allclose(
                numpy(actual), expected[:, position], **TOLERANCE
            )
    # Only what the next step needs is a state here.
    for actual in states[len(own) + 1 :]:
        np.testing.assert_array_equal(numpy(actual), numpy(alignments[0]))


@pytest.mark.parametrize("name", cases.WRAPPERS)
def test_a_wrapper_over_seven_steps(name):
    prefix = f"wrapper/{name}/"
    cell = make_wrapper(cases.WRAPPERS[name], below(f"{prefix}weights/"))
    inputs = RECORDED["inputs/decoder_inputs"]
    layer = ka.AttentionRNN(
        cell, return_state=True, return_attention_scores=True
    )
    outputs, alignments, last = layer(
        inputs,
        memory=MEMORY,
        memory_mask=MASK,
        initial_state=flat(f"{prefix}initial/cell_state"),
    )
    several = isinstance(cell.attention, list)
    expected = RECORDED[f"{prefix}outputs"]
    np.testing.assert_allclose(numpy(outputs), expected, **TOLERANCE)
    looked = alignments if several else [alignments]
    for actual, wanted in zip(
        looked, flat(f"{prefix}states/alignments"), strict=True
    ):
        np.testing.assert_allclose(numpy(actual), wanted, **TOLERANCE)
    check_states(prefix, last, [one[:, -1] for one in looked], -1)
    if f"{prefix}alignment_history" in RECORDED:
        np.testing.assert_allclose(
            numpy(alignments).swapaxes(0, 1),
            RECORDED[f"{prefix}alignment_history"],
            **TOLERANCE,
        )

    # And step by step, from states as tensorflow-addons had them.
    states = cell.get_initial_state(cases.BATCH, MEMORY)
    own = flat(f"{prefix}initial/cell_state")
    np.testing.assert_array_equal(
        numpy(states[len(own)]), RECORDED[f"{prefix}initial/attention"]
    )
    if len(states) > len(own) + 1:
        np.testing.assert_array_equal(
            numpy(states[-1]), RECORDED[f"{prefix}initial/alignments"]
        )
    states = own + states[len(own) :]
    memory = MEMORY * MASK[..., np.newaxis]
    keys = cell.project_keys(memory)
    for position in range(cases.TIME):
        (output, looked), states = cell(
            inputs[:, position],
            states,
            memory=memory,
            keys=keys,
            memory_mask=MASK,
            return_attention_scores=True,
        )
        np.testing.assert_allclose(
            numpy(output), expected[:, position], **TOLERANCE
        )
        looked = looked if several else [looked]
        check_states(prefix, states, looked, position)


@pytest.mark.parametrize("name", cases.WRAPPERS)
def test_a_wrapper_from_a_list_of_weights(name):
    prefix = f"wrapper/{name}/"
    weights = below(f"{prefix}weights/")
    named = make_wrapper(cases.WRAPPERS[name], weights)
    listed = make_wrapper(
        cases.WRAPPERS[name], weights, RECORDED[f"{prefix}weight_order"]
    )
    assert len(named.get_weights()) == len(weights)
    for one, other in zip(
        named.get_weights(), listed.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
@pytest.mark.parametrize("name", cases.WRAPPERS)
def test_a_saved_model_of_it_reloads(name, tmp_path):
    weights = below(f"wrapper/{name}/weights/")
    cell = make_wrapper(cases.WRAPPERS[name], weights)
    inputs = keras.Input((None, cases.INPUT))
    memory = keras.Input((None, cases.MEMORY))
    mask = keras.Input((None,), dtype="bool")
    outputs = ka.AttentionRNN(cell)(inputs, memory=memory, memory_mask=mask)
    model = keras.Model([inputs, memory, mask], outputs)
    given = [RECORDED["inputs/decoder_inputs"], MEMORY, MASK]
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(
        numpy(again(given)), numpy(model(given)), atol=1e-6
    )
