import dataclasses
import re

import pytest

from pipelines.errors import UserError
from pipelines.recipe import (
    Recipe,
    diff,
    from_dict,
    load_recipe,
    override,
    save,
    settings,
    shipped_recipes,
    to_dict,
)
from pipelines.recipe_sizes import recipe_for

TRANSLATION = ("demo", "multi30k_en_de", "multi30k_lc_en_de")


def write(folder, text, name="mine.toml"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", TRANSLATION)
def test_shipped_recipes(name):
    assert name in shipped_recipes()
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.task == "translation"
    assert recipe.data.validation and recipe.data.test


def test_paths():
    recipe = load_recipe("multi30k_en_de")
    source, target = recipe.data.paths("train")
    assert source.as_posix() == "data/multi30k/train.en.gz"
    assert target.as_posix() == "data/multi30k/train.de.gz"
    assert load_recipe("demo").data.paths("test").is_file()
    assert recipe_for("a.tsv", 10).data.paths("validation") is None


def test_a_file_and_its_defaults(tmp_path):
    path = write(
        tmp_path,
        '[data]\ntrain = "a.tsv"\n[training]\nlearning_rate = 1\n',
    )
    recipe = load_recipe(path)
    assert recipe.name == "mine"
    assert recipe.data.train == "a.tsv"
    assert recipe.training.learning_rate == 1.0
    assert isinstance(recipe.training.learning_rate, float)
    assert recipe.model == Recipe().model


@pytest.mark.parametrize("name", TRANSLATION)
def test_saved_recipe_is_the_same(tmp_path, name):
    recipe = override(
        load_recipe(name), ['name=a "quoted" \\ näme', "data.max_train_pairs=7"]
    )
    save(recipe, tmp_path / "recipe.toml")
    assert load_recipe(tmp_path / "recipe.toml") == recipe
    assert diff(load_recipe(tmp_path / "recipe.toml"), recipe) == []
    with pytest.raises(UserError, match="Cannot write"):
        save(recipe, tmp_path / "none" / "recipe.toml")


def test_override_reads_toml_and_bare_strings():
    recipe = override(
        load_recipe("demo"),
        [
            "training.epochs=3",
            "training.learning_rate = 5e-4",
            "model.bidirectional=false",
            "model.cell=gru",
            'model.attention="dot"',
            "data.folder=2024",
            'data.train=["a = b.en", "a.de"]',
            "data.validation=",
            "data.test=c.tsv",
        ],
    )
    assert recipe.training.epochs == 3
    assert recipe.training.learning_rate == 5e-4
    assert recipe.model.bidirectional is False
    assert recipe.model.cell == "gru"
    assert recipe.model.attention == "dot"
    assert recipe.data.folder == "2024"
    assert recipe.data.train == ("a = b.en", "a.de")
    assert recipe.data.validation == ""
    assert recipe.data.test == "c.tsv"


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("training.epoch=3", "`training.epochs`? Valid are: training.acc"),
        ("epochs=3", "Did you mean `training.epochs`?"),
        ("trainin.epochs=3", "Did you mean `training.epochs`?"),
        ("zzz=3", "Unknown recipe key `zzz`. Valid are: data.bpe_dropout,"),
        ("training=3", "Unknown recipe key `training`"),
        ("training.epochs", "expected is key=value"),
        ("training.epochs=", "`training.epochs` must be an integer"),
        ("training.epochs=many", 'an integer, at least 1. Received: "many"'),
        ("training.epochs=0", "at least 1. Received: 0. Set for instance"),
        ("training.epochs=3.0", "an integer, at least 1. Received: 3.0."),
        ("training.epochs=true", "Received: true"),
        ("training.epochs=1\nx=2", "must be an integer"),
        ("model.dropout=1", "a number, at least 0, less than 1"),
        ("model.dropout=nan", "a number, at least 0, less than 1"),
        ("model.dropout=-0.1", "Received: -0.1"),
        ("training.max_minutes=inf", "a number"),
        ("model.bidirectional=1", "true or false. Received: 1."),
        ("model.cell=LSTM", '_gru". Received: "LSTM". Set for'),
        ("model.attention=aditive", 'instance model.attention="additive"'),
        ('data.train=["a"]', "a file name or a list of two"),
        ("data.train=3", "a file name or a list of two"),
        ("data.train=", "names no training file"),
    ],
)
def test_wrong_overrides(assignment, message):
    with pytest.raises(UserError, match=re.escape(message)) as caught:
        override(load_recipe("demo"), [assignment])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "names no training file"),
        ("[data\n", "not valid TOML"),
        ("epochs = 3\n", "Unknown recipe key `epochs`"),
        ("[trainin]\n", "Did you mean `training`?"),
        ("[data]\ntrian = 'a'\n", "Did you mean `data.train`?"),
        ("data = 3\n", "`data` must be a section"),
        ("name = 3\n", "`name` must be a string"),
        ("[model]\nunits = '3'\n", "`model.units` must be an integer"),
        ("[data]\ntrain = [1, 2]\n", "a file name or a list of two"),
    ],
)
def test_wrong_files(tmp_path, text, message):
    path = write(tmp_path, text)
    with pytest.raises(UserError, match=re.escape(message)) as caught:
        load_recipe(path)
    assert "mine.toml" in str(caught.value)


def test_a_byte_order_mark(tmp_path):
    path = write(tmp_path, "\ufeff[data]\ntrain = 'a.tsv'\n")
    assert load_recipe(path).data.train == "a.tsv"


def test_recipes_that_are_not_there(tmp_path):
    with pytest.raises(UserError, match="demo, multi30k_en_de"):
        load_recipe("dmeo")
    with pytest.raises(UserError, match="No such file"):
        load_recipe(tmp_path / "none.toml")
    with pytest.raises(UserError, match="Is a directory"):
        load_recipe(tmp_path)
    path = tmp_path / "latin.toml"
    path.write_bytes("name = 'é'".encode("latin-1"))
    with pytest.raises(UserError, match="not valid TOML"):
        load_recipe(path)


def test_diff_names_the_keys():
    recipe = load_recipe("demo")
    other = override(recipe, ["training.seed=9", "model.units=8", "task=x"])
    assert diff(recipe, other) == ["task", "model.units", "training.seed"]


def test_every_key_is_described_and_its_default_allowed():
    recipe = override(load_recipe("demo"), [])
    values = to_dict(recipe)
    for item in settings():
        assert item.description
        section, _, key = item.key.rpartition(".")
        if section and item.key != "data.train":
            values[section][key] = item.default
    assert from_dict(values).training == Recipe().training


@pytest.mark.parametrize("num_pairs", [1, 10, 500, 5_000, 29_000, 10**7])
def test_recipe_for_any_size(num_pairs, tmp_path):
    recipe = recipe_for(tmp_path / "my.pairs.tsv", num_pairs)
    assert from_dict(to_dict(recipe)) == recipe
    assert recipe.name == "my"
    assert recipe.data.paths("train") == tmp_path / "my.pairs.tsv"
    smaller = recipe_for("x.tsv", max(num_pairs // 10, 1))
    assert smaller.model.units <= recipe.model.units
    assert smaller.model.dropout >= recipe.model.dropout
    assert smaller.training.epochs >= recipe.training.epochs
    assert smaller.data.source_vocabulary <= recipe.data.source_vocabulary


def test_recipes_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        load_recipe("demo").name = "other"
