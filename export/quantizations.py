"""How a LiteRT file's weights may be stored, by name. Plain Python only."""

import dataclasses
import difflib
import math

from export.errors import ExportError


@dataclasses.dataclass(frozen=True)
class Quantization:
    """One way to store weights.

    Args:
        about: What is stored how, in a few words, for people.
        min_agreement: Share of the answers that must be the model's own, or
            a near tie, before an export counts as verified.
        min_beam_agreement: The same, of a beam search: a tie that it meets
            half-way may lead it elsewhere altogether.
        min_long_agreement: The same, of sources as long as can be read, the
            like of which no model has seen.
        tolerance: How far the scores (nats) and the alignments of an answer
            with the model's own tokens may be from the model's.
        near_tie: Other tokens agree too where the model prefers its own by
            no more than so many nats.
        max_score_error: How far log-probabilities may be from those that the
            model gives the same tokens: the mean, in nats a token.
    """

    about: str
    min_agreement: float
    min_beam_agreement: float
    min_long_agreement: float
    tolerance: float
    near_tie: float
    max_score_error: float


# Full-integer quantisation is not among them: the converter ends its process
# on every graph with a loop.
#
# The limits of int8 and int4 are several times what translators of 0.2 to 6
# million weights showed, well and barely trained: mean errors of up to 0.005
# nats a token (int8) and 0.06 (int4), and choices turned that the model made
# by up to 0.05 and 0.6 nats. In the same models, one int8 matrix with scales
# that were 20% off made errors of 0.03 to 0.04, in all but the bridge between
# encoder and decoder, where nothing changed.
QUANTIZATIONS = {
    "none": Quantization(
        "float32, as trained",
        min_agreement=0.995,
        min_beam_agreement=0.995,
        min_long_agreement=0.5,
        tolerance=1e-2,
        near_tie=1e-3,  # rounding in float32 may turn such a choice
        max_score_error=1e-3,
    ),
    "float16": Quantization(
        "float16, computed in float32",
        min_agreement=0.995,
        min_beam_agreement=0.9,
        min_long_agreement=0.5,
        tolerance=5e-2,
        near_tie=1e-3,
        max_score_error=5e-3,
    ),
    "int8": Quantization(
        "int8 matrices and embeddings",
        min_agreement=0.9,
        min_beam_agreement=0.6,
        min_long_agreement=0.125,
        tolerance=math.inf,
        near_tie=0.25,
        max_score_error=0.02,
    ),
    "int4": Quantization(
        "int4 matrices, int8 embeddings",
        min_agreement=0.8,
        min_beam_agreement=0.4,
        min_long_agreement=0.125,
        tolerance=math.inf,
        near_tie=1.0,
        max_score_error=0.2,
    ),
}


def get(name: str) -> Quantization:
    """Returns the quantisation of a name.

    Args:
        name: A key of `QUANTIZATIONS`.

    Returns:
        What is known of it.

    Raises:
        ExportError: If there is none of that name.

    Example:

    >>> get("float16").about
    'float16, computed in float32'
    """
    if name not in QUANTIZATIONS:
        near = difflib.get_close_matches(str(name), QUANTIZATIONS, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ExportError(
            f"There is no quantization {name!r}.{hint}",
            f"Choose one of: {', '.join(QUANTIZATIONS)}.",
        )
    return QUANTIZATIONS[name]
