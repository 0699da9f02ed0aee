"""A greedy search by the caller, over `encode` and `decode_step`."""

from collections.abc import Callable
from typing import Any

import numpy as np

START, END = 1, 2  # token ids
Outputs = dict[str, np.ndarray]


def greedy_by_steps(
    tensors: Outputs,
    limits: np.ndarray,
    decode_step: Callable[..., Outputs],
    inputs: set[str],
) -> Outputs:
    """Says the likeliest token, time after time.

    Args:
        tensors: What the signature `encode` returned.
        limits: `(batch,)`, the most tokens of each row.
        decode_step: The signature of this name, called with arrays by name.
        inputs: The names that it takes.

    Returns:
        `tokens` `(batch, target_len)`, `lengths` and `scores` `(batch,)`,
        and `alignments` `(batch, target_len, source_len)` where a step
        returns them.
    """
    batch, longest = len(limits), int(np.max(limits, initial=0))
    given = {name: one for name, one in tensors.items() if name in inputs}
    token = np.full(batch, START, np.int32)
    tokens = np.zeros((batch, longest), np.int32)
    scores = np.zeros(batch)
    alignments = []
    done = limits <= 0
    for time in range(longest):
        outputs = decode_step(token=token, **given)
        given |= {name: one for name, one in outputs.items() if name in given}
        log_probabilities = outputs["log_probabilities"]
        # Padding, id 0, is no token.
        token = log_probabilities[:, 1:].argmax(axis=1).astype(np.int32) + 1
        token[done] = 0
        tokens[:, time] = token
        scores += np.where(
            done, 0.0, log_probabilities[np.arange(batch), token]
        )
        if "alignments" in outputs:
            shown = np.where(done[:, np.newaxis], 0.0, outputs["alignments"])
            alignments.append(shown)
        done = done | (token == END) | (limits <= time + 1)
        if done.all():
            break
    found: dict[str, Any] = {
        "tokens": tokens,
        "lengths": np.count_nonzero(tokens, axis=1),
        "scores": scores,
    }
    if alignments:
        found["alignments"] = np.stack(alignments, axis=1)
    return found
