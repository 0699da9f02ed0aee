"""A run folder, and the trained model in it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_attention import search
from pipelines import recipe as recipes
from pipelines import task as tasks
from pipelines.corpus import Corpus
from pipelines.errors import UserError
from pipelines.files import write_whole
from pipelines.recipe import Recipe
from pipelines.text import END_ID, SubwordTokenizer

VERSION = 1  # of the layout of a run folder
MARK, RECIPE = "run.json", "recipe.toml"
SOURCE_MODEL, TARGET_MODEL = "source.model", "target.model"
BEST, LAST = "best.keras", "last.keras"


@dataclass(frozen=True)
class Translation:
    """What a model says of one source, and what it looked at.

    Attributes:
        source: the text that was given.
        text: the translation.
        score: log-probability in nats, divided by the length penalty.
        source_pieces: the tokens read, the end token included.
        target_pieces: the tokens said, the end token included if it was said.
        alignments: `(len(target_pieces), len(source_pieces))`, or None
            without attention.
        truncated: whether the source was longer than the model's limit, and
            only its beginning was read.
    """

    source: str
    text: str
    score: float
    source_pieces: list[str]
    target_pieces: list[str]
    alignments: np.ndarray | None
    truncated: bool = False


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
        source_tokenizer: SubwordTokenizer,
        target_tokenizer: SubwordTokenizer,
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
        *,
        beam_size: int | None = None,
        length_penalty: float | None = None,
        batch_size: int = 32,
        memory_transform: Callable[[Any], Any] | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> list[Translation]:
        """Translates sentences.

        Args:
            texts: sentences; an empty or blank one stays empty.
            beam_size: hypotheses kept; 1 is greedy; None as the recipe says.
            length_penalty: see `BeamSearch`; None as the recipe says.
            batch_size: sentences at a time, of similar length.
            memory_transform: a function on the `Memory` of a batch, between
                encoder and search: for looking into the model.
            progress: called with the number of sentences done, batch by
                batch.

        Returns:
            A `Translation` for each, in order.

        Example: `pipelines.load("runs/demo").translate(["Je suis là."])`
        """
        results: list[Translation | None] = [None] * len(texts)
        for index, text in enumerate(texts):
            if not text.strip():
                results[index] = Translation(text, "", 0.0, [], [], None)
        limit = self.recipe.data.max_source_len - 1
        rows = self.source_tokenizer.encode_lines(list(texts))
        order = sorted(
            (i for i, result in enumerate(results) if result is None),
            key=lambda i: len(rows[i]),
        )
        if progress:
            progress(len(texts) - len(order))
        run_search = self._search(beam_size, length_penalty, memory_transform)
        for start in range(0, len(order), batch_size):
            batch = order[start : start + batch_size]
            ids = [[*rows[i][:limit], END_ID] for i in batch]
            longest = max(map(len, ids))
            source = np.zeros((len(batch), longest), "int32")
            for line, one in zip(source, ids, strict=True):
                line[: len(one)] = one
            found = [
                None if part is None else part.numpy()
                for part in run_search(tf.constant(source))
            ]
            for row, index in enumerate(batch):
                results[index] = self._translation(
                    texts[index],
                    ids[row],
                    [None if part is None else part[row] for part in found],
                    len(rows[index]) > limit,
                )
            if progress:
                progress(len(batch))
        return [result for result in results if result is not None]

    def _translation(
        self, text: str, ids: list[int], found: list[Any], truncated: bool
    ) -> Translation:
        tokens, length, score, alignments = found
        said = tokens[:length].tolist()
        if alignments is not None:
            alignments = alignments[:length, : len(ids)]
        return Translation(
            source=text,
            text=self.target_tokenizer.decode(said),
            score=float(score),
            source_pieces=self.source_tokenizer.pieces(ids),
            target_pieces=self.target_tokenizer.pieces(said),
            alignments=alignments,
            truncated=truncated,
        )

    def _search(
        self,
        beam_size: int | None,
        length_penalty: float | None,
        memory_transform: Callable[[Any], Any] | None,
    ) -> Callable[[Any], Any]:
        """Returns a traced function from source ids to a search's result."""
        settings = self.recipe.search
        beam_size = beam_size or settings.beam_size
        if length_penalty is None:
            length_penalty = settings.length_penalty
        key = (beam_size, length_penalty, memory_transform)
        if key not in self._functions:
            run: search.Search = search.GreedySearch()
            if beam_size > 1:
                run = search.BeamSearch(beam_size, length_penalty)
            most = self.recipe.data.max_target_len

            @tf.function(
                input_signature=[tf.TensorSpec([None, None], tf.int32)],
                autograph=False,
            )
            def function(source: Any) -> Any:
                memory, states = self.model.encode(source)
                if memory_transform is not None:
                    memory = memory_transform(memory)
                lengths = tf.math.count_nonzero(source, 1, dtype=tf.float32)
                limits = tf.cast(
                    tf.floor(settings.max_length_factor * lengths), tf.int32
                )
                limits = tf.minimum(limits + settings.max_length_extra, most)
                return run(self.model.decode_step, states, memory, limits)

            self._functions[key] = function
        return self._functions[key]


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
    try:
        model = keras.saving.load_model(folder / BEST, compile=False)
    except (OSError, ValueError, KeyError, TypeError) as error:
        first = str(error).strip().splitlines()[0] if str(error) else ""
        raise UserError(
            f"Cannot read the model {folder / BEST}: {first}",
            "It is damaged or from another version: train again in a new "
            "folder.",
        ) from None
    recipe = recipes.load_recipe(folder / RECIPE)
    return Run(folder, recipe, model, *load_tokenizers(folder))


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
) -> tuple[SubwordTokenizer, SubwordTokenizer]:
    """Reads the tokenizers of a run folder."""
    return (
        SubwordTokenizer.load(folder / SOURCE_MODEL),
        SubwordTokenizer.load(folder / TARGET_MODEL),
    )


def create(
    folder: Path,
    recipe: Recipe,
    source_tokenizer: SubwordTokenizer,
    target_tokenizer: SubwordTokenizer,
) -> None:
    """Makes a run folder; the mark comes last, when all else is there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"Cannot make the run folder {folder}: {error.strerror or error}.",
            "Choose a folder that can be written to.",
        ) from None
    source_tokenizer.save(folder / SOURCE_MODEL)
    target_tokenizer.save(folder / TARGET_MODEL)
    recipes.save(recipe, folder / RECIPE)
    write_whole(
        folder / MARK, json.dumps({"version": VERSION}).encode() + b"\n"
    )
