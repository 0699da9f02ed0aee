"""Recipes: everything that a run depends on, as one TOML file."""

import dataclasses
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import tomli_w

from pipelines.errors import UserError
from pipelines.files import write_whole
from pipelines.recipe_sections import (
    DataRecipe,
    ModelRecipe,
    MonitoringRecipe,
    SearchRecipe,
    TrainingRecipe,
)
from pipelines.recipe_values import build_section, check_value, unknown_key

RECIPES = Path(__file__).resolve().parent / "recipes"
SECTIONS: dict[str, Any] = {
    "data": DataRecipe,
    "model": ModelRecipe,
    "training": TrainingRecipe,
    "search": SearchRecipe,
    "monitoring": MonitoringRecipe,
}


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What to learn from, with which model, and how.

    Args:
        name: What the run is called.
        task: Which task, a name in `TASKS`.
        data: What to learn from.
        model: The encoder-decoder.
        training: How to train.
        search: How to translate.
        monitoring: What TensorBoard shows.

    Example:

    >>> recipe = override(load_recipe("demo"), ["training.epochs=3"])
    >>> recipe.training.epochs
    3
    """

    name: str = "unnamed"
    task: str = "translation"
    data: DataRecipe = DataRecipe()
    model: ModelRecipe = ModelRecipe()
    training: TrainingRecipe = TrainingRecipe()
    search: SearchRecipe = SearchRecipe()
    monitoring: MonitoringRecipe = MonitoringRecipe()


def shipped_recipes() -> list[str]:
    """Names of the recipes that come along.

    >>> shipped_recipes()
    ['cmudict_g2p', 'demo', 'multi30k_en_de', 'multi30k_lc_en_de']
    """
    return sorted(path.stem for path in RECIPES.glob("*.toml"))


def load_recipe(name_or_path: str | Path) -> Recipe:
    """Loads a recipe.

    Args:
        name_or_path: The name of a recipe that comes along, or the path of a
            TOML file (with a folder, or ending in .toml).

    Returns:
        The recipe; keys that it does not name have their defaults.

    Raises:
        UserError: If there is no such recipe, or if it is not right.
    """
    path = Path(name_or_path)
    if path.suffix != ".toml" and str(path) == path.name:
        if path.name not in shipped_recipes():
            raise UserError(
                f"No recipe is called {path.name!r}.",
                f"Choose from {', '.join(shipped_recipes())}, or give the "
                "path of a .toml file.",
            )
        path = RECIPES / f"{path.name}.toml"
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UserError(
            f"Cannot read the recipe {path}: {error.strerror or error}.",
            "Check the path; shipped recipes, which go by name, are "
            f"{', '.join(shipped_recipes())}.",
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(
            f"{path} is not valid TOML: {error}.",
            "Mend that line; strings stand in quotes.",
        ) from None
    try:
        return from_dict({"name": path.stem, **values})
    except UserError as error:
        raise UserError(f"{path}: {error.message}", error.remedy) from None


def from_dict(values: Mapping[str, Any]) -> Recipe:
    """Makes a recipe from nested values, and checks each.

    Raises:
        UserError: For an unknown key, a wrong type, a value out of range, no
            training file, or values that contradict each other.
    """
    fields = {field.name: field for field in dataclasses.fields(Recipe)}
    checked: dict[str, Any] = {}
    for key, value in values.items():
        if key not in fields:
            raise unknown_key(key, fields)
        if key in SECTIONS:
            checked[key] = build_section(SECTIONS[key], value, key)
        else:
            checked[key] = check_value(key, value, fields[key])
    recipe = Recipe(**checked)
    if not recipe.data.train:
        raise UserError(
            "The recipe names no training file.",
            'Set data.train, for instance data.train="pairs.tsv".',
        )
    if recipe.search.coverage_penalty and recipe.model.attention == "none":
        raise UserError(
            "A model without attention has no coverage to reward.",
            "Leave out search.coverage_penalty.",
        )
    return recipe


def to_dict(recipe: Recipe) -> dict[str, Any]:
    """The nested values of a recipe, all keys spelled out."""
    return dataclasses.asdict(recipe)


def override(recipe: Recipe, assignments: Iterable[str]) -> Recipe:
    """Changes keys of a recipe.

    Args:
        recipe: The recipe; it stays as it is.
        assignments: `section.key=value` each, the value in TOML; the quotes
            of a string may be left out.

    Returns:
        The changed recipe.

    Raises:
        UserError: If an assignment is malformed, its key unknown or its value
            wrong.
    """
    values = to_dict(recipe)
    kinds = {item.key: item.kind for item in settings()}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        key, text = key.strip(), text.strip()
        if not equals:
            raise UserError(
                f"Cannot read `{assignment}`; expected is key=value.",
                "Write for instance training.epochs=3.",
            )
        if key not in kinds:
            raise unknown_key(key, kinds)
        value = _parse(text)
        if kinds[key] is str and not isinstance(value, str):
            value = text  # A name that looks like a number, say.
        section, _, last = key.rpartition(".")
        (values[section] if section else values)[last] = value
    return from_dict(values)


def save(recipe: Recipe, path: str | Path) -> None:
    """Writes a recipe with all its keys, wholly or not at all."""
    write_whole(path, tomli_w.dumps(to_dict(recipe)).encode())


def diff(first: Recipe, second: Recipe) -> list[str]:
    """Lists the keys in which two recipes differ.

    >>> recipe = load_recipe("demo")
    >>> diff(recipe, override(recipe, ["model.cell=lstm", "name=other"]))
    ['name', 'model.cell']
    """
    return [
        item.key
        for item in settings()
        if value(first, item.key) != value(second, item.key)
    ]


@dataclasses.dataclass(frozen=True)
class Setting:
    """A key of a recipe, for help texts.

    Args:
        key: Its full name.
        kind: Its type.
        default: Its value where a recipe does not name it.
        description: What it is, with its unit.
    """

    key: str
    kind: Any
    default: Any
    description: str


def settings() -> list[Setting]:
    """All keys of a recipe, section by section."""
    items = []
    for field in dataclasses.fields(Recipe):
        if field.name not in SECTIONS:
            text = "what it is called" if field.name == "name" else "which task"
            items.append(Setting(field.name, field.type, field.default, text))
            continue
        for inner in dataclasses.fields(SECTIONS[field.name]):
            items.append(
                Setting(
                    f"{field.name}.{inner.name}",
                    inner.type,
                    inner.default,
                    inner.metadata["description"],
                )
            )
    return items


def value(recipe: Recipe, key: str) -> Any:
    """Returns the value of a key.

    >>> value(load_recipe("demo"), "model.cell")
    'gru'
    """
    found: Any = recipe
    for part in key.split("."):
        found = getattr(found, part)
    return found


def _parse(text: str) -> Any:
    """Reads a TOML value; what is none is a string."""
    try:
        values = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    return values["value"] if list(values) == ["value"] else text
