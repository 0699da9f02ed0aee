"""A search that XLA compiles, inside a graph whose sizes are free."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from export.buckets import BUCKETS, fitting_buckets
from export.settings import ExportSettings
from export.signatures import decode, most_tokens


def answering(
    model: Any, search: Any, settings: ExportSettings
) -> Callable[[tf.Tensor], dict[str, tf.Tensor]]:
    """Returns the function that answers, compiled if `settings.xla` says so.

    Args:
        model: An encoder-decoder with `encode` and `decode_step`.
        search: A search of `keras_attention.search`.
        settings: The limits, and `xla`.

    Returns:
        A function from `(batch, source_len)` int32 ids to what
        `export.signatures.decode` returns.
    """
    if settings.xla:
        return CompiledSearch(model, search, settings)
    return functools.partial(decode, model, search, settings=settings)


class CompiledSearch:
    """Encodes and searches as `export.signatures.decode` does, but compiled.

    XLA compiles a function for the sizes that it is called with, when it is
    called with them first, which takes seconds. So that there are few of
    them, sources are padded with zeros to the next of a few lengths; what is
    returned is cut back. The batch is as large as it comes: there is one
    compilation for each batch size and length.

    Args:
        model: An encoder-decoder with `encode` and `decode_step`.
        search: A search of `keras_attention.search`.
        settings: The limits.
        buckets: Lengths that sources are padded to, the end token included.
            Those that are not below `settings.max_source_len`, the last, are
            left out.

    Example:

    ```python
    search = CompiledSearch(model, GreedySearch(), settings)
    search(source)["tokens"]
    ```
    """

    def __init__(
        self,
        model: Any,
        search: Any,
        settings: ExportSettings,
        buckets: Sequence[int] = BUCKETS,
    ) -> None:
        self._buckets = fitting_buckets(buckets, settings.max_source_len)
        self._run = _compiled(model, search, settings)

    def __call__(self, source: tf.Tensor) -> dict[str, tf.Tensor]:
        """Searches; see `export.signatures.decode`.

        Args:
            source: `(batch, source_len)` int32 ids, 0 where padded, no longer
                than `settings.max_source_len`.

        Returns:
            What `decode` returns. Behind the longest answer there may be
            more padding.
        """
        source_len = tf.shape(source)[1]
        buckets = tf.constant(self._buckets)
        # The first that is long enough.
        width = buckets[tf.reduce_sum(tf.cast(buckets < source_len, tf.int32))]
        padded = tf.pad(source, [[0, 0], [0, width - source_len]])
        outputs = dict(self._run(padded))
        if "alignments" in outputs:
            # What is looked at may be shorter than the source, by a factor.
            longest = tf.shape(outputs["alignments"])[-1] * source_len
            kept = -(-longest // width)
            outputs["alignments"] = outputs["alignments"][..., :kept]
        return outputs


def _compiled(model: Any, search: Any, settings: ExportSettings) -> Any:
    from keras_attention.search.search import RowLimits

    @tf.function(
        autograph=False,
        jit_compile=True,
        input_signature=[tf.TensorSpec((None, None), tf.int32, "source")],
    )
    def run(source: tf.Tensor) -> dict[str, tf.Tensor]:
        # XLA knows the source's length, and so what follows from it; it does
        # not know the largest limit of the rows.
        widest = most_tokens(tf.shape(source)[1], settings)

        def search_of_known_width(
            step: Any, states: Any, memory: Any, limits: tf.Tensor, **more: Any
        ) -> Any:
            return search(
                step, states, memory, RowLimits(limits, widest), **more
            )

        return decode(model, search_of_known_width, source, settings)

    return run
