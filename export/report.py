"""What a verification found, for people and for machines."""

import dataclasses
import json
import math
import os
import pathlib
from collections.abc import Sequence
from typing import Any

from export.staging import staged


@dataclasses.dataclass(frozen=True)
class Difference:
    """One sentence that the artifact does not answer as the model does.

    Args:
        check: The check that found it.
        sentence: The source.
        expected: The model's answer.
        answer: The artifact's answer.
        score_gap: By how many nats the model prefers its own tokens. Greedy:
            at the first difference. Beam: what both answers are ranked by. 0
            if the tokens are the same, but not their text, score or
            alignments.
        near_tie: Whether the gap is so small that rounding explains it.
    """

    check: str
    sentence: str
    expected: str
    answer: str
    score_gap: float
    near_tie: bool


@dataclasses.dataclass(frozen=True)
class Agreement:
    """One check: an artifact's answers against the model's own.

    Args:
        check: What was done, such as `"batch size 16"`.
        num_sentences: Sentences that were compared.
        num_identical: Sentences with identical tokens; of the n best, in all
            n answers.
        num_agreeing: Sentences with identical tokens and text whose score and
            alignments are within the tolerance, and near ties.
        max_score_difference: Largest difference of scores (nats) among the
            answers with identical tokens.
        max_alignment_difference: Likewise, of alignments. `None` without
            attention.
        threshold: Share of the sentences that must agree.
        score_error: Mean distance of the artifact's log-probabilities from
            those that the model gives the same tokens (nats a token). `None`
            where the answers are those of another check.
        max_score_error: The largest allowed.
    """

    check: str
    num_sentences: int
    num_identical: int
    num_agreeing: int
    max_score_difference: float
    max_alignment_difference: float | None
    threshold: float
    score_error: float | None = None
    max_score_error: float | None = None

    @property
    def agreeing_share(self) -> float:
        """Share of the sentences that agree, near ties included."""
        return self.num_agreeing / self.num_sentences

    @property
    def passed(self) -> bool:
        """Whether enough sentences agree, with scores near enough."""
        if self.agreeing_share < self.threshold:
            return False
        if self.score_error is None or self.max_score_error is None:
            return True
        return self.score_error <= self.max_score_error  # NaN is not.


@dataclasses.dataclass(frozen=True)
class Report:
    """What is known of an artifact after it was verified.

    Args:
        format: `"saved_model"` or `"litert"`.
        path: Where the artifact is.
        size_bytes: Size of the file, or of all files of the folder.
        quantize: How the weights are stored, as in `ExportSettings`.
        agreements: One for each check; the first one covers all sentences.
        differences: Every sentence that is answered differently.
        latency_ms: Median milliseconds per sentence at batch size 1, by
            number of threads (`"1 thread"`, ...).
        modules: Of TensorFlow, Keras and this project's packages, those
            that the process which ran the artifact had imported.
        source_lengths: Tokens of the shortest and of the longest source.
        bleu: BLEU of all greedy answers, of the `"model"` and of the
            `"artifact"`; `None` without references.
        xla: Whether its searches are compiled with XLA.
    """

    format: str
    path: str
    size_bytes: int
    quantize: str
    agreements: Sequence[Agreement]
    differences: Sequence[Difference]
    latency_ms: dict[str, float]
    modules: Sequence[str]
    source_lengths: tuple[int, int]
    bleu: dict[str, float] | None = None
    xla: bool = False

    @property
    def identical_share(self) -> float:
        """Share of all sentences whose tokens are the model's own."""
        first = self.agreements[0]
        return first.num_identical / first.num_sentences

    @property
    def agreeing_share(self) -> float:
        """Share that agrees or is a near tie: the lowest of all checks."""
        return min(one.agreeing_share for one in self.agreements)

    @property
    def failed(self) -> list[Agreement]:
        """The checks in which the artifact is not as near as it must be."""
        return [one for one in self.agreements if not one.passed]

    def to_json(self) -> dict[str, Any]:
        """Returns a dictionary that JSON can hold.

        `None` stands for what is infinite (the gap of two answers one of which
        is the other's beginning) or not a number.
        """
        values = dataclasses.asdict(self)
        values["identical_share"] = self.identical_share
        values["agreeing_share"] = self.agreeing_share
        values["failed"] = [one.check for one in self.failed]
        return _finite(json.loads(json.dumps(values)))

    def to_line(self) -> str:
        """Returns one line for a terminal."""
        first = self.agreements[0]
        latency = ", ".join(
            f"{ms:.1f} ms ({threads})"
            for threads, ms in self.latency_ms.items()
        )
        stored = "" if self.quantize == "none" else f" ({self.quantize})"
        stored += " (XLA)" if self.xla else ""
        bleu = ""
        if self.bleu:
            bleu = (
                f"; BLEU {self.bleu['artifact']:.2f} "
                f"(the model's {self.bleu['model']:.2f})"
            )
        return (
            f"{self.format}{stored}: {self.path}, "
            f"{self.size_bytes / 1e6:.1f} MB; "
            f"{first.num_identical} of {first.num_sentences} answers identical "
            f"to the model's{bleu}; {latency} per sentence"
        )

    def to_markdown(self) -> str:
        """Returns a table of the checks, and the differences below it."""
        shortest, longest = self.source_lengths
        lines = [
            self.to_line(),
            "",
            f"Sources of {shortest} to {longest} tokens.",
            "",
            "| check | sentences | identical tokens | agreeing | must agree "
            "| largest score difference | largest alignment difference "
            "| mean score error, nats a token | at most |",
            "|---|---|---|---|---|---|---|---|---|",
        ]
        for a in self.agreements:
            shown, error, most = (
                "none" if one is None else f"{one:.1e}"
                for one in (
                    a.max_alignment_difference,
                    a.score_error,
                    a.max_score_error,
                )
            )
            lines.append(
                f"| {a.check} | {a.num_sentences} | {a.num_identical} "
                f"| {a.num_agreeing} | {a.threshold:.1%} "
                f"| {a.max_score_difference:.1e} "
                f"| {shown} | {error} | {most} |"
            )
        if self.differences:
            lines.append("")
        for d in self.differences:
            tie = "near tie" if d.near_tie else "different"
            lines.append(
                f"- {d.check}, {tie} (gap {d.score_gap:.1e}): {d.sentence!r}: "
                f"model {d.expected!r}, artifact {d.answer!r}"
            )
        return "\n".join(lines) + "\n"

    def write(self, path: str | os.PathLike[str]) -> list[pathlib.Path]:
        """Writes the report for machines and for people.

        Args:
            path: Without suffix: `.json` and `.md` are appended.

        Returns:
            The two files.

        Raises:
            ExportError: If they cannot be written.
        """
        text = json.dumps(
            self.to_json(), indent=2, ensure_ascii=False, allow_nan=False
        )
        contents = {".json": f"{text}\n", ".md": self.to_markdown()}
        files = []
        for suffix, content in contents.items():
            file = pathlib.Path(f"{os.fspath(path)}{suffix}")
            with staged(file, pathlib.Path.is_file, file=True) as staging:
                # Half of a surrogate pair is no character.
                staging.write_bytes(content.encode("utf-8", "replace"))
            files.append(file)
        return files


def _finite(value: Any) -> Any:
    """The same with `None` for numbers that JSON has no name for."""
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_finite(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
