"""From a recipe to a model."""

import keras
import pytest

from keras_attention import normalizers, scores, windows
from pipelines import recipe_sections
from pipelines.errors import UserError
from pipelines.models.build import build_model
from pipelines.recipe_sections import ModelRecipe
from tests.pipelines.tiny_run import make_run


def test_recipes_know_the_names_of_all_pieces():
    assert set(recipe_sections.SCORES) == set(scores.SCORES)
    assert set(recipe_sections.WINDOWS) == set(windows.WINDOWS)
    assert set(recipe_sections.NORMALIZERS) == set(normalizers.NORMALIZERS)


@pytest.mark.parametrize(
    ("assignments", "pieces"),
    [
        ([], ("AdditiveScore", "GlobalWindow", "Softmax")),
        (
            ["model.attention=hard"],
            ("AdditiveScore", "GlobalWindow", "Hardmax"),
        ),
        (
            ["model.attention=coverage", "model.window=local_p"],
            ("CoverageScore", "LocalPredictiveWindow", "Softmax"),
        ),
        (
            ["model.normalizer=reinforce", "model.attention=general"],
            ("GeneralScore", "GlobalWindow", "Reinforce"),
        ),
    ],
)
def test_a_recipe_names_the_pieces_of_its_attention(
    tmp_path, assignments, pieces
):
    made = make_run(tmp_path, *assignments)
    attention = made.model.decoder.cell.attention
    assert tuple(type(one).__name__ for one in attention.pieces) == pieces


def test_pieces_that_do_not_go_together_are_a_users_error(tmp_path):
    with pytest.raises(UserError, match="attend='after'"):
        make_run(tmp_path, "model.normalizer=marginal")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"attention": "hard", "normalizer": "reinforce"},
            "name the score of another normalizer",
        ),
        (
            {"attention": "none", "normalizer": "gumbel", "window": "causal"},
            "without attention has no use for .*window='causal', normalizer=",
        ),
        (
            {
                "normalizer": "marginal",
                "attend": "after",
                "window": "local_p",
            },
            "'local_p' weighs them",
        ),
    ],
)
def test_what_would_be_ignored_is_a_users_error(settings, message):
    recipe = ModelRecipe(units=3, embedding_dim=2, output_units=2, **settings)
    with pytest.raises(UserError, match=message):
        build_model(recipe, 5, 6)


def test_widths_that_do_not_fit_are_named_by_the_layer(recwarn):
    recipe = ModelRecipe(units=3, embedding_dim=2, attention="dot")
    with pytest.raises(UserError) as caught:
        build_model(recipe, 5, 6)
    said = str(caught.value)
    assert "built: DotScore needs a query and a key of the same width" in said
    assert "query 3, key 6" in said and "\x1b" not in said
    assert keras.config.is_traceback_filtering_enabled()
    assert not recwarn.list


def test_scheduled_sampling():
    model = build_model(
        ModelRecipe(
            units=3,
            embedding_dim=2,
            scheduled_sampling=0.3,
            scheduled_sampling_steps=50,
        ),
        source_vocabulary=5,
        target_vocabulary=6,
    )
    layer = model.scheduled_sampling
    assert (layer.rate, layer.growing_steps) == (0.3, 50)
    plain = build_model(ModelRecipe(units=3, embedding_dim=2), 5, 6)
    assert plain.scheduled_sampling is None
