"""`GlobalWindow`: the whole source."""

from __future__ import annotations

import keras

from keras_attention.windows.window import PACKAGE, Window


@keras.saving.register_keras_serializable(package=PACKAGE)
class GlobalWindow(Window):
    """Every query sees the whole source (Luong et al. 2015, section 3.1).

    Example:

    >>> mask = ops.array([[[True, False, True]]])
    >>> seen, weights = GlobalWindow()(
    ...     ops.ones((1, 2, 4)), source_len=3, allowed=mask
    ... )
    >>> seen.numpy().tolist()
    [[[True, False, True]]]
    """

    def call(self, query, source_len, allowed=None, past=None):
        del query, source_len, past
        return allowed, None
