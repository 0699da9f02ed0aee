"""A run folder, and the trained model in it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from pipelines import recipe as recipes
from pipelines import task as tasks
from pipelines import tokenizers
from pipelines.data.corpus import Corpus
from pipelines.errors import UserError
from pipelines.files import DAMAGED, write_whole
from pipelines.recipe import Recipe
from pipelines.search_function import search_function
from pipelines.search_options import RECIPES_SEARCH, SearchOptions
from pipelines.text import END_ID, pad
from pipelines.translation import Translation

VERSION = 1  # of the layout of a run folder
MARK, RECIPE = "run.json", "recipe.toml"
SOURCE_MODEL, TARGET_MODEL = "source.model", "target.model"
BEST, LAST = "best.keras", "last.keras"
TENSORBOARD = "tensorboard"


class Run:
    """A trained run: `pipelines.load(DIR)`.

    Attributes:
        folder: where it lives.
        recipe: what it was made from.
        model: the best model so far, an `EncoderDecoder`.
        source_tokenizer, target_tokenizer: as learned in training.
    """

    def __init__(
        self,
        folder: Path,
        recipe: Recipe,
        model: Any,
        source_tokenizer: tokenizers.Tokenizer,
        target_tokenizer: tokenizers.Tokenizer,
    ) -> None:
        self.folder = folder
        self.recipe = recipe
        self.model = model
        self.source_tokenizer = source_tokenizer
        self.target_tokenizer = target_tokenizer
        self._functions: dict[Any, Any] = {}

    def corpus(self, part: str) -> Corpus:
        """Reads "train", "validation" or "test", as training did."""
        return tasks.get(self.recipe.task).read(self.recipe, part)

    def translate(
        self,
        texts: Sequence[str],
        options: SearchOptions = RECIPES_SEARCH,
        *,
        batch_size: int = 32,
        memory_transform: Callable[[Any], Any] | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> list[Translation]:
        """Translates sentences: the best translation of each.

        Args:
            texts: sentences; one without tokens (empty, blank) stays empty.
            options: how to search; otherwise as the recipe says.
            batch_size: sentences at a time, of similar length.
            memory_transform: a function on the `Memory` of a batch, between
                encoder and search: for looking into the model.
            progress: called with the number of sentences done, batch by
                batch.

        Returns:
            A `Translation` for each, in order.

        Example: `pipelines.load("runs/demo").translate(["Je suis là."])`
        """
        found = self.search(
            texts,
            options,
            batch_size=batch_size,
            memory_transform=memory_transform,
            progress=progress,
        )
        return [translations[0] for translations in found]

    def search(
        self,
        texts: Sequence[str],
        options: SearchOptions = RECIPES_SEARCH,
        *,
        batch_size: int = 32,
        memory_transform: Callable[[Any], Any] | None = None,
        progress: Callable[[int], None] | None = None,
        first: int = 0,
    ) -> list[list[Translation]]:
        """Translates sentences: the n best translations of each.

        Args:
            texts, options, batch_size, memory_transform, progress: as for
                `translate`; n is `options.num_results`.
            first: number of the first sentence. What sampling draws for a
                sentence depends on its number.

        Returns:
            For each sentence its translations, the best first: at least one,
            and fewer than n where the search found no more. A text that the
            beam holds several times, in other pieces, counts once, with its
            best score; of those that are drawn each stays.

        Example: `run.search(["Je suis là."], SearchOptions(num_results=3))`
        """
        limit = self.recipe.data.max_source_len - 1
        rows = self.source_tokenizer.encode_lines(list(texts))
        results: dict[int, list[Translation]] = {
            index: [Translation(text, "", 0.0, [], [], None)]
            for index, text in enumerate(texts)
            if not rows[index] or not text.strip()
        }
        order = sorted(
            (i for i in range(len(texts)) if i not in results),
            key=lambda i: len(rows[i]),
        )
        if progress:
            progress(len(results))
        function = self.traced(
            (options, memory_transform),
            lambda: search_function(self, options, memory_transform),
        )
        for start in range(0, len(order), batch_size):
            batch = order[start : start + batch_size]
            ids = [[*rows[i][:limit], END_ID] for i in batch]
            found = function(
                tf.constant(pad(ids)),
                tf.constant([first + i for i in batch], tf.int32),
            )
            tokens, lengths, scores = (part.numpy() for part in found[:3])
            alignments = found.alignments
            if alignments is not None:
                alignments = alignments.numpy()
            for row, index in enumerate(batch):
                hypotheses = [
                    self._translation(
                        texts[index],
                        ids[row],
                        tokens[row, rank, : lengths[row, rank]].tolist(),
                        scores[row, rank],
                        None if alignments is None else alignments[row, rank],
                        len(rows[index]) > limit,
                    )
                    for rank in range(tokens.shape[1])
                    if rank == 0 or lengths[row, rank]  # No more were found.
                ]
                results[index] = _ranked(hypotheses, options)
            if progress:
                progress(len(batch))
        return [results[index] for index in range(len(texts))]

    def traced(self, key: Any, make: Callable[[], Any]) -> Any:
        """Returns a `tf.function` of this run, which it makes but once."""
        if key not in self._functions:
            self._functions[key] = make()
        return self._functions[key]

    def _translation(
        self,
        text: str,
        ids: list[int],
        said: list[int],
        score: float,
        alignments: Any,
        truncated: bool,
    ) -> Translation:
        if alignments is not None:
            alignments = alignments[: len(said), : len(ids)]
        return Translation(
            source=text,
            text=self.target_tokenizer.decode(said),
            score=float(score),
            source_pieces=self.source_tokenizer.pieces(ids),
            target_pieces=self.target_tokenizer.pieces(said),
            alignments=alignments,
            truncated=truncated,
        )


def _ranked(
    found: list[Translation], options: SearchOptions
) -> list[Translation]:
    """What was found for a sentence, the best first."""
    if options.sample:
        return sorted(found, key=lambda one: -one.score)
    different: dict[str, Translation] = {}
    for one in found:
        different.setdefault(one.text, one)
    return list(different.values())[: options.num_results]


def load(folder: str | Path) -> Run:
    """Loads the best model of a run folder.

    Args:
        folder: what `keras-attention train --run-dir` wrote.

    Returns:
        The `Run`.

    Raises:
        UserError: if it is no run folder, or has no model yet.
    """
    folder = Path(folder)
    check(folder)
    if not (folder / BEST).exists():
        raise UserError(
            f"{folder} holds no trained model yet.",
            f"Train it: keras-attention train {folder / RECIPE} "
            f"--run-dir {folder}.",
        )
    recipe = recipes.load_recipe(folder / RECIPE)
    tasks.get(recipe.task)  # Its modules register the classes of its models.
    try:
        model = keras.saving.load_model(folder / BEST, compile=False)
    except DAMAGED as error:
        reason = getattr(error, "strerror", None)
        raise UserError(
            f"Cannot read the model {folder / BEST}: "
            f"{reason or 'it is damaged or from another version'}.",
            "Put back the one that belongs here, or train again in a new "
            "folder.",
        ) from None
    tokenizers_of_run = load_tokenizers(folder)
    _check_sizes(folder, model, tokenizers_of_run)
    return Run(folder, recipe, model, *tokenizers_of_run)


def _check_sizes(
    folder: Path,
    model: Any,
    both: tuple[tokenizers.Tokenizer, tokenizers.Tokenizer],
) -> None:
    """Raises a UserError if a model is not one of these vocabularies."""
    names = "source_embedding", "target_embedding"
    for name, tokenizer in zip(names, both, strict=True):
        table = getattr(getattr(model, name, None), "embeddings", None)
        if table is not None and table.shape[0] != tokenizer.vocabulary_size:
            raise UserError(
                f"{folder / BEST} is of another run: its {name} is of "
                f"{table.shape[0]:,} tokens, the vocabulary here of "
                f"{tokenizer.vocabulary_size:,}.",
                "Put back the one that belongs here, or train again in a new "
                "folder.",
            )


def check(folder: Path) -> None:
    """Raises a UserError unless a folder is a run of this version."""
    if not folder.is_dir():
        raise UserError(
            f"There is no run folder {folder}.",
            "Make one: keras-attention train RECIPE --run-dir DIR.",
        )
    try:
        version = json.loads((folder / MARK).read_text())["version"]
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(
            f"{folder} is not a run folder: it has no readable {MARK}.",
            "Give the folder of `keras-attention train --run-dir`.",
        ) from None
    if version != VERSION:
        raise UserError(
            f"{folder} has layout {version}; this version reads {VERSION}.",
            "Train again in a new folder, or use the version that made it.",
        )


def load_tokenizers(
    folder: Path,
) -> tuple[tokenizers.Tokenizer, tokenizers.Tokenizer]:
    """Reads the tokenizers of a run folder."""
    return (
        tokenizers.load(folder / SOURCE_MODEL),
        tokenizers.load(folder / TARGET_MODEL),
    )


def make_folder(folder: Path) -> None:
    """Makes an empty run folder, if it is not there yet.

    Raises:
        UserError: if it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"Cannot make the run folder {folder}: {error.strerror or error}.",
            "Choose a folder that can be written to.",
        ) from None


def create(
    folder: Path,
    recipe: Recipe,
    source_tokenizer: tokenizers.Tokenizer,
    target_tokenizer: tokenizers.Tokenizer,
) -> None:
    """Makes a run folder; the mark comes last, when all else is there."""
    make_folder(folder)
    (folder / MARK).unlink(missing_ok=True)
    source_tokenizer.save(folder / SOURCE_MODEL)
    target_tokenizer.save(folder / TARGET_MODEL)
    recipes.save(recipe, folder / RECIPE)
    write_whole(
        folder / MARK, json.dumps({"version": VERSION}).encode() + b"\n"
    )


def update_recipe(folder: Path, earlier: Recipe, recipe: Recipe) -> str:
    """Writes what has changed into the recipe of a run folder.

    Args:
        folder: of the run.
        earlier: the recipe that is in it.
        recipe: what it is to be.

    Returns:
        A sentence for the user; "" if nothing has changed.
    """
    changed = recipes.diff(earlier, recipe)
    if not changed:
        return ""
    recipes.save(recipe, folder / RECIPE)
    return f"Changed in {folder / RECIPE}: {', '.join(changed)}."
