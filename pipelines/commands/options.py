"""What the commands of the command line take."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines import recipe as recipes
from pipelines.data.corpus import read_parallel
from pipelines.errors import UserError
from pipelines.recipe import Recipe
from pipelines.recipe_sizes import recipe_for
from pipelines.terminal import prepare_tensorflow

if TYPE_CHECKING:
    from pipelines.run import Run

RunFolder = Annotated[Path, typer.Argument(metavar="DIR", help="A run folder.")]
BatchSize = Annotated[int, typer.Option(min=1, help="Sentences at a time.")]

# train
NewRunFolder = Annotated[
    Path, typer.Option(metavar="DIR", help="Folder of the run: new, or begun.")
]
RecipeName = Annotated[
    str | None,
    typer.Argument(metavar="RECIPE", help="Name of a recipe, or a file."),
]
DataFile = Annotated[
    Path | None,
    typer.Option(
        metavar="TSV",
        help="Your own pairs instead of a recipe: lines source<TAB>target; "
        "may be gzipped.",
    ),
]
SourceFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Your own sources, a line each; with --target."
    ),
]
TargetFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Their translations.")
]
Assignments = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Change a key of the recipe; may be given again.",
    ),
]

# evaluate
Split = Annotated[str, typer.Option(help="train, validation or test.")]
Limit = Annotated[
    int, typer.Option(min=0, help="Use the first pairs only; 0: all.")
]
ShuffleMemories = Annotated[
    bool,
    typer.Option(
        "--shuffle-memories",
        help="Let each sentence look at another one: the more BLEU falls, "
        "the more attention does.",
    ),
]

# export
Format = Annotated[
    str, typer.Option(help="saved_model, litert or litert_buckets.")
]
ExportPath = Annotated[
    Path | None,
    typer.Option(
        metavar="PATH",
        help="Where to. Default: DIR/export/NAME.tflite (NAME.int8.tflite with "
        "--quantize int8, NAME.buckets.tflite for litert_buckets), or the "
        "folder DIR/export/NAME, which gets a folder for the version, 1; PATH "
        "may name another, as in models/NAME/2. An earlier export is "
        "replaced.",
    ),
]
CheckFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Sentences to compare on, a line each. Default: the run's test "
        "set.",
    ),
]
CheckLines = Annotated[
    int, typer.Option(min=1, help="Most sentences to compare on.")
]
Overwrite = Annotated[
    bool,
    typer.Option(
        "--overwrite",
        help="Replace whatever stands at PATH, not only an earlier export.",
    ),
]
Quantize = Annotated[
    str,
    typer.Option(
        metavar="HOW",
        help="Of litert: none, float16 (half the size), int8 (a quarter, and "
        "faster) or int4 (a fifth, faster still, less exact).",
    ),
]
Xla = Annotated[
    bool,
    typer.Option(
        "--xla",
        help="Of saved_model: compile its searches with XLA. About twice as "
        "fast, sentence by sentence; the first call of each size takes "
        "seconds.",
    ),
]

# plot
Text = Annotated[str, typer.Option(help="The sentence to translate.")]
PicturePath = Annotated[
    Path,
    typer.Option(metavar="FILE", help="Picture: .png, .svg, .pdf or .jpg."),
]


def load_run(folder: Path) -> "Run":
    """Loads a run, after what can be said of it without TensorFlow."""
    prepare_tensorflow()
    from pipelines.run import load

    return load(folder)


def choose_recipe(
    name: str | None,
    data: Path | None,
    source: Path | None,
    target: Path | None,
) -> Recipe:
    """The recipe that was named, or one for someone's own data."""
    pair = [path for path in (source, target) if path is not None]
    if sum([name is not None, data is not None, bool(pair)]) != 1:
        raise UserError(
            "Say what to train on, in one way.",
            "Give a recipe, or --data pairs.tsv, or --source FILE --target "
            "FILE. `keras-attention recipes` lists recipes.",
        )
    if name is not None:
        return recipes.load_recipe(name)
    if data is not None:
        return recipe_for(data, len(read_parallel(data)))
    if source is None or target is None:
        raise UserError(
            "--source and --target belong together.", "Give both files."
        )
    chosen = recipe_for(source, len(read_parallel((source, target))))
    files = (str(source.resolve()), str(target.resolve()))
    return dataclasses.replace(
        chosen, data=dataclasses.replace(chosen.data, train=files)
    )
