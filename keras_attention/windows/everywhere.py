"""`GlobalWindow`: the whole source."""

from __future__ import annotations

import keras

from keras_attention.windows.window import PACKAGE, Window


@keras.saving.register_keras_serializable(package=PACKAGE)
class GlobalWindow(Window):
    """Every query sees the whole source (Luong et al. 2015, section 3.1)."""

    def call(self, query, source_len, allowed=None, past=None):
        del query, source_len, past
        return allowed, None
