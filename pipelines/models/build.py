"""From a recipe to a model."""

import contextlib
import dataclasses
import warnings
from collections.abc import Iterator

import keras

import keras_attention
from keras_attention import scores
from keras_attention.recurrent_cells import CELLS
from pipelines.errors import UserError
from pipelines.models.transformer import Transformer
from pipelines.recipe_sections import ModelRecipe

# Keys that both architectures have.
SHARED = (
    *("architecture", "units", "embedding_dim", "dropout", "tied_embeddings"),
    *("encoder_layers", "decoder_layers"),
)
OF_TRANSFORMERS = ("num_heads", "feed_forward_units")


def build_attention(recipe: ModelRecipe) -> keras.layers.Layer | None:
    """Makes the attention layer that a recipe names, or None.

    Example:

    >>> type(build_attention(ModelRecipe(attention="dot")).score).__name__
    'DotScore'
    """
    if recipe.attention == "none":
        return None
    score, normalizer = recipe.attention, recipe.normalizer
    if score == "hard":
        # The short way to say it, from before there were several kinds.
        score, normalizer = "additive", "hardmax"
    score_class = scores.SCORES[score]
    arguments = {}
    if issubclass(score_class, scores.AdditiveScore):
        arguments["units"] = recipe.attention_units or recipe.units
    return keras_attention.Attention(
        score_class(**arguments, name="score"), recipe.window, normalizer
    )


def build_model(
    recipe: ModelRecipe, source_vocabulary: int, target_vocabulary: int
) -> keras.Model:
    """Makes the model for token sequences that a recipe describes.

    Args:
        recipe: sizes and kinds.
        source_vocabulary: number of source tokens.
        target_vocabulary: number of target tokens.

    Returns:
        The model, built, with random weights: an `EncoderDecoder`, or a
        `pipelines.models.transformer.Transformer`.

    Raises:
        UserError: If parts of the recipe do not go together.
    """
    vocabularies = source_vocabulary, target_vocabulary
    try:
        _check_keys(recipe)
        if recipe.architecture == "transformer":
            model = _assemble_transformer(recipe, *vocabularies)
        else:
            model = _assemble(recipe, *vocabularies)
        ids = keras.ops.ones((1, 2), dtype="int32")
        with _errors_of_layers():
            model({"source": ids, "target": ids})
        return model
    except ValueError as error:
        raise UserError(
            f"The recipe's model cannot be built: {error}",
            "See the keys under [model].",
        ) from error


@contextlib.contextmanager
def _errors_of_layers() -> Iterator[None]:
    """Lets a layer's own sentence through, without Keras's words around it."""
    filtered = keras.config.is_traceback_filtering_enabled()
    keras.config.disable_traceback_filtering()
    try:
        with warnings.catch_warnings():
            # Of a layer that could not be built.
            warnings.simplefilter("ignore", UserWarning)
            yield
    finally:
        if filtered:
            keras.config.enable_traceback_filtering()


def _assemble(
    recipe: ModelRecipe, source_vocabulary: int, target_vocabulary: int
) -> keras_attention.EncoderDecoder:
    if recipe.tied_embeddings and recipe.output_units != recipe.embedding_dim:
        raise ValueError(
            "`tied_embeddings` needs `output_units` equal to `embedding_dim`. "
            f"Received: output_units={recipe.output_units}, "
            f"embedding_dim={recipe.embedding_dim}."
        )
    cells = [
        CELLS[recipe.cell](recipe.units) for _ in range(recipe.decoder_layers)
    ]
    return keras_attention.EncoderDecoder(
        encoder=keras_attention.RecurrentEncoder(
            recipe.units,
            cell=recipe.cell,
            num_layers=recipe.encoder_layers,
            bidirectional=recipe.bidirectional,
            dropout=recipe.dropout,
            name="encoder",
        ),
        decoder=keras_attention.AttentionRNN(
            keras_attention.AttentionCell(
                cells[0] if len(cells) == 1 else cells,
                build_attention(recipe),
                attend=recipe.attend,
                input_feeding=recipe.input_feeding,
                units=recipe.output_units or None,
            ),
            name="decoder",
        ),
        source_embedding=keras.layers.Embedding(
            source_vocabulary,
            recipe.embedding_dim,
            mask_zero=True,
            name="source_embedding",
        ),
        target_embedding=keras.layers.Embedding(
            target_vocabulary, recipe.embedding_dim, name="target_embedding"
        ),
        output_layer="tied"
        if recipe.tied_embeddings
        else keras.layers.Dense(target_vocabulary, name="output"),
        dropout=recipe.dropout,
        scheduled_sampling=keras_attention.ScheduledSampling(
            recipe.scheduled_sampling, recipe.scheduled_sampling_steps or None
        )
        if recipe.scheduled_sampling
        else None,
        name="encoder_decoder",
    )


def _check_keys(recipe: ModelRecipe) -> None:
    """Raises if a key was changed that this architecture does not have."""
    is_transformer = recipe.architecture == "transformer"
    wrong = [
        f"{field.name}={getattr(recipe, field.name)!r}"
        for field in dataclasses.fields(recipe)
        if field.name not in SHARED
        and (field.name in OF_TRANSFORMERS) != is_transformer
        and getattr(recipe, field.name) != field.default
    ]
    if recipe.attention == "hard" and recipe.normalizer not in (
        "softmax",
        "hardmax",
    ):
        raise ValueError(
            '`attention = "hard"` is `attention = "additive"` with '
            '`normalizer = "hardmax"`; name the score of another normalizer. '
            f"Received: normalizer={recipe.normalizer!r}."
        )
    kind = f"a {recipe.architecture} model"
    if recipe.attention == "none":
        kind = "a model without attention"
        wrong += [
            f"{name}={getattr(recipe, name)!r}"
            for name in ("window", "normalizer")
            if getattr(recipe, name) != getattr(ModelRecipe(), name)
        ]
    if wrong:
        raise ValueError(
            f"{kind} has no use for these keys; leave "
            f"them out. Received: {', '.join(wrong)}."
        )


def _assemble_transformer(
    recipe: ModelRecipe, source_vocabulary: int, target_vocabulary: int
) -> keras.Model:
    if recipe.embedding_dim != recipe.units:
        raise ValueError(
            "a Transformer's `embedding_dim` is its `units`. Received: "
            f"embedding_dim={recipe.embedding_dim}, units={recipe.units}."
        )
    return Transformer(
        (source_vocabulary, target_vocabulary),
        recipe.units,
        (recipe.encoder_layers, recipe.decoder_layers),
        recipe.num_heads,
        recipe.feed_forward_units or 4 * recipe.units,
        recipe.dropout,
        recipe.tied_embeddings,
        name="transformer",
    )
