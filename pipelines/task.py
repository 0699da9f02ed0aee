"""`Task`: what a kind of run has of its own."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pipelines.data.corpus import Corpus
from pipelines.errors import UserError
from pipelines.evaluation.measures import Measures, Scoring
from pipelines.recipe import Recipe


@dataclass(frozen=True)
class Task:
    """A kind of source, a kind of target, and how to learn from pairs.

    To add a task, write a file in `pipelines/tasks/` and a line in
    `pipelines.tasks.TASKS`.

    Attributes:
        name: its name in recipes.
        source: what the model reads, in words ("text").
        target: what the model says, in words ("text").
        read: `(recipe, split) -> Corpus`, for the splits "train",
            "validation" and "test".
        train_tokenizers: `(recipe, corpus) -> (source, target)` tokenizers,
            from the training corpus.
        build_model: `(recipe, source_tokenizer, target_tokenizer) -> model`.
        batches: `(recipe, corpus, source_tokenizer, target_tokenizer,
            train_batches or None) -> EpochBatches`; with the batches of the
            training corpus, those to validate on.
        loss: `(recipe) -> keras.losses.Loss`.
        metrics: `() -> list of Keras metrics`, weighted.
        measures: `(Scoring) -> Measures`: what an evaluation asks, and how
            it judges the answers.
    """

    name: str
    source: str
    target: str
    read: Callable[[Recipe, str], Corpus]
    train_tokenizers: Callable[[Recipe, Corpus], tuple[Any, Any]]
    build_model: Callable[[Recipe, Any, Any], Any]
    batches: Callable[..., Any]
    loss: Callable[[Recipe], Any]
    metrics: Callable[[], list[Any]]
    measures: Callable[[Scoring], Measures]


def get(name: str) -> Task:
    """Returns the task of a name.

    Raises:
        UserError: if there is none.
    """
    from pipelines.tasks import TASKS

    if name not in TASKS:
        raise UserError(
            f"No task is called {name!r}.",
            f"Set `task` to one of: {', '.join(sorted(TASKS))}.",
        )
    return TASKS[name]
