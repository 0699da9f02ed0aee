"""The command line: `keras-attention`, also `python -m pipelines`.

TensorFlow and Keras are imported inside the commands, so that `--help` and
errors in what was typed answer at once.
"""

import functools
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from export.errors import ExportError
from pipelines import cli_options as options
from pipelines import recipe as recipes
from pipelines.errors import UserError
from pipelines.files import read_lines, write_whole
from pipelines.terminal import (
    fail,
    guarded,
    prepare_tensorflow,
    progress_bar,
    say,
    version,
)

if TYPE_CHECKING:
    from pipelines.run import Run

PROGRAM = "keras-attention"
CHECKED = 1000  # sentences that an export is compared on

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
command = functools.partial(guarded, errors=(ExportError,))


@app.callback()
def common(
    show_version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.")
    ] = False,
) -> None:
    """Learn to translate from pairs of sentences, and take the model along.

    \b
    keras-attention recipes                         what can be trained
    keras-attention train demo --run-dir runs/demo  train, or go on
    keras-attention evaluate runs/demo              BLEU, chrF, perplexity
    keras-attention translate runs/demo             type sentences
    keras-attention plot runs/demo --text "Il pleut." --out rain.png
    keras-attention export runs/demo --format litert

    COMMAND --help says more.
    """


@app.command()
@command
def train(
    run_dir: options.NewRunFolder,
    recipe: options.RecipeName = None,
    data: options.DataFile = None,
    source: options.SourceFile = None,
    target: options.TargetFile = None,
    assignments: options.Assignments = None,
) -> None:
    """Train a run, or go on with one.

    The same command goes on with a training that was stopped, by Ctrl-C, by
    a crash or by a time limit. Your own data need no recipe: validation and
    test pairs are split off, and sizes are chosen that suit their number.

    \b
    keras-attention train demo --run-dir runs/demo
    keras-attention train demo --run-dir runs/gru --set model.cell=gru
    keras-attention train --data pairs.tsv --run-dir runs/mine
    keras-attention train --source a.en --target a.de --run-dir runs/mine
    """
    chosen = recipes.override(
        options.choose_recipe(recipe, data, source, target), assignments or []
    )
    prepare_tensorflow()
    from pipelines.train import train as train_run

    train_run(chosen, run_dir)
    say(
        f"Go on with: {PROGRAM} evaluate {run_dir}; {PROGRAM} translate "
        f"{run_dir}; tensorboard --logdir {run_dir}"
    )


@app.command()
@command
def evaluate(
    folder: options.RunFolder,
    split: options.Split = "test",
    beam_size: options.BeamSize = None,
    length_penalty: options.LengthPenalty = None,
    limit: options.Limit = 0,
    shuffle_memories: options.ShuffleMemories = False,
    batch_size: options.BatchSize = 32,
) -> None:
    """Translate the test set and score the translations.

    Prints sacreBLEU and chrF with their signatures, perplexity and speed, and
    writes results.json and translations.SPLIT.txt into the run folder.

    \b
    keras-attention evaluate runs/demo
    keras-attention evaluate runs/demo --split validation --beam-size 1
    """
    run = _load(folder)
    from rich.console import Console

    from pipelines.evaluate import evaluate as evaluate_run
    from pipelines.results import results_table

    with progress_bar("translating") as progress:
        results, _ = evaluate_run(
            run,
            split,
            beam_size=beam_size,
            length_penalty=length_penalty,
            limit=limit,
            shuffle_memories=shuffle_memories,
            batch_size=batch_size,
            progress=progress,
        )
    corpus = run.corpus(split)
    if corpus.problems:
        say(corpus.report())
    Console().print(results_table(results))


@app.command()
@command
def translate(
    folder: options.RunFolder,
    beam_size: options.BeamSize = None,
    batch_size: options.BatchSize = 32,
) -> None:
    """Translate standard input to standard output, a line each.

    At a terminal, type sentences; Ctrl-D ends. Empty lines stay empty.

    \b
    keras-attention translate runs/demo
    keras-attention translate runs/demo < french.txt > english.txt
    echo "Il pleut." | keras-attention translate runs/demo --beam-size 1
    """
    run = _load(folder)
    from pipelines.stream import translate_stream

    name = run.recipe.data.source_language
    interactive = sys.stdin.isatty()

    def prompt() -> None:
        sys.stderr.write(f"{name}> ")
        sys.stderr.flush()

    translate_stream(
        run,
        sys.stdin.buffer,
        sys.stdout.buffer,
        warn=say,
        prompt=prompt if interactive else None,
        beam_size=beam_size,
        batch_size=batch_size,
    )
    if interactive:
        say("")


@app.command()
@command
def export(
    folder: options.RunFolder,
    format: options.Format,
    out: options.ExportPath = None,
    check_on: options.CheckFile = None,
    check_lines: options.CheckLines = CHECKED,
    overwrite: options.Overwrite = False,
) -> None:
    """Write a file that translates without this project, and check it.

    saved_model is for servers: sentences in, sentences out, in any process
    that has tensorflow and tensorflow_text. litert is for devices: one file,
    run by ai-edge-litert without TensorFlow (see export.runtime). Both are
    run in a fresh process and compared with the model; if they do not agree,
    nothing is written.

    \b
    keras-attention export runs/demo --format litert
    keras-attention export runs/demo --format saved_model --out model
    """
    from export import exporters

    exporters.get(format)
    lines = _check_lines(check_on) if check_on else None
    run = _load(folder)
    report = export_run(run, format, out, lines, check_lines, overwrite)
    _print_report(report)


