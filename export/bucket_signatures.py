"""The functions of a LiteRT file whose sizes are all fixed."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from export.limits import answer_limits
from export.settings import ExportSettings
from export.signatures import beam_search, decode, variables_of


class BucketSignatures(tf.Module):
    """Searches over one sentence, one signature for each search and bucket.

    `greedy_16` takes `source`, `(1, 16)` int32 ids, 0 where padded, and
    returns `tokens` `(1, target_len)` and `lengths` `(1,)`, int32, `scores`
    `(1,)` and, with attention, `alignments` `(1, target_len, 16)`, float32.
    `target_len` is what the longest source of the bucket may be answered
    with: every size is known before the function runs. `beam_16` returns the
    same with an axis of hypotheses, the second.

    Args:
        model: An encoder-decoder with `encode` and `decode_step`.
        settings: The limits, and the beam search's settings.
        buckets: Numbers of source tokens, the end token included.
    """

    def __init__(
        self, model: Any, settings: ExportSettings, buckets: Sequence[int]
    ) -> None:
        from keras_attention.search import GreedySearch

        super().__init__(name="bucket_signatures")
        self.weights = variables_of(model)
        beam = beam_search(settings)
        searches = {"greedy": GreedySearch(), "beam": beam}
        self.functions = {
            f"{name}_{bucket}": _searching(model, search, settings, bucket)
            for name, search in searches.items()
            for bucket in buckets
        }

    def signatures(self) -> dict[str, Any]:
        """Returns the concrete functions by the names they are called by."""
        return {
            name: function.get_concrete_function()
            for name, function in self.functions.items()
        }


def longest_answer(source_len: int, settings: ExportSettings) -> int:
    """How many tokens a source may be answered with; see `ExportSettings`.

    Args:
        source_len: Number of source tokens, the end token included.
        settings: The limits.

    Returns:
        The number, at least 1: no LiteRT tensor can be read that is empty.

    Example:

    >>> longest_answer(16, ExportSettings(max_length_factor=1.5))
    34
    """
    return max(int(answer_limits(np.array(source_len), settings)), 1)


def _searching(
    model: Any, search: Any, settings: ExportSettings, bucket: int
) -> Any:
    """The function of one search over sources of one length."""
    from keras_attention.search.search import RowLimits

    width = longest_answer(bucket, settings)

    def search_of_known_width(
        step: Any, states: Any, memory: Any, limits: tf.Tensor, **more: Any
    ) -> Any:
        return search(step, states, memory, RowLimits(limits, width), **more)

    @tf.function(
        autograph=False,
        input_signature=[tf.TensorSpec((1, bucket), tf.int32, "source")],
    )
    def run(source: tf.Tensor) -> dict[str, tf.Tensor]:
        outputs = decode(model, search_of_known_width, source, settings)
        if getattr(search, "num_results", 0) == 1:
            # A beam of one, too, has an axis of hypotheses.
            outputs = {
                name: tf.expand_dims(one, 1) for name, one in outputs.items()
            }
        return outputs

    return run
