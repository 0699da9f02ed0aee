"""What a verification found, for people and for machines."""

import dataclasses
import json
from collections.abc import Sequence
from typing import Any


@dataclasses.dataclass(frozen=True)
class Difference:
    """One sentence that the artifact does not answer as the model does.

    Args:
        check: The check that found it.
        sentence: The source.
        expected: The model's answer.
        answer: The artifact's answer.
        score_gap: Greedy: by how many nats the model prefers its own token
            at the first difference. Beam: the distance of the scores. 0 if
            the tokens are the same, but not their text, score or alignments.
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
        num_identical: Answers with identical tokens.
        num_agreeing: Answers with identical tokens and text whose score and
            alignments are within the tolerance, and near ties.
        max_score_difference: Largest difference of scores (nats) among the
            answers with identical tokens.
        max_alignment_difference: Likewise, of alignments. `None` without
            attention.
    """

    check: str
    num_sentences: int
    num_identical: int
    num_agreeing: int
    max_score_difference: float
    max_alignment_difference: float | None


@dataclasses.dataclass(frozen=True)
class Report:
    """What is known of an artifact after it was verified.

    Args:
        format: `"saved_model"` or `"litert"`.
        path: Where the artifact is.
        size_bytes: Size of the file, or of all files of the folder.
        agreements: One for each check; the first one covers all sentences.
        differences: Every sentence that is answered differently.
        latency_ms: Median milliseconds per sentence at batch size 1, by
            number of threads (`"1 thread"`, ...).
        modules: Of TensorFlow, Keras and this project's packages, those
            that the process which ran the artifact had imported.
    """

    format: str
    path: str
    size_bytes: int
    agreements: Sequence[Agreement]
    differences: Sequence[Difference]
    latency_ms: dict[str, float]
    modules: Sequence[str]

    @property
    def identical_share(self) -> float:
        """Share of all sentences whose tokens are the model's own."""
        first = self.agreements[0]
        return first.num_identical / first.num_sentences

    @property
    def agreeing_share(self) -> float:
        """Share that agrees or is a near tie: the lowest of all checks."""
        return min(a.num_agreeing / a.num_sentences for a in self.agreements)

    def to_json(self) -> dict[str, Any]:
        """Returns a dictionary that JSON can hold."""
        values = dataclasses.asdict(self)
        values["identical_share"] = self.identical_share
        values["agreeing_share"] = self.agreeing_share
        return json.loads(json.dumps(values))

    def to_line(self) -> str:
        """Returns one line for a terminal."""
        first = self.agreements[0]
        latency = ", ".join(
            f"{ms:.1f} ms ({threads})"
            for threads, ms in self.latency_ms.items()
        )
        return (
            f"{self.format}: {self.path}, {self.size_bytes / 1e6:.1f} MB; "
            f"{first.num_identical} of {first.num_sentences} answers identical "
            f"to the model's; {latency} per sentence"
        )

    def to_markdown(self) -> str:
        """Returns a table of the checks, and the differences below it."""
        lines = [
            self.to_line(),
            "",
            "| check | sentences | identical tokens | agreeing "
            "| largest score difference | largest alignment difference |",
            "|---|---|---|---|---|---|",
        ]
        for a in self.agreements:
            alignment = a.max_alignment_difference
            shown = "none" if alignment is None else f"{alignment:.1e}"
            lines.append(
                f"| {a.check} | {a.num_sentences} | {a.num_identical} "
                f"| {a.num_agreeing} | {a.max_score_difference:.1e} "
                f"| {shown} |"
            )
        for d in self.differences:
            tie = "near tie" if d.near_tie else "different"
            lines.append(
                f"- {d.check}, {tie} (gap {d.score_gap:.1e}): {d.sentence!r}: "
                f"model {d.expected!r}, artifact {d.answer!r}"
            )
        return "\n".join(lines) + "\n"
