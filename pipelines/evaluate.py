"""How well a trained run translates."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pipelines.errors import UserError
from pipelines.files import write_whole
from pipelines.results import Results, read_results, write_results

if TYPE_CHECKING:
    from pipelines.run import Run, Translation

SPLITS = ("train", "validation", "test")


def evaluate(
    run: Run,
    split: str = "test",
    *,
    beam_size: int | None = None,
    length_penalty: float | None = None,
    limit: int = 0,
    shuffle_memories: bool = False,
    batch_size: int = 32,
    progress: Callable[[int], None] | None = None,
) -> tuple[Results, list[Translation]]:
    """Translates a split of a run's corpus and scores the translations.

    The results go into `results.json` in the run folder, beside those of
    other splits and settings, and the translations into
    `translations.SPLIT.txt` (not if memories were shuffled).

    Args:
        run: From `pipelines.load`.
        split: "train", "validation" or "test".
        beam_size: Hypotheses kept; 1 is greedy; None as the recipe says.
        length_penalty: See `BeamSearch`; None as the recipe says.
        limit: Use the first pairs only; 0 uses all.
        shuffle_memories: Let each sentence of a batch attend to another
            one's memory, to see how much the model relies on attention.
        batch_size: Sentences at a time.
        progress: Called with the number of sentences done, batch by batch.

    Returns:
        The results, and a `Translation` for each sentence.

    Raises:
        UserError: If there is no such split, its files cannot be read, or the
            results not be written.

    Example:

    ```python
    results, _ = evaluate(pipelines.load("runs/demo"), beam_size=1)
    print(results.bleu)
    ```
    """
    import sacrebleu

    from pipelines.likelihood import likelihood

    if split not in SPLITS:
        raise UserError(
            f"There is no split {split!r} of a corpus.",
            f"Choose one of {', '.join(SPLITS)}.",
        )
    earlier = read_results(run.folder)  # Before it takes minutes.
    corpus = run.corpus(split).first(limit)
    if shuffle_memories:
        batch_size = _batch_size_for_shuffling(len(corpus), batch_size)
    options: dict[str, Any] = {
        "beam_size": beam_size,
        "length_penalty": length_penalty,
        "batch_size": batch_size,
        "memory_transform": swap_memories if shuffle_memories else None,
    }
    run.translate(corpus.sources[:1], **options)  # Traced before the clock.
    start = time.perf_counter()
    translations = run.translate(corpus.sources, progress=progress, **options)
    seconds = time.perf_counter() - start
    texts = [translation.text for translation in translations]
    bleu, chrf = sacrebleu.BLEU(), sacrebleu.CHRF()
    bleu_score = bleu.corpus_score(texts, [corpus.targets]).score
    chrf_score = chrf.corpus_score(texts, [corpus.targets]).score
    fit = likelihood(run, corpus)
    search = run.recipe.search
    results = Results(
        split=split,
        num_sentences=len(corpus),
        beam_size=beam_size or search.beam_size,
        length_penalty=(
            search.length_penalty if length_penalty is None else length_penalty
        ),
        shuffled=shuffle_memories,
        bleu=bleu_score,
        bleu_signature=str(bleu.get_signature()),
        chrf=chrf_score,
        chrf_signature=str(chrf.get_signature()),
        perplexity=None if shuffle_memories else fit.perplexity,
        accuracy=None if shuffle_memories else fit.accuracy,
        num_tokens=fit.num_tokens,
        too_long=[
            number
            for number, translation in enumerate(translations, start=1)
            if translation.truncated
        ],
        seconds=seconds,
    )
    if not shuffle_memories:
        lines = (" ".join(text.splitlines()) + "\n" for text in texts)
        write_whole(
            run.folder / f"translations.{split}.txt", "".join(lines).encode()
        )
    write_results(run.folder, run.recipe.name, results, earlier)
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
