"""The studies: which variants each compares, and what its page says.

A variant is a recipe: `BASE` and a few keys of its own. Studies that name the
same variant share its training.
"""

from __future__ import annotations

import dataclasses

FILES = {
    split: [f"{name}.lc.norm.tok.{language}.gz" for language in ("en", "de")]
    for split, name in (
        ("train", "train"),
        ("validation", "val"),
        ("test", "test_2016_flickr"),
    )
}

# How many pairs a trial of a command has.
QUICK_PAIRS = {"train": 320, "validation": 48, "test": 24}

BASE = {
    "data": {
        **FILES,
        "source_language": "English",
        "target_language": "German",
        "source_vocabulary": 5000,
        "target_vocabulary": 5000,
    },
    "model": {
        "cell": "gru",
        "units": 256,
        "embedding_dim": 256,
        "attention": "additive",
        "attend": "before",
        "output_units": 256,
        "tied_embeddings": True,
        "dropout": 0.3,
    },
    "training": {
        "batch_size": 64,
        "learning_rate": 2e-3,
        "warmup_steps": 400,
        "patience": 0,
    },
    "search": {"beam_size": 5},
    "monitoring": {"tensorboard": False},
}

# Letters to phones, of a study of its own: a smaller model than the recipe's.
PRONUNCIATION = {
    "task": "pronunciation",
    "data": {
        "train": "train.txt.gz",
        "validation": "val.txt.gz",
        "test": "test.txt.gz",
        "source_language": "spelling",
        "target_language": "phones",
        "max_source_len": 24,
        "max_target_len": 24,
    },
    "model": {
        "cell": "lstm",
        "units": 256,
        "embedding_dim": 128,
        "attention": "additive",
        "attention_units": 128,
        "attend": "after",
        "output_units": 256,
        "dropout": 0.2,
    },
    "training": {
        "batch_size": 128,
        "learning_rate": 2e-3,
        "warmup_steps": 400,
        "label_smoothing": 0.05,
        "patience": 0,
        "num_buckets": 4,
    },
    "search": {"beam_size": 5},
    "monitoring": {"tensorboard": False},
}
PHONES = "phones-"  # of the names of its variants

# What makes a variant of the above. Keys of a Transformer begin anew: those
# of a recurrent model mean nothing to it.
AFTER = {"model.attend": "after"}
# Query and key are then of one width, as `dot` needs.
ONE_WAY = {"model.bidirectional": False}

VARIANTS = {
    "lengths-attention": {},
    "lengths-none": {"model.attention": "none"},
    "score-additive": ONE_WAY,
    "score-dot": {**ONE_WAY, "model.attention": "dot"},
    "score-general": {**ONE_WAY, "model.attention": "general"},
    "score-concat": {**ONE_WAY, "model.attention": "concat"},
    "score-local_p": {
        **ONE_WAY,
        "model.attention": "general",
        "model.window": "local_p",
    },
    **{
        f"after-{name}": {**AFTER, "model.normalizer": name}
        for name in (
            "softmax",
            "sparsemax",
            "straight_through",
            "reinforce",
            "gumbel",
        )
    },
    **{
        PHONES + name: {"model.normalizer": name}
        for name in (
            "softmax",
            "monotonic",
            "straight_through",
            "reinforce",
            "gumbel",
            "marginal",
        )
    },
    "after-layer_norm_gru": {**AFTER, "model.cell": "layer_norm_gru"},
    "after-feeding": {**AFTER, "model.input_feeding": True},
    "recurrent": {},
    "transformer": {
        "model": {
            "architecture": "transformer",
            "units": 256,
            "embedding_dim": 256,
            "encoder_layers": 2,
            "decoder_layers": 2,
            "num_heads": 4,
            # As many weights as the recurrent model.
            "feed_forward_units": 256,
            "tied_embeddings": True,
            "dropout": 0.3,
        },
        "training.learning_rate": 1e-3,
        "training.warmup_steps": 800,
    },
}


@dataclasses.dataclass(frozen=True)
class Study:
    """A comparison.

    Attributes:
        title: of its page.
        variants: labels in the table, to names in `VARIANTS`.
        about: what is compared, for the page.
        joined: whether sentences are joined, for long inputs.
        data: what is learned from, for the page.
        folder: what the data's folder is called in the page's command.
        qualities: what is measured of the answers: keys, and their titles.
        words: whose alignments are drawn.
    """

    title: str
    variants: dict[str, str]
    about: str
    joined: bool = False
    data: str = "Multi30k task 1, lc.norm.tok, English to German"
    folder: str = "multi30k"
    qualities: tuple[tuple[str, str], ...] = (("bleu", "BLEU"),)
    words: tuple[str, ...] = ()


def _same(prefix, labels):
    return {label: f"{prefix}-{label}" for label in labels}


