"""What quantisation costs and brings: LiteRT files of one trained run.

    python benchmarks/litert_files.py runs/multi30k
    python benchmarks/litert_files.py runs/demo --sentences 200 --keep files
    python benchmarks/litert_files.py runs/multi30k --check   # fail on a bar

Exports the run with every quantisation, without comparing it with the model
(the export command does that), and translates the test set with each file on
one thread. Size: of the model in the file; the tokenizers behind it are the
same in all. Time: per sentence at batch size 1, all files in turn in one
process, the median. Start: in a new process, from after Python's own start to
the first translation, and the largest resident memory it had by then (Linux).
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# What the project promises of int8.
LARGEST_SHARE = 0.30  # of the float32 model's size
BLEU_LOST = 0.5
TIMES_AS_FAST = 2.0  # greedy, batch size 1

STARTING = """
import json, re, sys, time
begin = time.perf_counter()
from export.runtime import Translator
translator = Translator(sys.argv[1])
translator.translate([sys.argv[2]])
seconds = time.perf_counter() - begin
# Not resource.getrusage, which also counts what the parent held at the fork.
with open("/proc/self/status") as file:
    peak = int(re.search(r"VmHWM:\\s*(\\d+) kB", file.read())[1])
print(json.dumps([seconds, peak / 1024]))
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=pathlib.Path, help="a trained run's folder")
    parser.add_argument("--sentences", type=int, help="of the test set")
    parser.add_argument(
        "--timed", type=int, default=100, help="sentences timed"
    )
    parser.add_argument(
        "--keep", type=pathlib.Path, help="where to write files"
    )
    parser.add_argument("--check", action="store_true", help="fail on a bar")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        files, corpus = export_all(options.run, options.keep or folder)
        sources = corpus.sources[: options.sentences]
        targets = corpus.targets[: options.sentences]
        rows = measure(files, sources, targets, sources[: options.timed])
    show(rows, len(sources))
    return 1 if options.check and not reached(rows) else 0


def export_all(run_folder, folder):
    """Returns the files by quantisation, and the test corpus."""
    from export.litert import LiteRTExporter
    from export.quantizations import QUANTIZATIONS
    from pipelines.cli import export_settings
    from pipelines.run import load

    run = load(run_folder)
    files = {}
    for quantize in QUANTIZATIONS:
        if quantize == "int4" and not importlib.util.find_spec(
            "ai_edge_quantizer"
        ):
            print("int4 is left out: pip install ai-edge-quantizer")
            continue
        files[quantize] = LiteRTExporter().export(
            run.model,
            pathlib.Path(folder, f"{quantize}.tflite"),
            source_tokenizer=run.source_tokenizer,
            target_tokenizer=run.target_tokenizer,
            settings=export_settings(run, quantize),
        )
    return files, run.corpus("test")


def measure(files, sources, targets, timed):
    """Returns a dictionary of what was found, for each file."""
    import sacrebleu

    from export.package import _description
    from export.runtime import Translator

    translators = {name: Translator(path) for name, path in files.items()}
    rows = {}
    for name, translator in translators.items():
        answers = {
            search: [
                answer.text
                for answer in translator.translate(sources, 16, search)
            ]
            for search in ("greedy", "beam")
        }
        rows[name] = {
            "bytes": _description(files[name])["model_bytes"],
            "bleu": sacrebleu.corpus_bleu(answers["greedy"], [targets]).score,
            "beam_bleu": sacrebleu.corpus_bleu(
                answers["beam"], [targets]
            ).score,
            "greedy": answers["greedy"],
            "beam": answers["beam"],
        }
    for search in ("greedy", "beam"):
        times = {name: [] for name in translators}
        for text in [*timed[:3], *timed]:
            for name, translator in translators.items():
                start = time.perf_counter()
                translator.translate([text], 1, search)
                times[name].append(1000 * (time.perf_counter() - start))
        for name, found in times.items():
            rows[name][f"{search}_ms"] = statistics.median(found[3:])
    for name, path in files.items():
        rows[name]["start"] = starting(path, timed[0])
    for row in rows.values():
        row["agree"] = {
            search: statistics.mean(
                one == other
                for one, other in zip(
                    row[search], rows["none"][search], strict=True
                )
            )
            for search in ("greedy", "beam")
        }
    return rows


def starting(path, text):
    """Returns `(seconds, megabytes)`: the median of three new processes."""
    found = [
        json.loads(
            subprocess.run(
                [sys.executable, "-c", STARTING, path, text],
                check=True,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            ).stdout
        )
        for _ in range(3)
    ]
    return tuple(
        statistics.median(column) for column in zip(*found, strict=True)
    )


def show(rows, num_sentences):
    """Prints a table."""
    full = rows["none"]
    print(
        "| weights | MB | of float32 | greedy ms | times as fast | beam ms "
        "| same answers, greedy / beam | BLEU, greedy / beam | start s "
        "| resident MB |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    for name, row in rows.items():
        seconds, megabytes = row["start"]
        print(
            f"| {name} | {row['bytes'] / 1e6:.2f} "
            f"| {row['bytes'] / full['bytes']:.1%} | {row['greedy_ms']:.2f} "
            f"| {full['greedy_ms'] / row['greedy_ms']:.2f} "
            f"| {row['beam_ms']:.2f} "
            f"| {row['agree']['greedy']:.1%} / {row['agree']['beam']:.1%} "
            f"| {row['bleu']:.2f} / {row['beam_bleu']:.2f} "
            f"| {seconds:.2f} | {megabytes:.0f} |"
        )
    versions = ", ".join(
        f"{name} {importlib.metadata.version(name)}"
        for name in ("tensorflow", "ai-edge-litert")
    )
    print(f"\n{num_sentences:,} sentences; one thread; {versions}")


def reached(rows):
    """Prints the bars of int8, and tells whether all are reached."""
    full, int8 = rows["none"], rows["int8"]
    share = int8["bytes"] / full["bytes"]
    lost = full["bleu"] - int8["bleu"]
    faster = full["greedy_ms"] / int8["greedy_ms"]
    bars = {
        f"size {share:.1%} of float32, at most {LARGEST_SHARE:.0%}": (
            share <= LARGEST_SHARE
        ),
        f"BLEU lost {lost:.2f}, at most {BLEU_LOST}": lost <= BLEU_LOST,
        f"{faster:.2f} times as fast, at least {TIMES_AS_FAST}": (
            faster >= TIMES_AS_FAST
        ),
    }
    for said, well in bars.items():
        print(f"{'reached' if well else 'MISSED'}: int8 {said}")
    return all(bars.values())


if __name__ == "__main__":
    sys.exit(main())
