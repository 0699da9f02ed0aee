"""Functions of one number."""

import numpy as np


def sigmoid(x):
    """`1 / (1 + exp(-x))`, without overflow."""
    return np.exp(-np.logaddexp(0.0, -x))
