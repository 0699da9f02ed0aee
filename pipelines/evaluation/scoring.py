"""How likely a model finds given translations, one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from keras_attention import search
from pipelines.text import END_ID, pad
from pipelines.translation import Translation

if TYPE_CHECKING:
    from pipelines.run import Run


def score(
    run: Run,
    sources: Sequence[str],
    targets: Sequence[str],
    *,
    batch_size: int = 32,
    keep_alignments: bool = True,
    progress: Callable[[int], None] | None = None,
) -> list[Translation]:
    """Scores given translations.

    Of a source that is too long, as much is read as for a translation;
    targets are never cut.

    Args:
        run: A trained run.
        sources: Sentences.
        targets: Their translations.
        batch_size: Pairs at a time, of similar length.
        keep_alignments: Whether the results hold the alignments.
        progress: Called with the number of pairs done, batch by batch.

    Returns:
        A `Translation` for each pair. Its score is the log-probability of the
        target's tokens and of the end after them, in nats.

    Example:

    ```python
    [pair] = score(pipelines.load("runs/demo"), ["Va !"], ["Go."])
    print(pair.score)
    ```
    """
    most = run.recipe.data.max_source_len - 1
    read = run.source_tokenizer.encode_lines(list(sources))
    said = run.target_tokenizer.encode_lines(list(targets))
    order = sorted(range(len(read)), key=lambda i: (len(said[i]), len(read[i])))
    function = run.traced("score", lambda: _function(run.model))
    results: dict[int, Translation] = {}
    for start in range(0, len(order), batch_size):
        batch = order[start : start + batch_size]
        source = [[*read[i][:most], END_ID] for i in batch]
        target = [[*said[i], END_ID] for i in batch]
        found = function(tf.constant(pad(source)), tf.constant(pad(target)))
        scores = found.scores.numpy()
        alignments = found.alignments
        if not keep_alignments:
            alignments = None
        if alignments is not None:
            alignments = alignments.numpy()
        for row, index in enumerate(batch):
            looked = None
            if alignments is not None:
                looked = alignments[row, : len(target[row]), : len(source[row])]
            results[index] = Translation(
                source=sources[index],
                text=targets[index],
                score=float(scores[row]),
                source_pieces=run.source_tokenizer.pieces(source[row]),
                target_pieces=run.target_tokenizer.pieces(target[row]),
                alignments=looked,
                truncated=len(read[index]) > most,
            )
        if progress:
            progress(len(batch))
    return [results[index] for index in range(len(read))]


def _function(model: Any) -> Callable[[Any, Any], Any]:
    """Returns a traced function from sources and targets to their scores."""
    ids = tf.TensorSpec([None, None], tf.int32)

    @tf.function(input_signature=[ids, ids], autograph=False)
    def function(source: Any, target: Any) -> Any:
        memory, states = model.encode(source)
        return search.score(model.decode_step, states, memory, target)

    return function
