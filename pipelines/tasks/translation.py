"""Translation: from a sentence to a sentence, by subwords."""

import logging

import keras

from pipelines import tokenizers
from pipelines.data.batches import EpochBatches
from pipelines.data.corpus import Corpus, read_parallel, split
from pipelines.data.streamed_batches import StreamedBatches
from pipelines.data.streamed_corpus import StreamedCorpus, read_stream
from pipelines.errors import UserError
from pipelines.evaluation.measures import TextMeasures
from pipelines.models import build
from pipelines.recipe import Recipe
from pipelines.task import Task
from pipelines.training.losses import (
    Perplexity,
    SmoothedCrossentropy,
    TokenAccuracy,
)

log = logging.getLogger(__name__)


def read(recipe: Recipe, part: str) -> Corpus:
    """Reads a part of the data: "train", "validation" or "test".

    What the recipe names no file for is split off the training file, in the
    same way every time.
    """
    paths = {
        name: recipe.data.paths(name)
        for name in ("train", "validation", "test")
    }
    own = paths[part]
    if part != "train" and own is not None:
        return read_parallel(own)
    training = paths["train"]
    if training is None:
        raise UserError("The recipe names no training file.", "Set data.train.")
    if recipe.data.stream:
        if part != "train":
            raise UserError(
                f"A training file that is streamed has no {part} pairs split "
                "off.",
                f"Set data.{part}, or data.stream=false.",
            )
        return read_stream(training, limit=recipe.data.max_train_pairs)
    whole = read_parallel(training)
    if recipe.data.max_train_pairs:
        whole = whole.first(recipe.data.max_train_pairs)
    if paths["validation"] is None or paths["test"] is None:
        if part == "train" and whole.problems:
            # The parts know nothing of the lines that are in none of them.
            log.warning("%s", whole.report())
        parts = split(
            whole,
            None if paths["validation"] is None else 0,
            None if paths["test"] is None else 0,
            seed=recipe.training.seed,
        )
        return dict(zip(paths, parts, strict=True))[part]
    return whole


def train_tokenizers(
    recipe: Recipe, corpus: Corpus
) -> tuple[tokenizers.Tokenizer, tokenizers.Tokenizer]:
    """Learns a vocabulary of each side, from the training corpus only."""
    data = recipe.data
    return (
        tokenizers.train(
            corpus.sources, data.source_vocabulary, data.tokenizer
        ),
        tokenizers.train(
            corpus.targets, data.target_vocabulary, data.tokenizer
        ),
    )


def build_model(
    recipe: Recipe,
    source_tokenizer: tokenizers.Tokenizer,
    target_tokenizer: tokenizers.Tokenizer,
) -> keras.Model:
    """Makes the model for the vocabularies as they turned out."""
    return build.build_model(
        recipe.model,
        source_tokenizer.vocabulary_size,
        target_tokenizer.vocabulary_size,
    )


def batches(
    recipe: Recipe,
    corpus: Corpus,
    source_tokenizer: tokenizers.Tokenizer,
    target_tokenizer: tokenizers.Tokenizer,
    train_batches: EpochBatches | None = None,
) -> EpochBatches | StreamedBatches:
    """Batches to train on, or, beside those, to validate on."""
    validating = train_batches is not None
    if isinstance(corpus, StreamedCorpus):
        if recipe.data.bpe_dropout:
            raise UserError(
                "The subwords of a training file that is streamed are not "
                "drawn anew.",
                "Leave out data.bpe_dropout, or data.stream.",
            )
        return StreamedBatches(
            corpus,
            source_tokenizer,
            target_tokenizer,
            batch_size=recipe.training.batch_size,
            num_buckets=recipe.training.num_buckets,
            max_source_len=recipe.data.max_source_len,
            max_target_len=recipe.data.max_target_len,
            shuffle_buffer=recipe.data.shuffle_buffer,
            seed=recipe.training.seed,
            repeats=2 if recipe.training.r_drop else 1,
        )
    return EpochBatches(
        corpus,
        source_tokenizer,
        target_tokenizer,
        batch_size=recipe.training.batch_size,
        # The same few shapes for both: XLA compiles each of them once.
        boundaries=train_batches.boundaries if train_batches else None,
        num_buckets=recipe.training.num_buckets,
        max_source_len=recipe.data.max_source_len,
        max_target_len=recipe.data.max_target_len,
        bpe_dropout=0.0 if validating else recipe.data.bpe_dropout,
        shuffle=not validating,
        seed=recipe.training.seed,
        repeats=2 if recipe.training.r_drop else 1,
    )


TRANSLATION = Task(
    name="translation",
    source="text",
    target="text",
    read=read,
    train_tokenizers=train_tokenizers,
    build_model=build_model,
    batches=batches,
    loss=lambda recipe: SmoothedCrossentropy(
        recipe.training.label_smoothing, recipe.training.r_drop
    ),
    metrics=lambda: [
        Perplexity(),
        TokenAccuracy(),
    ],
    measures=TextMeasures,
)
