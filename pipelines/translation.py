"""`Translation`: what a model says of one source."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Translation:
    """What a model says of one source, and what it looked at.

    Attributes:
        source: the text that was given.
        text: the translation.
        score: log-probability in nats, divided by the length penalty, plus
            the coverage penalty; as it is if drawn by sampling.
        source_pieces: the tokens read, the end token included.
        target_pieces: the tokens said, the end token included if it was said.
        alignments: `(len(target_pieces), len(source_pieces))`, or None
            without attention.
        truncated: whether the source was longer than the model's limit, and
            only its beginning was read.
    """

    source: str
    text: str
    score: float
    source_pieces: list[str]
    target_pieces: list[str]
    alignments: np.ndarray | None
    truncated: bool = False
