"""A tiny run with random weights, and one that only looks like a run."""

import numpy as np

from pipelines import recipe as recipes
from pipelines import run as runs
from pipelines.models.build import build_model
from pipelines.text import SubwordTokenizer

SOURCES = [
    "un chat voit",
    "deux chats mangent",
    "un chien",
    "trois chiens voient un chat",
    "le chat rouge mange",
    "le chien vert voit deux chats",
    "un",
]
TARGETS = [
    "a cat sees",
    "two cats eat",
    "a dog",
    "three dogs see a cat",
    "the red cat eats",
    "the green dog sees two cats",
    "one",
]


def make_run(folder, *assignments):
    """Makes a run folder with a test set, without training."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"{s}\t{t}\n" for s, t in zip(SOURCES, TARGETS, strict=True)]
    (folder / "pairs.tsv").write_text("".join(lines), encoding="utf-8")
    recipe = recipes.from_dict(
        {
            "name": "tiny",
            "data": {
                "folder": str(folder),
                "train": "pairs.tsv",
                "validation": "pairs.tsv",
                "test": "pairs.tsv",
                "source_language": "French",
                "target_language": "English",
            },
            "model": {"units": 5, "embedding_dim": 3},
        }
    )
    recipe = recipes.override(recipe, assignments)
    tokenizers = (
        SubwordTokenizer.train(SOURCES, 60),
        SubwordTokenizer.train(TARGETS, 50),
    )
    model = build_model(
        recipe.model, *(one.vocabulary_size for one in tokenizers)
    )
    return runs.Run(folder, recipe, model, *tokenizers)


def fake_translation(source, text):
    """What a run would say, looking nowhere in particular."""
    source_pieces = [*(f"▁{word}" for word in source.split()), "</s>"]
    target_pieces = [*(f"▁{word}" for word in text.split()), "</s>"]
    shape = (len(target_pieces), len(source_pieces))
    return runs.Translation(
        source,
        text,
        -1.0,
        source_pieces,
        target_pieces,
        np.full(shape, 1 / shape[1], np.float32),
    )
