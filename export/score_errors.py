"""How far an artifact's probabilities are from its model's.

Identical answers say little of quantised weights: of a model that is unsure
many answers change though next to nothing is lost, and of one that is sure
few change though much is. So the model itself scores what the artifact said,
and the two must agree on how likely that is.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from export.answers import Answer
from export.settings import ExportSettings


def mean_score_error(
    reference: Any,
    sentences: Sequence[str],
    answers: Sequence[Answer],
    settings: ExportSettings,
    ranked: bool,
    batch_size: int,
) -> float:
    """Compares what an artifact and its model find their probabilities to be.

    Args:
        reference: A `Reference`.
        sentences: The sources.
        answers: An artifact's answer to each, whatever its tokens are.
        settings: The settings of the artifact.
        ranked: Whether a beam search found them, whose scores have penalties.
        batch_size: Answers that the model scores at once.

    Returns:
        Mean distance of the answers' log-probabilities, in nats a token; 0
        if no answer has tokens.
    """
    own = reference.log_probabilities(
        sentences, [answer.tokens for answer in answers], batch_size
    )
    found = [
        without_penalties(answer, settings) if ranked else answer.score
        for answer in answers
    ]
    num_tokens = sum(len(answer.tokens) for answer in answers)
    distances = np.abs(np.subtract(found, own))
    return float(distances.sum() / max(num_tokens, 1))


def without_penalties(answer: Answer, settings: ExportSettings) -> float:
    """Returns the log-probability of an answer that a beam search ranked.

    Args:
        answer: The answer; its score is what `BeamSearch` ranks by.
        settings: The settings of the search.

    Returns:
        Nats.

    Example:

    >>> answer = Answer("", -3.0, np.array([4, 5, 6, 7, 8, 9, 2]), None)
    >>> without_penalties(answer, ExportSettings(length_penalty=1.0))
    -6.0
    """
    from keras_attention.search import coverage_penalty, length_penalty

    score = answer.score
    if settings.coverage_penalty and answer.alignments is not None:
        covered = answer.alignments.sum(axis=0, keepdims=True)
        coverage = coverage_penalty(covered, np.ones(covered.shape, bool))
        score -= settings.coverage_penalty * float(coverage[0])
    length = np.array([len(answer.tokens)])
    return score * float(length_penalty(length, settings.length_penalty)[0])
