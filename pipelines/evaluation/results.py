"""What an evaluation found, as a file and as a table."""

import datetime
import importlib.metadata
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipelines.errors import UserError
from pipelines.evaluation.measures import Measure
from pipelines.files import write_whole
from pipelines.terminal import version

RESULTS = "results.json"
PACKAGES = ("tensorflow", "keras", "sacrebleu")


@dataclass(frozen=True)
class Results:
    """What an evaluation found.

    Attributes:
        split: "train", "validation" or "test".
        num_sentences: sentences that were translated; words, where the task
            asks for words.
        search: how it was searched, in a few words.
        beam_size: hypotheses kept; 1 is greedy; None if it was drawn.
        length_penalty: see `BeamSearch`; None if it was drawn.
        shuffled: whether each sentence was given another one's memory.
        mean_score: of the translations: what the search looks for, the
            log-probability in nats with its penalties.
        measures: what the task measures, such as BLEU and chrF.
        perplexity: e to the mean cross-entropy of a reference token, in nats,
            end tokens included; each token is predicted from the true ones
            before it. None if shuffled.
        accuracy: share of reference tokens that are the most likely ones;
            None if shuffled.
        num_tokens: reference tokens, end tokens included.
        too_long: numbers (from 1) of the sentences that are longer than
            the model reads; only its beginning was translated.
        seconds: time of the translating.
        unit: what was translated one by one, in the plural.
        scoring: how BLEU was computed, if not as usual.
    """

    split: str
    num_sentences: int
    search: str
    beam_size: int | None
    length_penalty: float | None
    shuffled: bool
    mean_score: float
    measures: list[Measure]
    perplexity: float | None
    accuracy: float | None
    num_tokens: int
    too_long: list[int]
    seconds: float
    unit: str = "sentences"
    scoring: str = ""

    def measure(self, name: str) -> Measure:
        """Finds a measure by its name, such as "bleu".

        Raises:
            KeyError: If the task has none of that name.
        """
        return {one.name: one for one in self.measures}[name]

    @property
    def bleu(self) -> float:
        """SacreBLEU, in percent."""
        return self.measure("bleu").value

    @property
    def bleu_signature(self) -> str:
        """How BLEU was computed."""
        return self.measure("bleu").note

    @property
    def chrf(self) -> float:
        """chrF2, in percent."""
        return self.measure("chrf").value

    @property
    def chrf_signature(self) -> str:
        """How chrF was computed."""
        return self.measure("chrf").note

    @property
    def sentences_per_second(self) -> float:
        """How fast it translated."""
        return self.num_sentences / max(self.seconds, 1e-9)

    @property
    def key(self) -> str:
        """What distinguishes this evaluation from others of the same run."""
        parts = [self.split, f"{self.num_sentences} {self.unit}", self.search]
        if self.shuffled:
            parts.append("memories shuffled")
        if self.scoring:
            parts.append(self.scoring)
        return ", ".join(parts)


def read_results(folder: Path) -> dict[str, Any]:
    """Reads the evaluations that a run folder holds, by their keys.

    Raises:
        UserError: If the file is damaged.
    """
    path = folder / RESULTS
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return dict(values["evaluations"])
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"Cannot read the earlier results {path}: {error}.",
            "Move or delete it.",
        ) from None


def write_results(
    folder: Path,
    name: str,
    results: Sequence[Results],
) -> None:
    """Writes `results.json`, wholly or not at all.

    Args:
        folder: The run folder.
        name: The recipe's name.
        results: They take the place of earlier ones of the same keys; all
            others stay.

    Raises:
        UserError: If it cannot be written, or an earlier one is damaged.
    """
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    entries = {
        one.key: {
            **_entry(one),
            "sentences_per_second": one.sentences_per_second,
            "date": now,
            "versions": {"keras_attention": version(), **versions},
        }
        for one in results
    }
    content = {
        "recipe": name,
        # Read now: another evaluation may have written meanwhile.
        "evaluations": {**read_results(folder), **entries},
    }
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    write_whole(folder / RESULTS, text.encode("utf-8"))


def _entry(results: Results) -> dict[str, Any]:
    """The values of an evaluation, those of its measures among them."""
    values = asdict(results)
    for one in values.pop("measures"):
        values |= {one["name"]: one["value"], **one["details"]}
    return values


def results_table(results: Results) -> Any:
    """Lays results out as a `rich` table."""
    from rich.table import Table

    title = results.key
    table = Table(title=title, show_header=False, title_justify="left")
    for one in results.measures:
        table.add_row(one.title, f"{one.text}\n{one.note}")
    table.add_row("mean score", f"{results.mean_score:.4f}")
    if results.perplexity is not None:
        table.add_row(
            "perplexity",
            f"{results.perplexity:.2f} a token, of {results.num_tokens:,}",
        )
        table.add_row("token accuracy", f"{results.accuracy:.1%}")
    table.add_row(
        "time",
        f"{results.seconds:.1f} s, {results.sentences_per_second:.1f} "
        f"{results.unit} a second",
    )
    if results.too_long:
        shown = ", ".join(map(str, results.too_long[:5]))
        more = ", ..." if len(results.too_long) > 5 else ""
        table.add_row(
            "cut sources",
            f"{len(results.too_long):,} longer than the model reads "
            f"(numbers {shown}{more})",
        )
    return table


def widths_table(results: Sequence[Results]) -> Any:
    """Lays the results of several beam sizes out as a `rich` table."""
    from rich.table import Table

    first = results[0]
    title = f"{first.split}, {first.num_sentences} {first.unit}"
    if first.scoring:
        title += f", {first.scoring}"
    table = Table(title=title, title_justify="left")
    table.add_column("search")
    titles = [one.title for one in first.measures]
    for name in ("mean score", *titles, f"{first.unit}/s"):
        table.add_column(name, justify="right")
    for one in results:
        table.add_row(
            one.search,
            f"{one.mean_score:.4f}",
            *(measure.text for measure in one.measures),
            f"{one.sentences_per_second:.1f}",
        )
    return table
