"""The whole path in one go: `python -m pipelines.demo`, or `make demo`.

Trains the recipe `demo` in `runs/demo`, evaluates it, shows translations and
what the model looked at, exports it in both formats, and says how to go on.
"""

from __future__ import annotations

import argparse
import functools
import os
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from export.errors import ExportError
from pipelines.cli import PROGRAM, export_run
from pipelines.errors import UserError
from pipelines.recipe import load_recipe, override
from pipelines.terminal import guarded, prepare_tensorflow, progress_bar

if TYPE_CHECKING:
    from pipelines.evaluation.results import Results
    from pipelines.run import Run
    from pipelines.translation import Translation

RECIPE = "demo"
FOLDER = Path("runs") / RECIPE
SHOWN = 6  # translations
MANY_TOKENS = 8  # that a sentence should have, to make a good picture
FORMATS = ("saved_model", "litert")
MODULES = {PROGRAM: "pipelines", "tensorboard": "tensorboard.main"}


def demo(
    run_dir: str | Path = FOLDER,
    fresh: bool = False,
    assignments: Sequence[str] = (),
    console: Console | None = None,
) -> None:
    """Trains, evaluates, shows and exports the demo.

    Args:
        run_dir: The run folder. A training that was stopped goes on; one
            that has ended is used as it is.
        fresh: Delete an earlier run there first.
        assignments: Changes of the recipe, `key=value` each.
        console: Where to print; None for standard output.

    Raises:
        UserError: If the folder holds something else, or cannot be written.
        ExportError: If an export does not agree with the model.
    """
    console = console or Console(highlight=False)
    folder = Path(run_dir)
    start = time.monotonic()
    recipe = override(load_recipe(RECIPE), assignments)
    if fresh:
        _delete(folder)
    prepare_tensorflow()
    from pipelines.evaluate import evaluate
    from pipelines.evaluation.results import results_table
    from pipelines.train import train

    _headline(console, "1. Training")
    run = train(recipe, folder, console=console)
    trained = time.monotonic()

    _headline(console, "2. Evaluation on held-out sentences")
    with progress_bar("translating") as progress:
        results, translations = evaluate(run, "test", progress=progress)
    console.print(results_table(results))
    references = run.corpus("test").targets
    console.print(_translations(run, translations, references))
    picture = _draw(run, translations)
    if picture:
        console.print(f"What the model looked at: {picture}", soft_wrap=True)
    evaluated = time.monotonic()

    _headline(console, "3. Export")
    reports = []
    for name in FORMATS:
        console.print(f"Writing and checking {name} ...")
        reports.append(export_run(run, name))
    seconds = {
        "training": trained - start,
        "evaluation": evaluated - trained,
        "export": time.monotonic() - evaluated,
    }
    _headline(console, "Summary")
    console.print(_summary(run, results, reports, seconds, picture))
    _say_how_to_go_on(console, folder)


def _delete(folder: Path) -> None:
    """Deletes a run folder, and nothing else."""
    if not folder.exists():
        return
    if not (folder / "run.json").is_file():
        raise UserError(
            f"{folder} is not a run folder, so it is not deleted.",
            "Move it away, or choose another --run-dir.",
        )
    shutil.rmtree(folder)


def _headline(console: Console, text: str) -> None:
    console.print()
    console.rule(f"[bold]{text}", align="left")


def _translations(
    run: Run, translations: Sequence[Translation], references: Sequence[str]
) -> Table:
    """A few translations, taken at equal distances."""
    data = run.recipe.data
    table = Table(
        data.source_language,
        data.target_language,
        "a reference",
        title="Some translations",
        title_justify="left",
        show_lines=True,
    )
    number = min(SHOWN, len(translations))
    for index in range(number):
        place = index * len(translations) // number
        one = translations[place]
        # Not as rich's markup: a sentence may hold brackets.
        table.add_row(*map(_plain, (one.source, one.text, references[place])))
    return table


def _plain(text: str) -> Any:
    from rich.text import Text

    return Text(text)


def _draw(run: Run, translations: Sequence[Translation]) -> Path | None:
    """Draws a translation that is surer than others, and not short."""
    from pipelines.plots.heat_map import save_alignment

    usable = [one for one in translations if one.alignments is not None]
    if not usable:
        return None
    best = max(
        usable,
        key=lambda one: (
            min(len(one.source_pieces), MANY_TOKENS),
            one.score / max(len(one.target_pieces), 1),
        ),
    )
    path = run.folder / "alignment.png"
    data = run.recipe.data
    save_alignment(best, path, data.source_language, data.target_language)
    return path


def _summary(
    run: Run,
    results: Results,
    reports: Sequence[Any],
    seconds: dict[str, float],
    picture: Path | None,
) -> Table:
    table = Table(show_header=False)
    table.add_row(
        "quality",
        f"sacreBLEU {results.bleu:.1f}, chrF {results.chrf:.1f} on "
        f"{results.num_sentences:,} held-out sentences",
    )
    for report in reports:
        latency = ", ".join(
            f"{value:.1f} ms ({threads})"
            for threads, value in report.latency_ms.items()
        )
        table.add_row(
            report.format,
            f"{report.size_bytes / 1e6:.1f} MB; {latency} a sentence; "
            f"{report.identical_share:.1%} of its answers are token for "
            "token the model's",
        )
    table.add_row(
        "time",
        ", ".join(f"{name} {value:.0f} s" for name, value in seconds.items()),
    )
    table.add_row("run", str(run.folder))
    if picture:
        table.add_row("picture", str(picture))
    for report in reports:
        table.add_row(report.format, report.path)
    return table


def _say_how_to_go_on(console: Console, folder: Path) -> None:
    program, board = _script(PROGRAM), _script("tensorboard")
    console.print("\nGo on with:")
    for line in (
        f"{program} translate {folder}",
        f'{program} plot {folder} --text "Il pleut." --out rain.png',
        f"{board} --logdir {folder / 'tensorboard'}",
        f"{program} train --data pairs.tsv --run-dir runs/mine",
        f"{program} train multi30k_en_de --run-dir runs/multi30k",
        f"{program} --help",
    ):
        console.print(f"  {line}", soft_wrap=True, markup=False)


def _script(name: str) -> str:
    """How to call a script; `make demo` installs into an idle environment."""
    path = Path(sys.executable).parent / name
    if shutil.which(name) == str(path):
        return name
    if path.exists():
        return min(str(path), os.path.relpath(path), key=len)
    return f"{sys.executable} -m {MODULES[name]}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the demo from a command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m pipelines.demo", description=__doc__
    )
    parser.add_argument(
        "--run-dir", type=Path, default=FOLDER, help="default: %(default)s"
    )
    parser.add_argument(
        "--fresh", action="store_true", help="delete an earlier run first"
    )
    parser.add_argument(
        "--set",
        dest="assignments",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change a key of the recipe",
    )
    options = parser.parse_args(arguments)
    run = functools.partial(demo, **vars(options))
    return guarded(run, errors=(ExportError,))()


if __name__ == "__main__":
    sys.exit(main())
