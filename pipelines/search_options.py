"""What a caller may ask of a search, in one place."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pipelines.errors import UserError
from pipelines.text import UNKNOWN_ID

if TYPE_CHECKING:
    from pipelines.recipe import Recipe
    from pipelines.tokenizers import Tokenizer


_LEAST = {
    "beam_size": 1,
    "num_results": 1,
    "length_penalty": 0,
    "coverage_penalty": 0,
    "min_length": 0,
    "min_ratio": 0,
    "max_length": 1,
    "max_ratio": 0,
    "no_repeat_ngram": 0,
    "temperature": 0,
    "top_k": 1,
    "top_p": 0,
}


_LARGEST = 2**31 - 1  # an int32


_DESCRIBED = (
    *("top_k", "top_p", "seed", "coverage_penalty", "min_length", "min_ratio"),
    *("max_length", "max_ratio", "no_repeat_ngram"),
    *("require", "forbid", "prefix"),
)


@dataclasses.dataclass(frozen=True)
class SearchOptions:
    """How to search for translations. None is what the recipe says.

    Tokens are counted with the end token. Words, phrases and the prefix are
    text; they stand for the tokens that the target tokenizer makes of them.

    Attributes:
        beam_size: hypotheses kept; 1 is greedy search.
        num_results: different translations of each sentence, the best
            first. A larger `beam_size` may find more that differ.
        length_penalty: exponent; favours longer translations. See
            `keras_attention.search.BeamSearch`, also for the next one.
        coverage_penalty: weight; favours translations that attend to all of
            the source.
        min_length: least number of tokens.
        min_ratio: least number of tokens for each token of the source.
        max_length: most tokens.
        max_ratio: most tokens for each token of the source.
        no_repeat_ngram: no so many tokens in a row twice; 0 for no such rule.
        require: words or phrases that must appear.
        forbid: words or phrases that must not appear, in the pieces that the
            target tokenizer makes of them.
        prefix: what translations must begin with.
        sample: draw translations instead of searching for the best.
        temperature, top_k, top_p, seed: see
            `keras_attention.search.SamplingSearch`; only with `sample`.

    Raises:
        UserError: If options contradict each other, or are out of range.

    Example:

    >>> SearchOptions(beam_size=5, num_results=3).num_results
    3
    >>> SearchOptions(sample=True, beam_size=5)
    Traceback (most recent call last):
    pipelines.errors.UserError: --sample and --beam-size exclude each other. \
