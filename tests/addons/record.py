"""Records what the sequence-to-sequence layers of TensorFlow Addons compute.

TensorFlow Addons has come to its end of life and runs with an old TensorFlow,
Keras and NumPy only. So it is run here, once, and the tests compare with the
file that this script writes. To record anew, after a change of `cases.py`,
make an environment for it alone (Python 3.11, outside this repository's own):

    python3.11 -m venv /tmp/addons
    /tmp/addons/bin/pip install \
        "tensorflow-cpu==2.15.*" "tensorflow-addons==0.23.0" "numpy<2"
    /tmp/addons/bin/python tests/addons/record.py

All inputs and weights are drawn from seeds, so a second run writes the same.

`recorded.npz` is read with `numpy.load(path, allow_pickle=False)`. It holds

    versions/tensorflow, ...      strings
    cases                         JSON: the tables of `cases.py`
    inputs/memory                 (batch, source_len, memory_dim), not masked
    inputs/memory_sequence_length (batch,)
    inputs/queries                (batch, time, query_dim)
    inputs/decoder_inputs         (batch, time, input_dim)

and, for each case, below `mechanism/NAME/` or `wrapper/NAME/`,

    weights/WEIGHT                named as in a TensorFlow checkpoint
    weight_order                  the same names as `get_weights()` has them
    untrained/WEIGHT              what g, b and the bias of scores start from
    initial/FIELD                 before the first step; the state of a cell
                                  is drawn, the rest is the wrapper's own

of a mechanism, which answers one query after the other,

    keys                          (batch, source_len, units)
    scores                        (batch, time, source_len), before masking
    alignments                    likewise; each goes into the next step

and of an `AttentionWrapper`, which steps over the decoder's inputs,

    outputs                       (batch, time, output_dim)
    states/FIELD                  (batch, time, ...), after each step; FIELD/0,
                                  FIELD/1, ... where it is several tensors
    alignment_history             (time, batch, source_len), where asked for
"""

import json
import os
import sys
import warnings
from pathlib import Path

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
try:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the announcement of its end of life
        import tensorflow as tf
        import tensorflow_addons as tfa
except (AttributeError, ImportError) as error:  # absent, or too new
    raise SystemExit(
        "This script needs TensorFlow 2.15 and TensorFlow Addons 0.23.0 in an "
        "environment of their own; its first lines say how to make one. "
        f"Received: {error}."
    ) from error

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.addons import cases
from tests.addons.layers import (
    draw_weights,
    make_mechanism,
    make_wrapper,
    set_memory,
)

FILE = Path(__file__).with_name("recorded.npz")
VERSIONS = {"tensorflow": "2.15.", "tensorflow_addons": "0.23.0"}


def require_versions():
    """Stops at versions that may compute something else."""
    for module in (tf, tfa):
        wanted = VERSIONS[module.__name__]
        if not module.__version__.startswith(wanted):
            raise SystemExit(
                f"This script records {module.__name__} {wanted.rstrip('.')} "
                "in an environment of its own; its first lines say how to "
                f"make one. Received: version {module.__version__}."
            )


def random_numbers(name):
    """Returns the generator of random numbers that belongs to `name`."""
    return np.random.default_rng(list(name.encode()))


def draw_inputs():
    """Returns what all cases are called on."""
    rng = random_numbers("inputs")
    shapes = {
        "memory": (cases.BATCH, cases.SOURCE, cases.MEMORY),
        "queries": (cases.BATCH, cases.TIME, cases.QUERY),
        "decoder_inputs": (cases.BATCH, cases.TIME, cases.INPUT),
    }
    inputs = {
        name: rng.normal(size=shape).astype("float32")
        for name, shape in shapes.items()
    }
    inputs["memory_sequence_length"] = np.array(cases.LENGTHS, "int32")
    return inputs


def name_state(state):
    """Returns the tensors of an `AttentionWrapperState` by name."""
    named = {}
    for field, value in state._asdict().items():
        if field == "alignment_history":
            continue
        if isinstance(value, (list, tuple)):
            for number, tensor in enumerate(tf.nest.flatten(value)):
                named[f"{field}/{number}"] = tensor.numpy()
        else:
            named[field] = value.numpy()
    return named


