"""The commands `translate` and `score`."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from pipelines.commands import options
from pipelines.commands import search as searching
from pipelines.commands.translation_lines import (
    choose_lines,
    choose_score_lines,
    truncation,
)
from pipelines.data.corpus import Corpus, read_parallel
from pipelines.errors import UserError
from pipelines.search_options import SearchOptions
from pipelines.terminal import input_bytes, output_bytes, progress_bar, say
from pipelines.translation import Translation

PAIRS_AT_ONCE = 4096  # that are scored before they are printed


def translate(
    folder: options.RunFolder,
    beam_size: searching.BeamSize = None,
    length_penalty: searching.LengthPenalty = None,
    coverage_penalty: searching.CoveragePenalty = None,
    min_length: searching.MinLength = 0,
    min_ratio: searching.MinRatio = 0.0,
    max_length: searching.MaxLength = None,
    max_ratio: searching.MaxRatio = None,
    no_repeat_ngram: searching.NoRepeatNgram = 0,
    require: searching.Require = None,
    forbid: searching.Forbid = None,
    prefix: searching.Prefix = "",
    sample: searching.Sample = False,
    temperature: searching.Temperature = None,
    top_k: searching.TopK = None,
    top_p: searching.TopP = None,
    seed: searching.Seed = None,
    nbest: searching.Nbest = 1,
    scores: searching.Scores = False,
    alignments: searching.Alignments = False,
    format: searching.LineFormat = None,
    batch_size: options.BatchSize = 32,
) -> None:
    """Translate standard input to standard output, a line each.

    At a terminal, type sentences; Ctrl-D ends. Empty lines stay empty.
    docs/search.md says more of the ways to search.

    \b
    keras-attention translate runs/demo
    keras-attention translate runs/demo < french.txt > english.txt
    echo "Il pleut." | keras-attention translate runs/demo --nbest 3
    keras-attention translate runs/demo --alignments < french.txt > all.jsonl
    keras-attention translate runs/demo --sample --top-p 0.9 < french.txt
    """
    how = SearchOptions(
        beam_size=beam_size,
        num_results=nbest,
        length_penalty=length_penalty,
        coverage_penalty=coverage_penalty,
        min_length=min_length,
        min_ratio=min_ratio,
        max_length=max_length,
        max_ratio=max_ratio,
        no_repeat_ngram=no_repeat_ngram,
        require=tuple(require or ()),
        forbid=tuple(forbid or ()),
        prefix=prefix,
        sample=sample,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        seed=seed,
    )
    lines = choose_lines(format, nbest, scores, alignments)
    read, written = input_bytes(), output_bytes()
    run = options.load_run(folder)
    from pipelines.stream import translate_stream

    name = run.recipe.data.source_language
    interactive = sys.stdin.isatty()

    def prompt() -> None:
        if sys.stderr is not None:  # It is, where it was closed.
            sys.stderr.write(f"{name}> ")
            sys.stderr.flush()

    translate_stream(
        run,
        read,
        written,
        warn=say,
        prompt=prompt if interactive else None,
        options=how,
        batch_size=batch_size,
        lines=lines,
    )
    if interactive:
        say("")


def score(
    folder: options.RunFolder,
    data: searching.Pairs = None,
    source: searching.Sources = None,
    target: searching.Targets = None,
    alignments: searching.Alignments = False,
    format: searching.LineFormat = None,
    batch_size: options.BatchSize = 32,
) -> None:
    """Say how likely the model finds given translations.

    Prints the log-probability of each, in nats: to find pairs that do not
    belong together, or to choose among translations. text: the number alone,
    a line each. tsv: line, score, number of tokens. json: an object a line.

    \b
    keras-attention score runs/demo --data pairs.tsv
    keras-attention score runs/demo --source a.fr --target a.en --format tsv
    """
    lines = choose_score_lines(format, alignments)
    written = output_bytes()
    corpus = _read_pairs(data, source, target)
    run = options.load_run(folder)
    from pipelines.evaluation.scoring import score as score_pairs

    if corpus.problems:
        say(corpus.report())
    bad = {problem.line_number for problem in corpus.problems}

    # At a terminal the numbers themselves show how it gets on.
    shown = sys.stdout.isatty()
    at_once = 4 * batch_size if shown else PAIRS_AT_ONCE

    def scored(progress: Callable[[int], None] | None) -> Iterator[Translation]:
        for first in range(0, len(corpus), at_once):
            group = slice(first, first + at_once)
            yield from score_pairs(
                run,
                corpus.sources[group],
                corpus.targets[group],
                batch_size=batch_size,
                keep_alignments=alignments,
                progress=progress,
            )

    with contextlib.nullcontext() if shown else progress_bar("scoring") as bar:
        following = scored(bar)
        for number in range(1, len(corpus) + len(bad) + 1):
            pair = None if number in bad else next(following)
            if pair and pair.truncated:
                say(truncation(number, run.recipe.data.max_source_len))
            for line in lines(number, pair):
                written.write(line.encode("utf-8", "replace") + b"\n")
            if shown:
                written.flush()
    written.flush()


def _read_pairs(
    data: Path | None, source: Path | None, target: Path | None
) -> Corpus:
    """The pairs that were named in one of two ways."""
    pair = [path for path in (source, target) if path is not None]
    if (data is None) == (not pair) or len(pair) == 1:
        raise UserError(
            "Say what to score, in one way.",
            "Give --data pairs.tsv, or --source FILE --target FILE.",
        )
    return read_parallel(pair if data is None else data)
