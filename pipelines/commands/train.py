"""The command `train`."""

from pipelines import recipe as recipes
from pipelines.commands import options
from pipelines.terminal import prepare_tensorflow, say


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
        f"Go on with: keras-attention evaluate {run_dir}; "
        f"keras-attention translate {run_dir}; "
        f"tensorboard --logdir {run_dir}"
    )
