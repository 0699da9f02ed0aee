"""Where a query may look: one small class a window.

A window narrows the mask and may weigh what is left. To add one, write a
class in a file of this folder and a line in `WINDOWS`.
"""

from __future__ import annotations

from keras_attention.registry import get as _get
from keras_attention.windows.causal import CausalWindow
from keras_attention.windows.everywhere import GlobalWindow
from keras_attention.windows.local_monotonic import LocalMonotonicWindow
from keras_attention.windows.local_predictive import LocalPredictiveWindow
from keras_attention.windows.window import Window

__all__ = [
    "WINDOWS",
    "CausalWindow",
    "GlobalWindow",
    "LocalMonotonicWindow",
    "LocalPredictiveWindow",
    "Window",
    "get",
]

WINDOWS = {
    "causal": CausalWindow,
    "global": GlobalWindow,
    "local_m": LocalMonotonicWindow,
    "local_p": LocalPredictiveWindow,
}


def get(identifier):
    """Returns the `Window` that a name, a config or an instance stands for.

    Example:

    >>> type(get("global")).__name__
    'GlobalWindow'
    """
    return _get(identifier, WINDOWS, Window, "window")
