"""`LocalMonotonicWindow`: around the step's own number."""

from __future__ import annotations

import keras
from keras import ops

from keras_attention import functional
from keras_attention.registry import positive_integer
from keras_attention.windows.window import PACKAGE, Window


@keras.saving.register_keras_serializable(package=PACKAGE)
class LocalMonotonicWindow(Window):
    """Query `t` sees the source positions from `t - width` to `t + width`.

    "Local-m" of Luong et al. (2015), section 3.2: `p_t = t`, and the softmax
    runs over `[p_t - D, p_t + D]` only. For source and target that run at
    about the same pace. Steps and positions count from 0.

    A query so late that its window lies beyond the source sees nothing: its
    alignments and its context are zeros.

    Args:
        width: `D`, in positions to either side; the paper's is 10.
        **kwargs: as in `keras.layers.Layer` (`name`, `dtype`, ...).

    Call arguments, returns: as in `Window.call`; there are no weights.

    Raises:
        ValueError: if `width` is not a positive integer.

    Example:

    >>> from keras_attention.past import Past
    >>> window = LocalMonotonicWindow(width=1)
    >>> mask, _ = window(
    ...     keras.ops.ones((1, 2, 7)),
    ...     source_len=4,
    ...     past=Past(step=keras.ops.array([1])),
    ... )
    >>> mask.numpy()
    array([[[ True,  True,  True, False],
            [False,  True,  True,  True]]])
    """

    remembers = ("step",)

    def __init__(self, width=10, **kwargs):
        super().__init__(**kwargs)
        self.width = positive_integer("width", width)

    def call(self, query, source_len, allowed=None, past=None):
        steps = functional.steps(past.step, ops.shape(query)[1])
        near = functional.near(steps, source_len, self.width)
        return functional.both(near, allowed), None

    def get_config(self):
        return {**super().get_config(), "width": self.width}
