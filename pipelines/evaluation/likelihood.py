"""How likely a model finds the references."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from pipelines.data.corpus import Corpus
from pipelines.text import END_ID, START_ID, pad

if TYPE_CHECKING:
    from pipelines.run import Run

TOKENS_PER_BATCH = 4096  # bounds the memory that the logits take


@dataclass(frozen=True)
class Likelihood:
    """Sums over the reference tokens of a corpus.

    Attributes:
        num_tokens: tokens, end tokens included.
        nats: their cross-entropy.
        num_correct: those that the model finds the most likely.

    Example:

    >>> Likelihood(num_tokens=2, nats=2 * math.log(8), num_correct=1).perplexity
    8.0
    """

    num_tokens: int
    nats: float
    num_correct: int

    @property
    def perplexity(self) -> float:
        """e to the mean cross-entropy of a token."""
        mean = self.nats / max(self.num_tokens, 1)
        return round(math.exp(min(mean, 700.0)), 12)

    @property
    def accuracy(self) -> float:
        """Share of the tokens that the model finds the most likely."""
        return self.num_correct / max(self.num_tokens, 1)


def likelihood(run: Run, corpus: Corpus) -> Likelihood:
    """Scores references by teacher forcing.

    No pair is left out: of a source that is too long, as much is read as for
    a translation; references are never cut.

    Args:
        run: A trained run.
        corpus: Sentence pairs.

    Returns:
        The sums over all tokens of the references.

    Example:

    ```python
    likelihood(run, run.corpus("test")).perplexity
    ```
    """
    most = run.recipe.data.max_source_len - 1
    sources = [
        [*ids[:most], END_ID]
        for ids in run.source_tokenizer.encode_lines(corpus.sources)
    ]
    labels = [
        [*ids, END_ID]
        for ids in run.target_tokenizer.encode_lines(corpus.targets)
    ]
    order = sorted(
        range(len(labels)), key=lambda i: (len(labels[i]), len(sources[i]))
    )
    score = _scorer(run.model)
    sums = np.zeros(2)
    batch: list[int] = []
    for index, following in zip(order, [*order[1:], None], strict=True):
        batch.append(index)
        # The next one would be the longest of the batch.
        if following is None or (
            (len(batch) + 1) * len(labels[following]) > TOKENS_PER_BATCH
        ):
            sums += score(
                pad([sources[i] for i in batch]),
                pad([[START_ID, *labels[i][:-1]] for i in batch]),
                pad([labels[i] for i in batch]),
            ).numpy()
            batch = []
    return Likelihood(
        num_tokens=sum(map(len, labels)),
        nats=float(sums[0]),
        num_correct=round(sums[1]),
    )


def _scorer(model: Any) -> Any:
    """Returns a traced function from a batch to (nats, number correct)."""
    ids = tf.TensorSpec([None, None], tf.int32)

    @tf.function(input_signature=[ids, ids, ids], autograph=False)
    def score(source: Any, target: Any, labels: Any) -> Any:
        logits = tf.cast(
            model({"source": source, "target": target}, training=False),
            tf.float32,
        )
        nats = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
        best = tf.argmax(logits, axis=-1, output_type=labels.dtype)
        is_token = tf.cast(labels > 0, tf.float64)
        return tf.stack(
            [
                tf.reduce_sum(tf.cast(nats, tf.float64) * is_token),
                tf.reduce_sum(tf.cast(best == labels, tf.float64) * is_token),
            ]
        )

    return score
