"""The command `evaluate`."""

from typing import Annotated

import typer

from pipelines.commands import options
from pipelines.commands import search as searching
from pipelines.errors import UserError
from pipelines.evaluation.measures import TOKENIZERS, Scoring
from pipelines.search_options import SearchOptions
from pipelines.terminal import output_console, progress_bar, say

Tokenize = Annotated[
    str,
    typer.Option(
        metavar="|".join(TOKENIZERS),
        help="How sacreBLEU finds words; none for data that is tokenised "
        "already: comparable with multi-bleu.",
    ),
]
Lowercase = Annotated[
    bool, typer.Option("--lowercase", help="BLEU and chrF without case.")
]


def evaluate(
    folder: options.RunFolder,
    split: options.Split = "test",
    beam_size: searching.BeamSize = None,
    length_penalty: searching.LengthPenalty = None,
    coverage_penalty: searching.CoveragePenalty = None,
    widths: searching.Widths = None,
    limit: options.Limit = 0,
    shuffle_memories: options.ShuffleMemories = False,
    batch_size: options.BatchSize = 32,
    tokenize: Tokenize = "13a",
    lowercase: Lowercase = False,
) -> None:
    """Translate the test set and score the translations.

    Prints sacreBLEU and chrF with their signatures (of pronunciations: word
    and phone error rate), perplexity and speed, and writes results.json and
    translations.SPLIT.txt into the run folder (of other settings than the
    recipe's, a file with another name). --widths compares beam sizes instead,
    and writes results.json only.

    \b
    keras-attention evaluate runs/demo
    keras-attention evaluate runs/demo --split validation --beam-size 1
    keras-attention evaluate runs/demo --widths 1,2,5,10
    keras-attention evaluate runs/tokenised --tokenize none
    """
    scoring = Scoring(tokenize, lowercase)
    how = SearchOptions(
        beam_size=beam_size,
        length_penalty=length_penalty,
        coverage_penalty=coverage_penalty,
    )
    sizes = _read_widths(widths)
    if sizes and (beam_size is not None or shuffle_memories):
        other = "--shuffle-memories" if shuffle_memories else "--beam-size"
        raise UserError(
            f"--widths and {other} exclude each other.", "Leave one out."
        )
    run = options.load_run(folder)
    from pipelines import evaluate as evaluating
    from pipelines.evaluation.results import results_table, widths_table

    with progress_bar("translating") as progress:
        if sizes:
            compared = evaluating.compare_widths(
                run,
                sizes,
                split,
                how,
                limit=limit,
                batch_size=batch_size,
                scoring=scoring,
                progress=progress,
            )
            table = widths_table(compared)
        else:
            results, _ = evaluating.evaluate(
                run,
                split,
                how,
                limit=limit,
                shuffle_memories=shuffle_memories,
                batch_size=batch_size,
                scoring=scoring,
                progress=progress,
            )
            table = results_table(results)
    corpus = run.corpus(split)
    if corpus.problems:
        say(corpus.report())
    output_console().print(table)


def _read_widths(text: str | None) -> list[int]:
    """Reads "1,2,5"; each number once, in their order."""
    if text is None:
        return []
    try:
        sizes = [int(part) for part in text.split(",")]
    except ValueError:
        sizes = [0]
    if min(sizes) < 1:
        raise UserError(
            f"--widths are beam sizes with commas between them, 1 or larger. "
            f"Received: {text}.",
            "Write for instance --widths 1,2,5,10.",
        )
    return list(dict.fromkeys(sizes))
