"""Reading tensors and filling weights, on any backend."""

import keras
import numpy as np


def numpy(tensor):
    """A tensor of any backend and dtype as float64, booleans as they are."""
    if keras.ops.is_tensor(tensor):
        dtype = keras.backend.standardize_dtype(tensor.dtype)
        if dtype == "bfloat16":  # NumPy takes no single number of it
            tensor = keras.ops.cast(tensor, "float32")
    array = keras.ops.convert_to_numpy(tensor)
    return array if array.dtype == bool else array.astype("float64")


def randomize(layer, seed=0):
    """Gives every weight, biases too, a random value."""
    rng = np.random.default_rng(seed)
    for weight in layer.trainable_weights:
        weight.assign(rng.normal(scale=0.4, size=weight.shape))
    return layer
