"""A recipe for data that came without one."""

from pathlib import Path

from pipelines.recipe import Recipe
from pipelines.recipe_sections import DataRecipe, ModelRecipe, TrainingRecipe

# The passes over small data that it takes to learn anything: about this many
# pairs should be seen in all.
PAIRS_SEEN = 500_000
# Below this, time is better spent on saying pairs twice (R-Drop): there is less
# to learn from than a model could keep.
FEW_PAIRS = 50_000


def recipe_for(data_path: str | Path, num_pairs: int) -> Recipe:
    """Chooses sizes that suit a corpus.

    The less there is to learn from, the smaller the vocabulary and the
    model, the stronger the dropout, and the more epochs:

    | | below 2,000 pairs | below 20,000 | below 50,000 | more |
    |---|---|---|---|---|
    | units, embeddings | 128 | 192 | 256 | 256 |
    | dropout | 0.4 | 0.3 | 0.2 | 0.2 |
    | batch size | 16 | 32 | 32 | 64 |
    | R-Drop | 1 | 1 | 1 | none |

    Vocabulary: a quarter of the number of pairs, from 200 to 8,000 tokens.
    Epochs: as many as show the model 500,000 pairs, from 10 to 100; early
    stopping ends them before, where more do not help. Warm-up: a twentieth of
    all batches, at most 200. Cells have layer normalisation, and a moving
    average of the weights is kept. Everything else has its default.

    Args:
        data_path: A TSV file of pairs; validation and test are split off.
        num_pairs: Number of usable pairs in it.

    Returns:
        The recipe, named after the file.

    Example:

    >>> recipe = recipe_for("pairs.tsv", num_pairs=5000)
    >>> recipe.model.units, recipe.data.source_vocabulary
    (192, 1200)
    """
    path = Path(data_path).expanduser().resolve()
    if num_pairs < 2000:
        units, dropout, batch_size = 128, 0.4, 16
    elif num_pairs < 20_000:
        units, dropout, batch_size = 192, 0.3, 32
    elif num_pairs < FEW_PAIRS:
        units, dropout, batch_size = 256, 0.2, 32
    else:
        units, dropout, batch_size = 256, 0.2, 64
    vocabulary = min(max(num_pairs // 400 * 100, 200), 8000)
    epochs = min(max(PAIRS_SEEN // max(num_pairs, 1), 10), 100)
    num_batches = max(epochs * num_pairs // batch_size, 1)
    return Recipe(
        name=path.name.split(".")[0] or path.name,
        data=DataRecipe(
            folder=str(path.parent),
            train=path.name,
            source_vocabulary=vocabulary,
            target_vocabulary=vocabulary,
        ),
        model=ModelRecipe(
            cell="layer_norm_gru",
            units=units,
            embedding_dim=units,
            attend="after",
            output_units=units,
            dropout=dropout,
        ),
        training=TrainingRecipe(
            epochs=epochs,
            batch_size=batch_size,
            warmup_steps=min(num_batches // 20, 200),
            # Over a tenth of the training, or a thousand batches.
            average=round(min(0.999, max(1 - 10 / num_batches, 0.0)), 4),
            r_drop=1.0 if num_pairs < FEW_PAIRS else 0.0,
            patience=10,
        ),
    )
