"""Trains one variant and translates the test set: a process of its own.

    python benchmarks/results_train.py FOLDER LIMIT < recipe.json

`results.py` starts it, so that its peak memory is its own. The run is in
`FOLDER/run`, what was measured in `FOLDER/measured.json`, the translations in
`FOLDER/translations.json`. Started again, it goes on with what is there.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import resource
import statistics
import sys
import time
from pathlib import Path

import results_studies

MEASURED, TRANSLATIONS = "measured.json", "translations.json"
EPOCHS = "epochs.json"
PACKAGES = ("keras", "tensorflow", "sacrebleu")


def train_variant(recipe, folder, limit):
    """Trains a recipe, or goes on; translates the test set; measures both.

    Args:
        recipe: nested values.
        folder: where everything goes.
        limit: translate the first test sentences only; 0 translates all.
    """
    import keras

    from pipelines import recipe as recipes
    from pipelines import task as tasks
    from pipelines.train import train

    class EpochLog(keras.callbacks.Callback):
        """Writes down how long the steps of each epoch took."""

        def on_epoch_begin(self, epoch, logs=None):
            self.batches = 0
            self.start = self.last = clocks()

        def on_train_batch_end(self, batch, logs=None):
            self.batches += 1
            self.last = clocks()

        def on_epoch_end(self, epoch, logs=None):
            logs = logs or {}
            entry = {
                "epoch": epoch,
                "steps": self.params["steps"],
                "batches": self.batches,
                "seconds": self.last[0] - self.start[0],
                "processor_seconds": self.last[1] - self.start[1],
                "with_validation": clocks()[0] - self.start[0],
                "validation_loss": logs.get("val_loss"),
                "validation_perplexity": logs.get("val_perplexity"),
                "peak_memory": peak_memory(),
            }
            # An epoch that is done again counts once.
            entries = [one for one in read_log(folder) if one["epoch"] != epoch]
            write_json(folder / EPOCHS, [*entries, entry])

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    run = train(
        recipes.from_dict(recipe),
        folder / "run",
        extra_callbacks=[EpochLog()],
    )
    task = tasks.get(run.recipe.task)
    batches = task.batches(
        run.recipe,
        run.corpus("train"),
        run.source_tokenizer,
        run.target_tokenizer,
    )
    measured = {
        "recipe": recipe,
        "limit": limit,
        "parameters": run.model.count_params(),
        **training(read_log(folder), batches),
        **translating(run, folder, limit),
        "processors": processors(),
        "python": platform.python_version(),
        "versions": {
            name: importlib.metadata.version(name) for name in PACKAGES
        },
    }
    write_json(folder / MEASURED, measured)


def clocks():
    """Seconds that have passed, and that processors worked for this program."""
    return time.perf_counter(), time.process_time()


def processors():
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def peak_memory():
    """Most bytes that this process has held; Linux counts in KiB."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def training(entries, batches):
    """Sums up the epochs of a training.

    Args:
        entries: what `EpochLog` wrote.
        batches: the `EpochBatches` that were trained on.
    """
    epochs = sum(
        1 - (one["steps"] - one["batches"]) / batches.num_batches
        for one in entries
    )
    whole = [one for one in entries if one["batches"] == batches.num_batches]
    # The first one compiles.
    timed = whole[1:] or whole

    def rate(key):
        if not timed:
            return None
        seconds = statistics.median(one[key] for one in timed)
        return batches.num_target_tokens / seconds

    perplexities = [one["validation_perplexity"] for one in entries]
    return {
        "epochs": epochs,
        "tokens": round(epochs * batches.num_target_tokens),
        "minutes": sum(one["with_validation"] for one in entries) / 60,
        "tokens_per_second": rate("seconds"),
        "tokens_per_processor_second": rate("processor_seconds"),
        "peak_memory": max(one["peak_memory"] for one in entries),
        "validation_losses": [one["validation_loss"] for one in entries],
        "best_epoch": 1 + perplexities.index(min(perplexities)),
    }


def translating(run, folder, limit):
    """Translates the test set with the best model, and times it."""
    from pipelines import task as tasks
    from pipelines.evaluation.measures import Scoring

    kind = tasks.get(run.recipe.task).measures
    measures = kind(Scoring("none") if kind.has_bleu else Scoring())
    corpus = measures.first(run.corpus("test"), limit)
    sources, references = measures.questions(corpus)
    words = results_studies.words_of(run.recipe.name) or sources[:1]
    shown = run.translate(words)  # Traced before the clock.
    start = time.perf_counter()
    found = run.translate(sources)
    seconds = time.perf_counter() - start
    texts = [" ".join(one.text.split()) for one in found]
    scores = measures.score(texts, references)
    write_json(
        folder / TRANSLATIONS,
        {
            "sources": sources,
            "references": [" / ".join(one) for one in references],
            "translations": texts,
            "shown": [
                {
                    "source": one.source_pieces,
                    "target": one.target_pieces,
                    "alignments": one.alignments.round(4).tolist(),
                }
                for one in shown
                if one.alignments is not None
            ],
        },
    )
    return {
        **{one.name: one.value for one in scores},
        "signature": scores[0].note if kind.has_bleu else "",
        "sentences": len(texts),
        "truncated": sum(one.truncated for one in found),
        "sentences_per_second": len(texts) / seconds,
    }


def bleu(texts, references):
    """BLEU of tokenised text, in percent, and its signature."""
    from pipelines.evaluation.measures import Scoring, TextMeasures

    measures = TextMeasures(Scoring("none"))
    found, _ = measures.score(texts, [[one] for one in references])
    return found.value, found.note


def read_log(folder):
    path = folder / EPOCHS
    return json.loads(path.read_text()) if path.exists() else []


def write_json(path, value):
    from pipelines.files import write_whole

    text = json.dumps(value, indent=1, ensure_ascii=False) + "\n"
    write_whole(path, text.encode())


def main():
    from pipelines.errors import UserError

    folder, limit = sys.argv[1:]
    try:
        train_variant(json.load(sys.stdin), folder, int(limit))
    except UserError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
