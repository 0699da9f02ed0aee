"""Recipes and their keys, for people."""

from typing import Any

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from pipelines import recipe as recipes
from pipelines.recipe_values import KIND_NAMES

OPENING = (
    "Recipes that come along, for `keras-attention train NAME`. One of your "
    "own is a TOML file with any of the keys below; the other keys have their "
    "defaults."
)


def print_recipes(console: Console) -> None:
    """Prints the recipes that come along, and all keys of a recipe.

    Args:
        console: Where to.
    """
    console.print(OPENING, highlight=False)
    shipped = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    for name in recipes.shipped_recipes():
        shipped.add_row(Text(name, style="bold"), Text(_comment(name)))
    keys = Table("key", "default", "meaning", box=None, padding=(0, 2, 0, 0))
    section = ""
    for item in recipes.settings():
        if item.key.partition(".")[0] != section and "." in item.key:
            section = item.key.partition(".")[0]
            keys.add_row("")
        keys.add_row(
            Text(item.key, no_wrap=True),
            Text(_shown(item)),
            Text(item.description),
        )
    console.print(Group("", shipped, "", keys), highlight=False)


def _comment(name: str) -> str:
    """The comment that a recipe opens with."""
    lines = (recipes.RECIPES / f"{name}.toml").read_text("utf-8").split("\n")
    words = []
    for line in lines:
        if not line.startswith("#"):
            break
        words.append(line.removeprefix("#").strip())
    return " ".join(words)


def _shown(item: Any) -> str:
    """A key's default as TOML has it, or what it must be."""
    if item.default == "":
        return f"({KIND_NAMES[item.kind].split(' or ')[0]})"
    if isinstance(item.default, bool):
        return str(item.default).lower()
    return (
        f'"{item.default}"'
        if isinstance(item.default, str)
        else str(item.default)
    )
