"""From a recipe to an `EncoderDecoder`."""

import keras

import keras_attention
from keras_attention import scores
from pipelines.errors import UserError
from pipelines.recipe_sections import ModelRecipe

CELLS = {"gru": keras.layers.GRUCell, "lstm": keras.layers.LSTMCell}


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
) -> keras_attention.EncoderDecoder:
    """Makes the model for token sequences that a recipe describes.

    Args:
        recipe: sizes and kinds.
        source_vocabulary: number of source tokens.
        target_vocabulary: number of target tokens.

    Returns:
        The model, built, with random weights.

    Raises:
        UserError: If parts of the recipe do not go together.
    """
    try:
        return _assemble(recipe, source_vocabulary, target_vocabulary)
    except ValueError as error:
        raise UserError(
            f"The recipe's model cannot be built: {error}",
            "See the keys under [model].",
        ) from error


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
    model = keras_attention.EncoderDecoder(
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
        name="encoder_decoder",
    )
    ids = keras.ops.ones((1, 2), dtype="int32")
    model({"source": ids, "target": ids})
    return model