@app.command()
@command
def plot(
    folder: options.RunFolder,
    text: options.Text,
    out: options.PicturePath,
    beam_size: options.BeamSize = None,
) -> None:
    """Draw what the model looked at while it translated a sentence.

    \b
    keras-attention plot runs/demo --text "Il pleut." --out rain.png
    """
    from pipelines.plot import picture_format, save_alignment

    picture_format(out)
    run = _load(folder)
    names = run.recipe.data
    [translation] = run.translate([text], beam_size=beam_size)
    save_alignment(
        translation, out, names.source_language, names.target_language
    )
    print(translation.text)
    say(f"The picture is {out}.")


@app.command(name="recipes")
@command
def list_recipes() -> None:
    """List the recipes that come along, and all keys of a recipe.

    \b
    keras-attention recipes | less
    """
    from rich.console import Console

    from pipelines.listing import print_recipes

    print_recipes(Console())


def export_run(
    run: "Run",
    format: str,
    out: Path | None = None,
    sentences: Sequence[str] | None = None,
    limit: int = CHECKED,
    overwrite: bool = False,
) -> Any:
    """Exports a run with the settings of its recipe.

    Args:
        run: A trained run.
        format: A key of `export.exporters.EXPORTERS`.
        out: Where to; None for a place in the run folder.
        sentences: Sentences to compare on; None for the test set.
        limit: Most sentences to compare on.
        overwrite: Replace whatever stands there, not only an earlier export.

    Returns:
        The `export.report.Report`, also written as JSON beside an artifact
        in the run folder.
    """
    from export.exporters import export_model
    from export.settings import ExportSettings

    data, search = run.recipe.data, run.recipe.search
    name = re.sub(r"[^\w.-]+", "_", run.recipe.name) or "model"
    place = run.folder / "export"
    names = {"litert": f"{name}.tflite"}
    if sentences is None:
        sentences = run.corpus("test").sources
    report = export_model(
        format,
        run.model,
        out or place / names.get(format, format),
        source_tokenizer=run.source_tokenizer,
        target_tokenizer=run.target_tokenizer,
        settings=ExportSettings(
            max_source_len=data.max_source_len,
            max_target_len=data.max_target_len,
            max_length_factor=search.max_length_factor,
            max_length_extra=search.max_length_extra,
            beam_size=search.beam_size,
            length_penalty=search.length_penalty,
            name=run.recipe.name,
            source_language=data.source_language,
            target_language=data.target_language,
        ),
        sentences=sentences[:limit],
        overwrite=overwrite,
    )
    if out is None:
        text = json.dumps(report.to_json(), indent=2, ensure_ascii=False)
        write_whole(place / f"{format}.report.json", text.encode() + b"\n")
    return report


def _print_report(report: Any) -> None:
    """Prints size, latency, agreement, and every answer that differs."""
    print(report.to_line())
    for one in report.agreements:
        print(
            f"  {one.check}: {one.num_identical:,} of {one.num_sentences:,} "
            f"identical, {one.num_agreeing:,} agree, scores within "
            f"{one.max_score_difference:.0e}"
        )
    for one in report.differences:
        kind = "a near tie" if one.near_tie else "different"
        print(f"  {one.check}, {kind}: {one.sentence}")
        print(f"    model:    {one.expected}\n    artifact: {one.answer}")


def run_command(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line.

    Args:
        arguments: What stands after the program's name; None for what this
            process was given.

    Returns:
        The exit status: 0, 2 after a user's error, 130 after Ctrl-C.

    Example:

    >>> run_command(["train", "demo"])
    2
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if arguments == ["--version"]:
        return guarded(lambda: print(f"{PROGRAM} {version()}"))()
    try:
        status = app(
            args=arguments or ["--help"],
            prog_name=PROGRAM,
            standalone_mode=False,
        )
    except Exception as error:
        # Click's errors, wherever Typer has them from.
        explain = getattr(error, "format_message", None)
        if explain is None:
            raise
        context = getattr(error, "ctx", None)
        path = context.command_path if context else PROGRAM
        return fail(f"{explain().rstrip('.')}. See `{path} --help`.")
    return status if isinstance(status, int) else 0


def main() -> None:
    """The console script `keras-attention`."""
    sys.exit(run_command())


def _check_lines(path: Path) -> list[str]:
    """Reads sentences to compare an export on."""
    lines = [line for line in read_lines(path) if line and line.strip()]
    if not lines:
        raise UserError(f"{path} has no sentence.", "Give one a line.")
    return lines


def _load(folder: Path) -> "Run":
    """Loads a run, after what can be said of it without TensorFlow."""
    prepare_tensorflow()
    from pipelines.run import load

    return load(folder)
