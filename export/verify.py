"""Runs an artifact in a fresh process and holds it to the model's answers."""

import json
import os
import pathlib
import tempfile
from collections.abc import Sequence
from typing import Any

import numpy as np

from export.answers import Answer, unpack
from export.compare import compare
from export.errors import ExportError
from export.fresh_process import run_module
from export.report import Difference, Report
from export.settings import ExportSettings

THRESHOLD = 0.995  # share of the sentences
BATCH_SIZE = 16
NUM_FEW = 50  # sentences for the second batch size, second call and latency


def verify_saved_model(
    model: Any,
    path: str | os.PathLike[str],
    *,
    source_tokenizer: Any,
    target_tokenizer: Any,
    settings: ExportSettings,
    sentences: Sequence[str],
    threshold: float = THRESHOLD,
) -> Report:
    """Verifies a SavedModel; see `verify`."""
    tokenizers = (source_tokenizer, target_tokenizer)
    return verify(
        "saved_model", model, path, tokenizers, settings, sentences, threshold
    )


def verify_litert(
    model: Any,
    path: str | os.PathLike[str],
    *,
    source_tokenizer: Any,
    target_tokenizer: Any,
    settings: ExportSettings,
    sentences: Sequence[str],
    threshold: float = THRESHOLD,
) -> Report:
    """Verifies a LiteRT file; see `verify`."""
    tokenizers = (source_tokenizer, target_tokenizer)
    return verify(
        "litert", model, path, tokenizers, settings, sentences, threshold
    )


def verify(
    format: str,
    model: Any,
    path: str | os.PathLike[str],
    tokenizers: tuple[Any, Any],
    settings: ExportSettings,
    sentences: Sequence[str],
    threshold: float = THRESHOLD,
) -> Report:
    """Compares an artifact, run in a fresh process, with its model.

    All sentences are translated in batches of 16; the first 50 once more
    one by one, once more in batches (a second call), and, by a SavedModel,
    with beam search. An answer agrees if its tokens and text are the
    model's, and its score and alignments within 0.01. Where the model itself
    prefers its token by less than 0.001 nats, the other token is a near tie,
    which agrees too and is listed.

    Args:
        format: `"saved_model"` or `"litert"`.
        model: The model that was exported.
        path: The artifact.
        tokenizers: The source tokenizer (`tokenize`) and the target
            tokenizer (`detokenize`) of the model.
        settings: The settings it was exported with.
        sentences: Sources to compare on; at least one.
        threshold: Share of the sentences that must agree in each check.

    Returns:
        The report.

    Raises:
        ExportError: If fewer sentences agree, if the artifact cannot be run,
            or if running it needed a package that it must not need.
    """
    from export.reference import Reference
    from keras_attention.search import BeamSearch, GreedySearch

    sentences = list(sentences)
    if not sentences:
        raise ExportError("`sentences` must hold at least one sentence.")
    reference = Reference(model, *tokenizers, settings)
    expected = reference.answers(sentences, GreedySearch(), BATCH_SIZE)
    few = expected[:NUM_FEW]
    checks = {
        "greedy": (f"batch size {BATCH_SIZE}", expected),
        "one": ("batch size 1", few),
        "again": ("second call", few),
    }
    if format == "saved_model":
        beam = BeamSearch(
            beam_size=settings.beam_size,
            length_penalty=settings.length_penalty,
        )
        beam_answers = reference.answers(sentences[:NUM_FEW], beam, BATCH_SIZE)
        checks["beam"] = (f"beam of {settings.beam_size}", beam_answers)
    path = pathlib.Path(path)
    found, about = _run(format, path, sentences, list(checks))
    _refuse_modules(format, about["modules"])
    agreements = []
    differences: list[Difference] = []
    for key, (name, own) in checks.items():
        agreement, differing = compare(
            name,
            sentences,
            own,
            found[key],
            None if key == "beam" else reference,
        )
        agreements.append(agreement)
        differences += differing
    report = Report(
        format=format,
        path=str(path),
        size_bytes=_size(path),
        agreements=agreements,
        differences=differences,
        latency_ms=about["latency_ms"],
        modules=about["modules"],
    )
    if report.agreeing_share < threshold:
        raise ExportError(
            f"The {format} artifact does not answer as its model does "
            f"(at least {threshold:.1%} must agree).\n{report.to_markdown()}",
            "Try another format; if the model was changed since it was loaded, "
            "load it again.",
        )
    return report


def _run(
    format: str, path: pathlib.Path, sentences: list[str], keys: list[str]
) -> tuple[dict[str, list[Answer]], dict[str, Any]]:
    """Runs the artifact elsewhere; returns answers by check, and notes."""
    with tempfile.TemporaryDirectory() as folder:
        request = pathlib.Path(folder, "request.json")
        result = pathlib.Path(folder, "result.npz")
        content = {
            "sentences": sentences,
            "few": NUM_FEW,
            "batch_size": BATCH_SIZE,
        }
        request.write_text(json.dumps(content), "utf-8")
        reason = run_module(
            "export.verify_worker",
            format,
            os.path.abspath(path),
            request,
            result,
        )
        if reason:
            raise ExportError(
                f"The {format} artifact cannot be run in a fresh process: "
                f"{reason}."
            )
        with np.load(result) as arrays:
            found = {key: unpack(arrays, key) for key in keys}
            return found, json.loads(str(arrays["about"]))


def _refuse_modules(format: str, modules: Sequence[str]) -> None:
    """Refuses packages that an artifact must do without."""
    without = {"keras_attention", "pipelines"}
    if format == "litert":
        without |= {"tensorflow", "keras"}
    needed = sorted(without & set(modules))
    if needed:
        raise ExportError(
            f"Running the {format} artifact imported {', '.join(needed)}, "
            "which it must do without."
        )


def _size(path: pathlib.Path) -> int:
    """Bytes of a file, or of all files of a folder."""
    if path.is_file():
        return path.stat().st_size
    return sum(p.stat().st_size for p in path.rglob("*") if p.is_file())
