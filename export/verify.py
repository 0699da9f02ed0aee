"""Runs an artifact in a fresh process and holds it to the model's answers."""

import dataclasses
import os
import pathlib
from collections.abc import Sequence
from typing import Any

from export import quantizations
from export.compare import compare
from export.errors import ExportError, VerificationError
from export.report import Agreement, Difference, Report
from export.score_errors import mean_score_error
from export.settings import ExportSettings
from export.verify_checks import BATCH_SIZE, checks_of, comparisons
from export.verify_process import refuse_modules, run_checks


def verify_saved_model(
    model: Any,
    path: str | os.PathLike[str],
    *,
    source_tokenizer: Any,
    target_tokenizer: Any,
    settings: ExportSettings,
    sentences: Sequence[str],
    threshold: float | None = None,
    references: Sequence[str] | None = None,
) -> Report:
    """Verifies the folder of a SavedModel's version; see `verify`."""
    return verify(
        "saved_model",
        model,
        path,
        (source_tokenizer, target_tokenizer),
        settings,
        sentences,
        threshold,
        references,
    )


def verify_litert(
    model: Any,
    path: str | os.PathLike[str],
    *,
    source_tokenizer: Any,
    target_tokenizer: Any,
    settings: ExportSettings,
    sentences: Sequence[str],
    threshold: float | None = None,
    references: Sequence[str] | None = None,
) -> Report:
    """Verifies a LiteRT file; see `verify`."""
    return verify(
        "litert",
        model,
        path,
        (source_tokenizer, target_tokenizer),
        settings,
        sentences,
        threshold,
        references,
    )


def verify(
    format: str,
    model: Any,
    path: str | os.PathLike[str],
    tokenizers: tuple[Any, Any],
    settings: ExportSettings,
    sentences: Sequence[str],
    threshold: float | None = None,
    references: Sequence[str] | None = None,
) -> Report:
    """Compares an artifact, run in a fresh process, with its model.

    All sentences are translated greedily in batches of 16; then 50 of them,
    of all lengths: one by one, once more in batches (a second call), by beam
    search (all n best), by a greedy search over `encode` and `decode_step`,
    and, by a SavedModel, scored with the model's answers as targets. At last
    come sentences that are joined to sources of `settings.max_source_len`
    tokens, of each smaller size that the artifact has, and to longer ones,
    which are cut: of each kind fewer must agree (`min_long_agreement`), as no
    model has learned from such.

    An answer agrees if its tokens and text are the model's, and its score and
    alignments within the quantisation's tolerance. Where the model itself
    prefers its own tokens by next to nothing (`Quantization.near_tie`),
    others are a near tie, which agrees too and is listed. And whatever the
    artifact says, it must be about as likely as the model finds it
    (`export.score_errors`). A tie that a beam search meets half-way
    may change its lesser answers altogether: all n must agree for 90% of the
    sentences, and of quantised weights only the best is compared.

    Args:
        format: A key of `export.exporters.EXPORTERS`.
        model: The model that was exported.
        path: The artifact.
        tokenizers: The source tokenizer (`tokenize`) and the target
            tokenizer (`tokenize` and `detokenize`) of the model.
        settings: The settings it was exported with.
        sentences: Sources to compare on; at least one.
        threshold: Share of the sentences that must agree in each check;
            `None` for what `quantizations` asks of the settings' `quantize`.
            Of a beam search no more must agree than is asked there.
        references: A right answer for each of the sentences: BLEU is
            measured against them.

    Returns:
        The report.

    Raises:
        VerificationError: If fewer sentences agree, or if the scores are
            further off than the quantisation allows.
        ExportError: If the artifact cannot be run, or if running it needed a
            package that it must not need.
        ImportError: If there are references, and sacrebleu is missing.
    """
    from export.reference import Reference

    sentences = list(sentences)
    if not sentences:
        raise ExportError("`sentences` must hold at least one sentence.")
    if references is not None and len(references) != len(sentences):
        raise ExportError(
            "`references` must hold one for each sentence. Received: "
            f"{len(references)} for {len(sentences)} sentences."
        )
    corpus_bleu = None if references is None else _corpus_bleu()
    quantization = quantizations.get(settings.quantize)
    if threshold is None:
        threshold = quantization.min_agreement
    reference = Reference(model, *tokenizers, settings)
    checks = checks_of(format, reference, sentences, settings)
    path = pathlib.Path(path)
    found, latency, modules = run_checks(format, path, checks)
    refuse_modules(format, modules)
    agreements = []
    differences: list[Difference] = []
    for check in checks:
        compared = comparisons(check, found[check.key], settings, threshold)
        for one in compared:
            agreement, differing = compare(
                one.name,
                check.sentences,
                one.expected,
                one.found,
                check.gap,
                quantization.tolerance,
                one.threshold,
                quantization.near_tie,
            )
            if one is compared[0]:
                # The others have the same best answers.
                error = mean_score_error(
                    reference,
                    check.sentences,
                    [best for best, *_ in one.found],
                    settings,
                    check.how == "beam",
                    BATCH_SIZE,
                )
                agreement = dataclasses.replace(
                    agreement,
                    score_error=error,
                    max_score_error=quantization.max_score_error,
                )
            agreements.append(agreement)
            differences += differing
    bleu = None
    if corpus_bleu is not None:
        bleu = {
            name: corpus_bleu([a.text for [a] in answers], references)
            for name, answers in (
                ("model", checks[0].expected),
                ("artifact", found[checks[0].key]),
            )
        }
    report = Report(
        format=format,
        path=str(path),
        size_bytes=_size(path),
        quantize=settings.quantize,
        agreements=agreements,
        differences=differences,
        latency_ms=latency,
        modules=modules,
        source_lengths=reference.source_lengths(sentences),
        bleu=bleu,
        xla=settings.xla,
    )
    if report.failed:
        names = "; ".join(map(_described, report.failed))
        raise VerificationError(
            f"The {format} artifact does not answer as its model does "
            f"({names}).",
            "Try another format or quantisation; if the model was changed "
            "since it was loaded, load it again.",
            report,
        )
    return report


def _described(agreement: Agreement) -> str:
    """What is wrong, in a few words."""
    one = agreement
    text = f"{one.check}: {one.num_agreeing:,} of {one.num_sentences:,} agree"
    if one.score_error is None or one.max_score_error is None:
        return text
    if one.score_error <= one.max_score_error:
        return text
    return f"{text}, log-probabilities are {one.score_error:.2g} nats off"


def _corpus_bleu() -> Any:
    """Returns a function from answers and references to BLEU."""
    try:
        import sacrebleu
    except ImportError as error:
        raise ImportError(
            f"BLEU needs sacrebleu ({error}). "
            "Install it: pip install sacrebleu; or give no `references`."
        ) from error

    def corpus_bleu(answers: list[str], references: list[str]) -> float:
        return sacrebleu.corpus_bleu(answers, [list(references)]).score

    return corpus_bleu


def _size(path: pathlib.Path) -> int:
    """Bytes of a file, or of all files of a folder."""
    if path.is_file():
        return path.stat().st_size
    return sum(p.stat().st_size for p in path.rglob("*") if p.is_file())
