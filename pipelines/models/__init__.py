"""From a recipe to a model; a Transformer to compare with."""
