"""What the commands take that say how to search, and how to print."""

from pathlib import Path
from typing import Annotated, Any

import typer


def _option(text: str, metavar: str, *names: str) -> Any:
    """An option whose help says its default itself."""
    return typer.Option(*names, metavar=metavar, help=text, show_default=False)


BeamSize = Annotated[
    int | None,
    _option(
        "Hypotheses kept; 1 is greedy, the fastest. "
        "Default: the recipe's search.beam_size.",
        "N",
    ),
]
LengthPenalty = Annotated[
    float | None,
    _option(
        "Favours long translations the more, the higher. "
        "Default: the recipe's search.length_penalty.",
        "X",
    ),
]
CoveragePenalty = Annotated[
    float | None,
    _option(
        "Favours translations of all of the source; try 0.2. "
        "Default: the recipe's search.coverage_penalty.",
        "X",
    ),
]
MinLength = Annotated[int, _option("Least tokens, the end counted.", "N")]
MinRatio = Annotated[
    float, _option("Least tokens for each token of the source.", "X")
]
MaxLength = Annotated[
    int | None,
    _option("Most tokens. Default: the recipe's data.max_target_len.", "N"),
]
MaxRatio = Annotated[
    float | None,
    _option(
        "Most tokens for each token of the source. Default: the recipe's "
        "search.max_length_factor, and max_length_extra more.",
        "X",
    ),
]
NoRepeatNgram = Annotated[int, _option("Say no N tokens in a row twice.", "N")]
Require = Annotated[
    list[str] | None,
    _option("A word or phrase that must appear; may be given again.", "WORDS"),
]
Forbid = Annotated[
    list[str] | None,
    _option(
        "A word or phrase that must not appear, in its usual pieces; may be "
        "given again.",
        "WORDS",
    ),
]
Prefix = Annotated[
    str, _option("What each translation must begin with.", "TEXT")
]
Sample = Annotated[
    bool,
    typer.Option(
        "--sample", help="Draw translations instead of searching the best."
    ),
]
Temperature = Annotated[
    float | None,
    _option(
        "With --sample: below 1 is nearer to the likeliest, above 1 wilder. "
        "Default: 1.",
        "X",
    ),
]
TopK = Annotated[
    int | None, _option("With --sample: from the N likeliest tokens.", "N")
]
TopP = Annotated[
    float | None,
    _option(
        "With --sample: from the fewest tokens that have this much of the "
        "probability.",
        "X",
    ),
]
Seed = Annotated[
    int | None,
    _option(
        "With --sample: another one draws others; the same, the same. "
        "Default: 0.",
        "N",
    ),
]

Nbest = Annotated[
    int,
    _option(
        "The N best of each sentence that differ, as a table; a larger "
        "--beam-size may find more.",
        "N",
    ),
]
Scores = Annotated[
    bool,
    typer.Option("--scores", help="Print scores too, as a table."),
]
Alignments = Annotated[
    bool,
    typer.Option(
        "--alignments", help="Print what was looked at too, as JSON lines."
    ),
]
LineFormat = Annotated[
    str | None,
    _option(
        "text: a line each. tsv: line, rank, score, text. json: an object a "
        "line. Default: what holds all that is asked for.",
        "text|tsv|json",
    ),
]
Widths = Annotated[
    str | None,
    _option(
        "Compare beam sizes, for instance 1,2,5,10: mean score and BLEU of "
        "each.",
        "N,N,...",
    ),
]
Pairs = Annotated[
    Path | None,
    _option("Pairs to score: lines source<TAB>target.", "TSV", "--data"),
]
Sources = Annotated[
    Path | None,
    _option("Sources, a line each; with --target.", "FILE", "--source"),
]
Targets = Annotated[
    Path | None, _option("Their translations.", "FILE", "--target")
]
