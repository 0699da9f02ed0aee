"""Pronunciation: from the letters of a word to its phones."""

import logging
from pathlib import Path

from pipelines import tokenizers
from pipelines.data.corpus import Corpus
from pipelines.data.pronunciations import read_pronunciations, split_words
from pipelines.errors import UserError
from pipelines.evaluation.pronunciation_measures import PronunciationMeasures
from pipelines.recipe import Recipe
from pipelines.recipe_sections import DataRecipe
from pipelines.task import Task
from pipelines.tasks import translation

log = logging.getLogger(__name__)
PARTS = ("train", "validation", "test")


def read(recipe: Recipe, part: str) -> Corpus:
    """Reads a part of the data: "train", "validation" or "test".

    What the recipe names no file for is split off the training file, word by
    word, in the same way every time. Words of the validation or test file
    are left out of the training file, whatever their pronunciation.
    """
    paths = {name: _path(recipe, name) for name in PARTS}
    own, training = paths[part], paths["train"]
    if part != "train" and own is not None:
        return read_pronunciations(own)
    if training is None:
        raise UserError("The recipe names no training file.", "Set data.train.")
    if recipe.data.stream:
        raise UserError(
            "A pronouncing dictionary is not streamed: it is small, and is "
            "read as a whole.",
            "Leave out data.stream.",
        )
    held = [
        word
        for path in (paths["validation"], paths["test"])
        if path is not None
        for word in read_pronunciations(path).sources
    ]
    whole = read_pronunciations(training, exclude=held)
    if recipe.data.max_train_pairs:
        whole = whole.first(recipe.data.max_train_pairs)
    if paths["validation"] is not None and paths["test"] is not None:
        return whole
    if part == "train" and whole.problems:
        # The parts know nothing of the lines that are in none of them.
        log.warning("%s", whole.report())
    parts = split_words(
        whole,
        None if paths["validation"] is None else 0,
        None if paths["test"] is None else 0,
        seed=recipe.training.seed,
    )
    return dict(zip(PARTS, parts, strict=True))[part]


def train_tokenizers(
    recipe: Recipe, corpus: Corpus
) -> tuple[tokenizers.Tokenizer, tokenizers.Tokenizer]:
    """Letters and phones of the training words."""
    data = recipe.data
    if data.tokenizer != DataRecipe().tokenizer:
        raise UserError(
            "Words are read letter by letter, and pronounced phone by phone: "
            f"data.tokenizer cannot be {data.tokenizer!r}.",
            "Leave out data.tokenizer.",
        )
    if data.bpe_dropout:
        raise UserError(
            "Letters and phones have no merges that data.bpe_dropout could "
            "leave out.",
            "Leave out data.bpe_dropout.",
        )
    return (
        tokenizers.train(corpus.sources, data.source_vocabulary, "character"),
        tokenizers.train(corpus.targets, data.target_vocabulary, "whitespace"),
    )


def _path(recipe: Recipe, part: str) -> Path | None:
    """Finds the dictionary of a part; None if the recipe names none."""
    paths = recipe.data.paths(part)
    if isinstance(paths, tuple):
        raise UserError(
            "A pronouncing dictionary is one file, words and phones in it. "
            f"Received two as data.{part}.",
            f'Write for instance data.{part} = "words.txt".',
        )
    return paths


PRONUNCIATION = Task(
    name="pronunciation",
    source="word",
    target="phones",
    read=read,
    train_tokenizers=train_tokenizers,
    build_model=translation.build_model,
    batches=translation.batches,
    loss=translation.TRANSLATION.loss,
    metrics=translation.TRANSLATION.metrics,
    measures=PronunciationMeasures,
)
