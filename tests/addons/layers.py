"""Makes the layers of TensorFlow Addons that `cases.py` asks for.

Only `record.py` imports this: it needs TensorFlow Addons.
"""

import tempfile

import numpy as np
import tensorflow as tf
import tensorflow_addons as tfa


def set_memory(mechanism, inputs):
    """Gives a mechanism its memory; it computes the keys at once."""
    memory = [inputs["memory"], inputs["memory_sequence_length"]]
    mechanism(memory, setup_memory=True)


def make_mechanism(config):
    """Returns the mechanism of a case."""
    return getattr(tfa.seq2seq, config["class"])(**config["arguments"])


def make_wrapper(config, mechanisms):
    """Returns the `AttentionWrapper` of a case over its mechanisms."""
    layers = tf.keras.layers
    cells = [getattr(layers, name)(units) for name, units in config["cells"]]
    several = isinstance(config["attention_mechanism"], list)
    arguments = dict(config["arguments"])
    if "attention_layer" in arguments:
        dense = layers.Dense(**arguments["attention_layer"])
        arguments["attention_layer"] = dense
    if "cell_input_fn" in arguments:
        order = arguments["cell_input_fn"]

        def join(inputs, attention):
            parts = {"inputs": inputs, "attention": attention}
            return tf.concat([parts[name] for name in order], -1)

        arguments["cell_input_fn"] = join
    return tfa.seq2seq.AttentionWrapper(
        layers.StackedRNNCells(cells) if len(cells) > 1 else cells[0],
        mechanisms if several else mechanisms[0],
        **arguments,
    )


def read_weights(layer):
    """Returns the weights by the names that a checkpoint gives them."""
    suffix = "/.ATTRIBUTES/VARIABLE_VALUE"
    with tempfile.TemporaryDirectory() as folder:
        path = tf.train.Checkpoint(layer).write(f"{folder}/checkpoint")
        reader = tf.train.load_checkpoint(path)
        return {
            name.removesuffix(suffix): reader.get_tensor(name)
            for name in sorted(reader.get_variable_to_shape_map())
            if name.endswith(suffix) and not name.startswith("save_counter")
        }


def draw_weights(layer, rng):
    """Gives every weight random values; returns the record of the weights."""
    untrained = read_weights(layer)
    for variable in layer.weights:
        shape = tuple(variable.shape)
        if not shape:  # the bias of monotonic scores; g
            is_bias = "bias" in variable.name
            drawn = rng.uniform(0.1, 0.6) if is_bias else rng.uniform(1, 2)
        elif len(shape) == 1:
            drawn = rng.normal(scale=0.5, size=shape)
        else:
            drawn = rng.normal(scale=shape[0] ** -0.5, size=shape)
        variable.assign(np.round(drawn * 256) / 256)  # packs well
    weights = read_weights(layer)
    # No two weights were drawn equal, so a value tells which weight it is.
    order = [
        name
        for value in layer.get_weights()
        for name in weights
        if np.array_equal(weights[name], value)
    ]
    if sorted(order) != sorted(weights):
        raise RuntimeError(f"get_weights() has {order}, not {list(weights)}.")
    given = ("attention_b", "attention_g", "attention_score_bias")
    chosen = {name: untrained[name] for name in order if name.endswith(given)}
    return {
        "weight_order": np.array(order),
        **{f"untrained/{name}": value for name, value in chosen.items()},
        **{f"weights/{name}": value for name, value in weights.items()},
    }
