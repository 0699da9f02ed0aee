"""From a recipe to an `EncoderDecoder`."""

import keras

import keras_attention
from pipelines.recipe_sections import ModelRecipe

CELLS = {"gru": keras.layers.GRUCell, "lstm": keras.layers.LSTMCell}


def build_attention(recipe: ModelRecipe) -> keras.layers.Layer | None:
    """Makes the attention layer that a recipe names, or None.

    Example:

    >>> build_attention(ModelRecipe(attention="dot")).name
    'luong_attention'
    """
    units = recipe.attention_units or recipe.units
    if recipe.attention == "none":
        return None
    if recipe.attention == "additive":
        return keras_attention.AdditiveAttention(units)
    if recipe.attention == "hard":
        return keras_attention.HardAttention(
            keras_attention.scores.AdditiveScore(units)
        )
    return keras_attention.LuongAttention(
        recipe.attention,
        units=units if recipe.attention == "concat" else None,
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
    """
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
        output_layer=keras.layers.Dense(target_vocabulary, name="output"),
        dropout=recipe.dropout,
        name="encoder_decoder",
    )
    ids = keras.ops.ones((1, 2), dtype="int32")
    model({"source": ids, "target": ids})
    return model
