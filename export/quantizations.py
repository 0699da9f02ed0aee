"""How a LiteRT file's weights may be stored, by name. Plain Python only."""

import dataclasses
import difflib

from export.errors import ExportError


@dataclasses.dataclass(frozen=True)
class Quantization:
    """One way to store weights.

    Args:
        about: What is stored how, in a few words, for people.
        min_agreement: Share of the answers that must be the model's own
            before an export counts as verified.
        tolerance: How far the scores (nats) and the alignments of such an
            answer may be from the model's.
    """

    about: str
    min_agreement: float
    tolerance: float


# Full-integer quantisation is not among them: the converter ends its process
# on every graph with a loop.
QUANTIZATIONS = {
    "none": Quantization("float32, as trained", 0.995, 1e-2),
    "float16": Quantization("float16, computed in float32", 0.995, 5e-2),
    "int8": Quantization("int8 matrices and embeddings", 0.5, float("inf")),
    "int4": Quantization("int4 matrices, int8 embeddings", 0.1, float("inf")),
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
