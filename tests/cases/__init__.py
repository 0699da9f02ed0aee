"""One table of tiny cases; the conformance tests sweep all of them.

A new piece gets its reference in `pieces.py` and a line in `attentions.py`;
without them `conformance/test_every_piece_has_a_case.py` fails.
"""

import pytest

from tests.cases.attentions import ATTENTIONS, NAMED_ATTENTIONS
from tests.cases.case import (
    BATCH,
    HIDDEN,
    MEMORY,
    QUERY,
    SOURCE,
    SOURCE_VOCABULARY,
    TARGET,
    UNITS,
    VECTOR,
    VOCABULARY,
)
from tests.cases.decoders import (
    CELL_ATTENTIONS,
    CELLS,
    DECODER_CASES,
    DECODERS,
    ENCODERS,
    QUICK_DECODERS,
    REPRESENTATIVE_DECODERS,
    Decoder,
)
from tests.cases.models import MODELS, make_float_model, make_token_model
from tests.cases.pieces import (
    EQUAL_WIDTHS,
    REFERENCE_NORMALIZERS,
    REFERENCE_SCORES,
    REFERENCE_WINDOWS,
    reference_attention,
    reference_pieces,
)
from tests.tensors import numpy, randomize

__all__ = [
    "ATTENTIONS",
    "BATCH",
    "CASES",
    "CELLS",
    "CELL_ATTENTIONS",
    "DECODERS",
    "DECODER_CASES",
    "ENCODERS",
    "EQUAL_WIDTHS",
    "HIDDEN",
    "MEMORY",
    "MODELS",
    "NAMED_ATTENTIONS",
    "QUERY",
    "QUICK_DECODERS",
    "REFERENCE_NORMALIZERS",
    "REFERENCE_SCORES",
    "REFERENCE_WINDOWS",
    "REPRESENTATIVE",
    "REPRESENTATIVE_DECODERS",
    "SOURCE",
    "SOURCE_VOCABULARY",
    "TARGET",
    "UNITS",
    "VECTOR",
    "VOCABULARY",
    "WITH_ALIGNMENTS",
    "Decoder",
    "make_float_model",
    "make_token_model",
    "name_of",
    "numpy",
    "randomize",
    "reference_attention",
    "reference_pieces",
    "sweep",
]

CASES = [*ATTENTIONS, *DECODER_CASES, *ENCODERS, *MODELS]
WITH_ALIGNMENTS = [case for case in CASES if case.has_alignments]
REPRESENTATIVE = [case for case in CASES if case.representative]


def sweep(selected):
    """Parameters for a sweep: those that are not quick are marked slow."""
    return [
        pytest.param(
            case, id=case.name, marks=[] if case.quick else [pytest.mark.slow]
        )
        for case in selected
    ]


def name_of(case):
    """For `pytest.mark.parametrize(..., ids=name_of)`."""
    return case.name