def stack(steps, prefix=""):
    """Stacks dictionaries, one a step, to arrays `(batch, time, ...)`."""
    return {
        prefix + name: np.stack([step[name] for step in steps], axis=1)
        for name in steps[0]
    }


def record_mechanism(name, config, inputs):
    """Returns the record of a mechanism: one query after the other."""
    mechanism = make_mechanism(config)
    set_memory(mechanism, inputs)
    state = mechanism.initial_state(cases.BATCH, tf.float32)
    mechanism([inputs["queries"][:, 0], state])  # makes the weights
    record = draw_weights(mechanism, random_numbers(cases.shared(name)))
    set_memory(mechanism, inputs)
    record["initial/alignments"] = state.numpy()
    record["keys"] = mechanism.keys.numpy()
    probability_fn, scores = mechanism.probability_fn, []

    def listen(score, previous_alignments):
        scores.append({"scores": score.numpy()})
        return probability_fn(score, previous_alignments)

    mechanism.probability_fn = listen
    steps = []
    for query in inputs["queries"].swapaxes(0, 1):
        alignments, state = mechanism([query, state])
        if not np.array_equal(alignments, state):
            raise RuntimeError(f"{name}: the state is not the alignments.")
        steps.append({"alignments": alignments})
    return record | stack(scores) | stack(steps)


def record_wrapper(name, config, inputs):
    """Returns the record of an `AttentionWrapper`: step by step."""
    several = config["attention_mechanism"]
    several = several if isinstance(several, list) else [several]
    mechanisms = [make_mechanism(each) for each in several]
    for mechanism in mechanisms:
        set_memory(mechanism, inputs)
    wrapper = make_wrapper(config, mechanisms)
    state = wrapper.get_initial_state(batch_size=cases.BATCH, dtype=tf.float32)
    # The first call makes the weights.
    _, state = wrapper(inputs["decoder_inputs"][:, 0], state)
    if config["arguments"].get("alignment_history"):
        state.alignment_history.mark_used()  # else TensorFlow complains
    rng = random_numbers(f"wrapper {name}")
    record = draw_weights(wrapper, rng)
    for mechanism in mechanisms:
        set_memory(mechanism, inputs)
    state = wrapper.get_initial_state(batch_size=cases.BATCH, dtype=tf.float32)
    state = state.clone(
        cell_state=tf.nest.map_structure(
            lambda zeros: tf.constant(rng.normal(size=zeros.shape), "float32"),
            state.cell_state,
        )
    )
    record |= {
        f"initial/{key}": each for key, each in name_state(state).items()
    }
    outputs, states = [], []
    for step_inputs in inputs["decoder_inputs"].swapaxes(0, 1):
        output, state = wrapper(step_inputs, state)
        outputs.append({"outputs": output.numpy()})
        states.append(name_state(state))
    if config["arguments"].get("alignment_history"):
        record["alignment_history"] = state.alignment_history.stack().numpy()
    return record | stack(outputs) | stack(states, "states/")


def main():
    """Writes the file."""
    require_versions()
    inputs = draw_inputs()
    tables = {"mechanism": cases.MECHANISMS, "wrapper": cases.WRAPPERS}
    recorded = {"cases": np.array(json.dumps(tables))}
    for name in ("numpy", "tensorflow", "keras", "tensorflow_addons"):
        recorded[f"versions/{name}"] = np.array(sys.modules[name].__version__)
    recorded |= {f"inputs/{name}": value for name, value in inputs.items()}
    for kind, recorder in (
        ("mechanism", record_mechanism),
        ("wrapper", record_wrapper),
    ):
        for name, config in tables[kind].items():
            for key, value in recorder(name, config, inputs).items():
                recorded[f"{kind}/{name}/{key}"] = value
    np.savez_compressed(FILE, **recorded)
    print(f"{FILE}: {len(recorded)} arrays, {FILE.stat().st_size} bytes")


if __name__ == "__main__":
    main()
