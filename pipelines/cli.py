"""The command line: `keras-attention`, also `python -m pipelines`.

TensorFlow and Keras are imported inside the commands, so that `--help` and
errors in what was typed answer at once.
"""

import dataclasses
import functools
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from export.errors import ExportError, VerificationError
from pipelines.commands import evaluate, options, show, train, translate
from pipelines.errors import UserError
from pipelines.files import read_lines
from pipelines.terminal import fail, guarded, show_line, version

if TYPE_CHECKING:
    from export.settings import ExportSettings
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
    keras-attention score runs/demo --data a.tsv    how likely pairs are
    keras-attention plot runs/demo --text "Il pleut." --out rain.png
    keras-attention export runs/demo --format litert

    COMMAND --help says more.
    """


app.command()(command(train.train))
app.command()(command(evaluate.evaluate))
app.command()(command(translate.translate))
app.command()(command(translate.score))


@app.command()
@command
def export(
    folder: options.RunFolder,
    format: options.Format,
    out: options.ExportPath = None,
    check_on: options.CheckFile = None,
    check_lines: options.CheckLines = CHECKED,
    overwrite: options.Overwrite = False,
    quantize: options.Quantize = "none",
    xla: options.Xla = False,
) -> None:
    """Write a file that translates without this project, and check it.

    saved_model is for servers: sentences in, sentences out, in any process
    that has tensorflow and tensorflow_text. litert is for devices: one file,
    run by ai-edge-litert without TensorFlow (see export.runtime).
    litert_buckets is the same for runtimes that need fixed sizes: web pages
    (see examples/browser) and LiteRT's CompiledModel. All are run in a fresh
    process and compared with the model; if they do not agree, nothing is
    written.

    \b
    keras-attention export runs/demo --format litert
    keras-attention export runs/demo --format litert --quantize int8
    keras-attention export runs/demo --format saved_model --out model
    keras-attention export runs/demo --format saved_model --xla
    """
    from export import exporters

    exporters.check(format, quantize, xla)
    lines = _check_lines(check_on) if check_on else None
    run = options.load_run(folder)
    report = export_run(
        run, format, out, lines, check_lines, overwrite, quantize, xla
    )
    _print_report(report)


app.command()(command(show.plot))
app.command(name="recipes")(command(show.list_recipes))


def export_run(
    run: "Run",
    format: str,
    out: Path | None = None,
    sentences: Sequence[str] | None = None,
    limit: int = CHECKED,
    overwrite: bool = False,
    quantize: str = "none",
    xla: bool = False,
) -> Any:
    """Exports a run with the settings of its recipe.

    Args:
        run: A trained run.
        format: A key of `export.exporters.EXPORTERS`.
        out: Where to; None for a place in the run folder.
        sentences: Sentences to compare on; None for the test set.
        limit: Most sentences to compare on.
        overwrite: Replace whatever stands there, not only an earlier export.
        quantize: How a LiteRT file stores its weights; see
            `export.quantizations`.
        xla: Compile a SavedModel's searches with XLA.

    Returns:
        The `export.report.Report`, also written beside the artifact, as JSON
        and as Markdown.
    """
    from export.exporters import export_model
    from pipelines import task as tasks
    from pipelines.evaluation.measures import Scoring

    if run.recipe.model.architecture == "transformer":
        raise ExportError(
            "A Transformer cannot be exported: its states grow with each step.",
            'Train a run with model.architecture="recurrent".',
        )
    name = re.sub(r"[^\w.-]+", "_", run.recipe.name) or "model"
    place = run.folder / "export"
    # Each way to store weights has a file of its own, beside the others.
    kind = "" if quantize == "none" else f".{quantize}"
    names = {
        # Even if the name is a number, which would be taken for a version.
        "saved_model": f"{name}/1",
        "litert": f"{name}{kind}.tflite",
        "litert_buckets": f"{name}.buckets{kind}.tflite",
    }
    references = None
    if sentences is None:
        measures = tasks.get(run.recipe.task).measures(Scoring())
        sentences, listed = measures.questions(run.corpus("test"))
        if measures.has_bleu:
            references = [one[0] for one in listed[:limit]]
    artifact = out or place / names.get(format, format)
    written = f"{out or place / (format + kind)}.report"
    try:
        report = export_model(
            format,
            run.model,
            artifact,
            source_tokenizer=run.source_tokenizer,
            target_tokenizer=run.target_tokenizer,
            settings=export_settings(run, quantize, xla),
            sentences=sentences[:limit],
            overwrite=overwrite,
            references=references,
        )
    except VerificationError as error:
        # Not in the place of the report on an artifact that is there.
        failed = f"{written}.failed"
        dataclasses.replace(error.report, path=str(artifact)).write(failed)
        raise ExportError(
            f"{error.message} What differs stands in {failed}.md.", error.remedy
        ) from None
    report.write(written)
    return report


def export_settings(
    run: "Run", quantize: str = "none", xla: bool = False
) -> "ExportSettings":
    """What an artifact of a run is told: its recipe's limits and search.

    Args:
        run: A trained run.
        quantize: How a LiteRT file stores its weights.
        xla: Compile a SavedModel's searches with XLA.

    Returns:
        The settings.
    """
    from export.settings import ExportSettings

    data, search = run.recipe.data, run.recipe.search
    return ExportSettings(
        max_source_len=data.max_source_len,
        max_target_len=data.max_target_len,
        max_length_factor=search.max_length_factor,
        max_length_extra=search.max_length_extra,
        beam_size=search.beam_size,
        length_penalty=search.length_penalty,
        coverage_penalty=search.coverage_penalty,
        name=run.recipe.name,
        source_language=data.source_language,
        target_language=data.target_language,
        quantize=quantize,
        xla=xla,
    )


def _print_report(report: Any) -> None:
    """Prints size, latency, agreement, and every answer that differs."""
    show_line(report.to_line())
    for one in report.agreements:
        show_line(
            f"  {one.check}: {one.num_identical:,} of {one.num_sentences:,} "
            f"identical, {one.num_agreeing:,} agree, scores within "
            f"{one.max_score_difference:.0e}"
        )
    for one in report.differences:
        kind = "a near tie" if one.near_tie else "different"
        show_line(f"  {one.check}, {kind}: {one.sentence}")
        show_line(f"    model:    {one.expected}")
        show_line(f"    artifact: {one.answer}")


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
    status: Any = 0

    def run() -> None:
        nonlocal status
        try:
            status = app(
                args=arguments or ["--help"],
                prog_name=PROGRAM,
                standalone_mode=False,
            )
        except SystemExit:
            # Typer's answer to a reader of its help that has seen enough.
            raise BrokenPipeError from None

    try:
        # Help is printed by Click, and may meet a full disk, too.
        failed = guarded(run)()
    except Exception as error:
        # Click's errors, wherever Typer has them from.
        explain = getattr(error, "format_message", None)
        if explain is None:
            raise
        context = getattr(error, "ctx", None)
        path = context.command_path if context else PROGRAM
        return fail(f"{explain().rstrip('.')}. See `{path} --help`.")
    status = failed or status
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
