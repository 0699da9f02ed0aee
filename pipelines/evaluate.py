"""How well a trained run translates."""

from __future__ import annotations

import dataclasses
import hashlib
import math
import re
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from pipelines import task as tasks
from pipelines.data.streamed_corpus import HEAD, StreamedCorpus
from pipelines.errors import UserError
from pipelines.evaluation.measures import Measures, Scoring
from pipelines.evaluation.results import Results, read_results, write_results
from pipelines.files import write_whole
from pipelines.search_options import RECIPES_SEARCH, SearchOptions

if TYPE_CHECKING:
    from pipelines.data.corpus import Corpus
    from pipelines.run import Run
    from pipelines.translation import Translation

SPLITS = ("train", "validation", "test")
USUAL = Scoring()


def evaluate(
    run: Run,
    split: str = "test",
    options: SearchOptions = RECIPES_SEARCH,
    *,
    limit: int = 0,
    shuffle_memories: bool = False,
    batch_size: int = 32,
    scoring: Scoring = USUAL,
    progress: Callable[[int], None] | None = None,
) -> tuple[Results, list[Translation]]:
    """Translates a split of a run's corpus and scores the translations.

    What is asked, and how the answers are judged, is the task's: sentences
    by BLEU and chrF, words by word and phone error rate. The results go into
    `results.json` in the run folder, beside those of other splits and
    settings, and the answers into `translations.SPLIT.txt`, or, if they are
    not all, or were not searched as the recipe says, into a file whose name
    says so (not if memories were shuffled).

    Args:
        run: From `pipelines.load`.
        split: "train", "validation" or "test".
        options: How to search; otherwise as the recipe says.
        limit: Use the first sentences only; 0 uses all.
        shuffle_memories: Let each sentence of a batch attend to another
            one's memory, to see how much the model relies on attention.
        batch_size: Sentences at a time.
        scoring: How BLEU compares texts, if the task has BLEU.
        progress: Called with the number of sentences done, batch by batch.

    Returns:
        The results, and a `Translation` for each sentence.

    Raises:
        UserError: If there is no such split, its files cannot be read, the
            results not be written, or the task is not scored so.

    Example:

    ```python
    run = pipelines.load("runs/demo")
    results, _ = evaluate(run, options=SearchOptions(beam_size=1))
    print(results.bleu)
    ```
    """
    measures, corpus = _prepare(run, split, limit, scoring)
    results, translations = _evaluate(
        run,
        split,
        (measures, corpus),
        options,
        batch_size,
        shuffle_memories,
        progress,
    )
    if not shuffle_memories:
        from pipelines.evaluation.likelihood import likelihood

        fit = likelihood(run, corpus)
        results = dataclasses.replace(
            results, perplexity=fit.perplexity, accuracy=fit.accuracy
        )
        lines = (measures.line(one) for one in translations)
        write_whole(
            run.folder / _answers_name(run, results, options, limit),
            "".join(f"{line}\n" for line in lines).encode(),
        )
    write_results(run.folder, run.recipe.name, [results])
    return results, translations


def _answers_name(
    run: Run, results: Results, options: SearchOptions, limit: int
) -> str:
    """What the file of the answers is called."""
    parts = ["translations", results.split]
    if limit:
        parts.append(f"first_{results.num_sentences}")
    if options.resolve(run.recipe) != RECIPES_SEARCH.resolve(run.recipe):
        name = re.sub(r"[^\w.]+", "_", results.search)
        if options.prefix or options.forbid or options.require:
            # Words may be long, and differ in what no name of a file can have.
            digest = hashlib.sha256(results.search.encode()).hexdigest()[:8]
            name = name.encode()[:80].decode(errors="ignore") + f"_{digest}"
        parts.append(name)
    return ".".join([*parts, "txt"])