Draw with --sample, or search for the best without it.
    """

    beam_size: int | None = None
    num_results: int = 1
    length_penalty: float | None = None
    coverage_penalty: float | None = None
    min_length: int = 0
    min_ratio: float = 0.0
    max_length: int | None = None
    max_ratio: float | None = None
    no_repeat_ngram: int = 0
    require: tuple[str, ...] = ()
    forbid: tuple[str, ...] = ()
    prefix: str = ""
    sample: bool = False
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    seed: int | None = None

    def __post_init__(self) -> None:
        self._check_ranges()
        if self.sample:
            self._exclude(
                "--sample",
                {
                    "--beam-size": self.beam_size is not None,
                    "--length-penalty": self.length_penalty is not None,
                    "--coverage-penalty": self.coverage_penalty is not None,
                    "--require": bool(self.require),
                },
                "Draw with --sample, or search for the best without it.",
            )
        else:
            for name in ("temperature", "top_k", "top_p", "seed"):
                if getattr(self, name) is not None:
                    raise UserError(
                        f"{_flag(name)} is for drawing translations.",
                        "Give --sample too, or leave it out.",
                    )
        if self.beam_size is not None and self.num_results > self.beam_size:
            raise UserError(
                f"A beam of {self.beam_size} has no {self.num_results} "
                "translations.",
                f"Give --beam-size {self.num_results} or more, or a smaller "
                "--nbest.",
            )
        if self.max_length is not None and self.min_length > self.max_length:
            raise UserError(
                f"--min-length {self.min_length} is more than --max-length "
                f"{self.max_length}.",
                "Give a range that holds a number.",
            )
        if self.max_ratio is not None and self.min_ratio > self.max_ratio:
            raise UserError(
                f"--min-ratio {self.min_ratio:g} is more than --max-ratio "
                f"{self.max_ratio:g}.",
                "Give a range that holds a number.",
            )
        for wanted in (*self.require, self.prefix):
            for word in self.forbid:
                if f" {word.strip()} " in f" {wanted.strip()} ":
                    raise UserError(
                        f"{word!r} cannot be required and forbidden.",
                        "Leave one out.",
                    )

    def _check_ranges(self) -> None:
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if isinstance(value, int) and value > _LARGEST:
                raise UserError(
                    f"{_flag(name)} must be at most {_LARGEST:,}. "
                    f"Received: {value}."
                )
            # NaN is neither.
            if value is not None and not least <= value < float("inf"):
                raise UserError(
                    f"{_flag(name)} must be {least} or larger. "
                    f"Received: {value}."
                )
        for name in ("temperature", "max_ratio", "top_p"):
            if getattr(self, name) == 0:
                raise UserError(f"{_flag(name)} must be more than 0.")
        if self.top_p is not None and self.top_p > 1:
            raise UserError(
                f"--top-p must be at most 1. Received: {self.top_p}.",
                "It is a share of the probability.",
            )
        for name in ("require", "forbid"):
            for text in getattr(self, name):
                if not text.strip():
                    raise UserError(
                        f"{_flag(name)} needs a word. Received: {text!r}."
                    )

    @staticmethod
    def _exclude(name: str, others: dict[str, bool], remedy: str) -> None:
        for other, given in others.items():
            if given:
                raise UserError(
                    f"{name} and {other} exclude each other.", remedy
                )

    def resolve(self, recipe: Recipe) -> SearchOptions:
        """Fills in what the recipe says: nothing that matters is None."""
        settings = recipe.search
        filled: dict[str, Any] = {
            "max_length": recipe.data.max_target_len,
            "temperature": 1.0,
            "top_p": 1.0,
            "seed": 0,
        }
        if not self.sample:
            filled = {
                "beam_size": max(settings.beam_size, self.num_results),
                "length_penalty": settings.length_penalty,
                "coverage_penalty": settings.coverage_penalty,
                "max_length": recipe.data.max_target_len,
            }
        changed = {
            name: value
            for name, value in filled.items()
            if getattr(self, name) is None
        }
        if "max_length" in changed:  # Whoever wants more gets more.
            changed["max_length"] = max(changed["max_length"], self.min_length)
        return dataclasses.replace(self, **changed)

    def describe(self, recipe: Recipe) -> str:
        """Names the search in a few words: "greedy", or "beam 5, ..."."""
        resolved = self.resolve(recipe)
        if self.sample:
            parts = [f"sampling, temperature {resolved.temperature:g}"]
        elif resolved.beam_size == 1:
            parts = ["greedy"]
            usual = recipe.search.length_penalty
            if self.length_penalty not in (None, usual):
                # It ranks nothing, but scores are divided by it.
                parts.append(f"length penalty {self.length_penalty:g}")
        else:
            parts = [
                f"beam {resolved.beam_size}",
                f"length penalty {resolved.length_penalty:g}",
            ]
        for name in _DESCRIBED:
            # Of what a recipe may say too, what it says; the recipe's limits
            # are not named, being those of every search.
            asked = resolved if name == "coverage_penalty" else self
            value = getattr(asked, name)
            if isinstance(value, tuple):
                value = "; ".join(value)
            if value:
                text = value if isinstance(value, str) else f"{value:g}"
                parts.append(f"{name.replace('_', ' ')} {text}")
        return ", ".join(parts)


RECIPES_SEARCH = SearchOptions()  # as the recipe says


def words_to_ids(
    texts: Sequence[str], tokenizer: Tokenizer, name: str
) -> list[list[int]]:
    """Returns the tokens of words, phrases or a prefix.

    Args:
        texts: None of them blank.
        tokenizer: The target's.
        name: The option that they were given with, for the error.

    Raises:
        UserError: If the model has no token for a character.
    """
    rows = tokenizer.encode_lines(list(texts))
    for text, row in zip(texts, rows, strict=True):
        if UNKNOWN_ID in row or not row:
            raise UserError(
                f"{_flag(name)} {text!r} has characters that this model "
                "cannot say.",
                "Write it as it stands in translations that the model was "
                "trained on.",
            )
    return rows


def _flag(name: str) -> str:
    return "--nbest" if name == "num_results" else f"--{name.replace('_', '-')}"