STUDIES = {
    "lengths": Study(
        "BLEU by the length of the source",
        {"attention": "lengths-attention", "no attention": "lengths-none"},
        "With attention and without (after Bahdanau et al. 2014, figure 2). "
        "Without it, the decoder knows the source from its first state alone.",
        joined=True,
    ),
    "scores": Study(
        "Scores",
        _same("score", ("additive", "dot", "general", "concat", "local_p")),
        "How a query is scored against a key (Bahdanau et al. 2014; Luong et "
        "al. 2015). `additive` and `concat` are one function, written in two "
        "ways: without a bias, as here, their figures differ in time only. "
        "`local_p` is the score `general` in the window `local_p`. "
        "The encoder reads one way in all of them, because `dot` needs queries "
        "and keys of one width.",
    ),
    "hardness": Study(
        "Soft and hard attention",
        _same(
            "after",
            ("softmax", "sparsemax", "straight_through", "reinforce", "gumbel"),
        ),
        "How scores become alignments: all of the source (`softmax`), a part "
        "of it (`sparsemax`), or one position, with three ways to learn which. "
        "The decoder attends after its step, without input feeding. The fourth "
        "way, `marginal`, makes an output for every position of the source, "
        "which 5,000 tokens to choose from do not allow: 15 GB were not enough "
        "for a batch. The study of letters to phones has it.",
    ),
    "pronunciation": Study(
        "Letters to phones: soft, monotonic and hard attention",
        _same(
            "phones",
            (
                *("softmax", "monotonic", "straight_through"),
                *("reinforce", "gumbel", "marginal"),
            ),
        ),
        "How scores become alignments where sources and targets follow each "
        "other in nearly the same order: all letters (`softmax`), one after "
        "the other from left to right (`monotonic`), or one, with four ways "
        "to learn which. The decoder attends after its step, without input "
        "feeding, in all of them, because `marginal` needs that. Word error "
        "rate: the share of the words whose answer is none of their listed "
        "pronunciations; phone error rate: wrong phones over the phones of "
        "the nearest listed one. Smaller is better.",
        data="CMUdict 0.7b without stress, letters to phones",
        folder="cmudict",
        qualities=(
            ("word_error_rate", "word error rate, %"),
            ("phone_error_rate", "phone error rate, %"),
        ),
        words=("ACKNOWLEDGEMENT", "CHLOROPHYLL"),
    ),
    "attend": Study(
        "Attending before a step, or after it",
        {
            "before": "recurrent",
            "after": "after-softmax",
            "after, input feeding": "after-feeding",
        },
        "Whether the decoder looks at the source before it makes a step, and "
        "steps with what it saw (Bahdanau et al. 2014), or afterwards, for its "
        "output alone (Luong et al. 2015, section 3); and the latter with what "
        "it saw fed into the next step (section 3.3). Afterwards and without "
        "feeding, no step waits for an attention: in training it is computed "
        "for all steps at once.",
    ),
    "feeding": Study(
        "Input feeding",
        {"without": "after-softmax", "with": "after-feeding"},
        "Whether a step of the decoder knows what the one before looked at "
        "(Luong et al. 2015, section 3.3). The decoder attends after its step.",
    ),
    "cells": Study(
        "Cells, with layer normalisation and without",
        {"gru": "after-softmax", "layer_norm_gru": "after-layer_norm_gru"},
        "What the encoder and the decoder step with: a GRU (Cho et al. 2014) "
        "as it is, or with layer normalisation of what goes into its gates and "
        "its candidate (Ba et al. 2016). The decoder attends after its step, "
        "without input feeding.",
    ),
    "transformer": Study(
        "A recurrent model and a Transformer",
        {"recurrent": "recurrent", "Transformer": "transformer"},
        "A recurrent model with additive attention, and a Transformer with "
        "about as many weights (`keras.layers.MultiHeadAttention`, pre-norm), "
        "in the same pipeline. The Transformer has a learning rate and a "
        "warm-up of its own; neither side was tuned. Its search projects all "
        "that it has seen again at every step, so its sentences per second "
        "say little of what a Transformer can do.",
    ),
}


def words_of(variant):
    """The words whose alignments are drawn, of the studies of a variant."""
    return [
        word
        for study in STUDIES.values()
        if variant in study.variants.values()
        for word in study.words
    ]


def make_recipe(name, data_dir, seed, *, epochs=0, minutes=0.0, quick=False):
    """Returns the nested values of a variant's recipe.

    Args:
        name: a key of `VARIANTS`; also what the recipe is called.
        data_dir: folder of the data.
        seed: of the training.
        epochs: passes over the training pairs. The learning rate falls with a
            cosine that ends with them.
        minutes: of training, in place of epochs. No schedule can know where
            that ends: the rate stays, and a moving average of the weights
            does instead.
        quick: a small model of little data, to try the command.
    """
    base = PRONUNCIATION if name.startswith(PHONES) else BASE
    recipe = {
        section: dict(values) if isinstance(values, dict) else values
        for section, values in base.items()
    }
    recipe["name"] = name
    recipe["data"]["folder"] = str(data_dir)
    recipe["training"]["seed"] = seed
    if minutes:
        recipe["training"] |= {
            "epochs": 1000,
            "max_minutes": float(minutes),
            "schedule": "constant",
            "average": 0.995,
        }
    else:
        recipe["training"]["epochs"] = epochs
    for key, value in VARIANTS[name].items():
        section, _, last = key.partition(".")
        if last:
            recipe[section][last] = value
        else:
            recipe[section] = dict(value)
    if quick:
        _shrink(recipe)
    return recipe


def _shrink(recipe):
    for key in recipe["model"]:
        if key.endswith(("units", "_dim")):
            recipe["model"][key] = 32
    recipe["data"] |= {"source_vocabulary": 300, "target_vocabulary": 300}
    recipe["data"]["max_train_pairs"] = QUICK_PAIRS["train"]
    recipe["training"] |= {
        "warmup_steps": 10,
        "num_buckets": 1,
        "jit_compile": False,
    }