def compare_widths(
    run: Run,
    widths: Sequence[int],
    split: str = "test",
    options: SearchOptions = RECIPES_SEARCH,
    *,
    limit: int = 0,
    batch_size: int = 32,
    scoring: Scoring = USUAL,
    progress: Callable[[int], None] | None = None,
) -> list[Results]:
    """Evaluates beams of several sizes.

    The results go into `results.json`, as those of `evaluate`.

    Args:
        run: From `pipelines.load`.
        widths: Beam sizes; 1 is greedy.
        split: "train", "validation" or "test".
        options: How to search, but for the beam size.
        limit: Use the first sentences only; 0 uses all.
        batch_size: Sentences at a time.
        scoring: How BLEU compares texts, if the task has BLEU.
        progress: Called with the number of sentences done, batch by batch.

    Returns:
        The results of each width, without perplexity and accuracy, which do
        not depend on it.

    Raises:
        UserError: As `evaluate`.
    """
    each = [dataclasses.replace(options, beam_size=size) for size in widths]
    measures, corpus = _prepare(run, split, limit, scoring)
    asked = (measures, corpus)
    found = [
        _evaluate(run, split, asked, one, batch_size, False, progress)[0]
        for one in each
    ]
    # What `evaluate` found beside these stays.
    fits, earlier = ("perplexity", "accuracy"), read_results(run.folder)
    found = [
        dataclasses.replace(
            one, **{fit: earlier.get(one.key, {}).get(fit) for fit in fits}
        )
        for one in found
    ]
    write_results(run.folder, run.recipe.name, found)
    return found


def _prepare(
    run: Run, split: str, limit: int, scoring: Scoring
) -> tuple[Measures, Corpus]:
    """Reads the corpus, and checks all it can before it takes minutes."""
    if split not in SPLITS:
        raise UserError(
            f"There is no split {split!r} of a corpus.",
            f"Choose one of {', '.join(SPLITS)}.",
        )
    measures = tasks.get(run.recipe.task).measures(scoring)
    whole = run.corpus(split)
    if (
        isinstance(whole, StreamedCorpus)
        and len(whole) >= HEAD
        and not 0 < limit <= len(whole)
    ):
        raise UserError(
            f"{whole.name} is streamed; of its pairs only the first "
            f"{len(whole):,} are at hand.",
            f"Evaluate some of them: --limit {min(1000, len(whole))}.",
        )
    corpus = measures.first(whole, limit)
    read_results(run.folder)
    return measures, corpus


def _evaluate(
    run: Run,
    split: str,
    asked: tuple[Measures, Corpus],
    options: SearchOptions,
    batch_size: int,
    shuffled: bool,
    progress: Callable[[int], None] | None,
) -> tuple[Results, list[Translation]]:
    """Translates a corpus; returns all but perplexity and accuracy."""
    measures, corpus = asked
    sources, references = measures.questions(corpus)
    if shuffled:
        batch_size = _batch_size_for_shuffling(len(sources), batch_size)
    further: dict[str, Any] = {
        "batch_size": batch_size,
        "memory_transform": swap_memories if shuffled else None,
    }
    # Traced before the clock.
    run.translate(sources[:1], options, **further)
    start = time.perf_counter()
    translations = run.translate(sources, options, progress=progress, **further)
    seconds = time.perf_counter() - start
    texts = [translation.text for translation in translations]
    resolved = options.resolve(run.recipe)
    rows = run.target_tokenizer.encode_lines(corpus.targets)
    results = Results(
        split=split,
        num_sentences=len(sources),
        search=options.describe(run.recipe),
        beam_size=resolved.beam_size,
        length_penalty=resolved.length_penalty,
        shuffled=shuffled,
        mean_score=math.fsum(one.score for one in translations) / len(texts),
        measures=measures.score(texts, references),
        perplexity=None,
        accuracy=None,
        num_tokens=sum(len(row) + 1 for row in rows),
        too_long=[
            number
            for number, translation in enumerate(translations, start=1)
            if translation.truncated
        ],
        seconds=seconds,
        unit=measures.unit,
        scoring=measures.scoring.describe(),
    )
    return results, translations


def swap_memories(memory: Any) -> Any:
    """Gives each sentence of a batch the memory of the one before it.

    A permutation that leaves no sentence its own: values, keys and mask move
    together, while the decoder's first states stay.

    Args:
        memory: A `Memory` of tensors (batch, ...).

    Returns:
        Likewise.
    """
    import tensorflow as tf

    return type(memory)(
        *(None if one is None else tf.roll(one, 1, axis=0) for one in memory)
    )


def _batch_size_for_shuffling(num_sentences: int, batch_size: int) -> int:
    """The nearest size that leaves no sentence alone in the last batch."""
    if num_sentences < 2 or batch_size < 2:
        raise UserError(
            "Memories can only be shuffled among the sentences of a batch; "
            f"there are {num_sentences} in batches of {batch_size}.",
            "Evaluate at least 2 sentences, in batches of at least 2.",
        )
    while num_sentences % batch_size == 1:
        batch_size += 1
    return batch_size
