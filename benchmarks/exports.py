"""Keras, SavedModel and LiteRT on a test set: same tokens, and how fast.

    python benchmarks/exports.py runs/multi30k
    python benchmarks/exports.py runs/demo --sentences 200 --timed 30
    python benchmarks/exports.py runs/multi30k --check      # fail on a bar

Exports a run as SavedModel (without and with --xla) and as LiteRT (float32 and
int8), translates its test set with each, greedily and by beam search, and
counts the sentences whose tokens are those of the model; each that differs is
listed, with how much the model prefers its own answer, in nats. Then greedy
search at batch 1 on one thread, on the same tokens: the functions of both
SavedModels, compiled before, and the LiteRT files, in turn. `litert_files.py`
has sizes and memory.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import statistics
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import bars as bars_module
import measure
import numpy as np
import search_sides as sides
import tensorflow as tf

IDENTICAL = 0.998
# LiteRT beside the SavedModel: in its faster mode, and without XLA.
FLOAT32_BARS, INT8_BARS = (1.0, 2.5), (2.0, 5.0)
BATCH_SIZE = 16
XLA = "SavedModel --xla"
SHOWN = 20  # differences
SEARCHES = ("greedy", "beam")


def export_all(run, folder):
    """Returns the paths of the four artifacts by name."""
    from export.litert import LiteRTExporter
    from export.saved_model import SavedModelExporter
    from pipelines.cli import export_settings

    tokenizers = {
        "source_tokenizer": run.source_tokenizer,
        "target_tokenizer": run.target_tokenizer,
    }
    jobs = {
        "SavedModel": (SavedModelExporter(), "saved_model", "none"),
        XLA: (SavedModelExporter(), "xla", "none"),
        "LiteRT": (LiteRTExporter(), "float32.tflite", "none"),
        "LiteRT int8": (LiteRTExporter(), "int8.tflite", "int8"),
    }
    return {
        name: exporter.export(
            run.model,
            Path(folder, file),
            settings=export_settings(run, quantize, name == XLA),
            **tokenizers,
        )
        for name, (exporter, file, quantize) in jobs.items()
    }


def answers_of(name, path, sentences, search):
    """Returns the best answer of an artifact to each sentence."""
    if name.startswith("LiteRT"):
        from export.runtime import Translator

        return Translator(path).translate(sentences, BATCH_SIZE, search)
    import tensorflow_text  # noqa: F401  its operators

    from export.answers import from_outputs

    loaded = tf.saved_model.load(str(path))
    function = loaded.signatures[
        {"greedy": "serving_default", "beam": "beam"}[search]
    ]
    answers = []
    for first in range(0, len(sentences), BATCH_SIZE):
        texts = tf.constant(sentences[first : first + BATCH_SIZE])
        outputs = {
            key: one.numpy() for key, one in function(text=texts).items()
        }
        found = from_outputs(outputs, outputs["text"], outputs["source_tokens"])
        answers += [best for best, *_ in found]
    return answers


def compare_answers(reference, paths, sentences, targets):
    """Prints what is identical; returns the shares by (search, artifact)."""
    import sacrebleu

    shares = {}
    print(
        "| search | artifact | same tokens | BLEU, model / artifact |\n"
        "|---|---|---|---|"
    )
    listed = []
    for search in SEARCHES:
        expected = [
            best
            for best, *_ in getattr(reference, search)(sentences, BATCH_SIZE)
        ]
        bleu = sacrebleu.corpus_bleu([a.text for a in expected], [targets])
        for name, path in paths.items():
            found = answers_of(name, path, sentences, search)
            differing = [
                index
                for index, (one, other) in enumerate(
                    zip(expected, found, strict=True)
                )
                if not np.array_equal(one.tokens, other.tokens)
            ]
            shares[search, name] = 1 - len(differing) / len(sentences)
            own = sacrebleu.corpus_bleu([a.text for a in found], [targets])
            print(
                f"| {search} | {name} | {shares[search, name]:.2%} "
                f"| {bleu.score:.2f} / {own.score:.2f} |",
                flush=True,
            )
            if name == "LiteRT int8":
                continue  # Its weights are others: it may say something else.
            gap = getattr(reference, f"{search}_gap")
            listed += [
                (search, name, index, expected[index], found[index], gap)
                for index in differing
            ]
    print()
    for search, name, index, one, other, gap in listed[:SHOWN]:
        nats = gap(sentences[index], one.tokens, other.tokens)
        print(f"- {search}, {name}, sentence {index + 1}: {nats:.1e} nats")
        print(f"  {one.text!r} against {other.text!r}")
    if len(listed) > SHOWN:
        print(f"- and {len(listed) - SHOWN} more")
    return shares


def graph_function(model, settings):
    """Greedy search over tokens, as a SavedModel has it."""
    from export.compiled_search import answering
    from keras_attention.search import GreedySearch

    answer = answering(model, GreedySearch(), settings)

    @tf.function(
        input_signature=[tf.TensorSpec([None, None], tf.int32)],
        autograph=False,
    )
    def translate(source):
        outputs = answer(source)
        return outputs["tokens"], outputs["alignments"]

    return translate


def callers(run, paths, settings):
    """Returns functions from ids `(1, source_len)` to tokens, by name."""
    from ai_edge_litert.interpreter import Interpreter

    def of_graph(xla):
        changed = dataclasses.replace(settings, xla=xla)
        function = graph_function(run.model, changed)

        def call(ids):
            tokens, alignments = function(tf.constant(ids))
            alignments.numpy()
            return tokens.numpy()

        return call

    found = {"SavedModel": of_graph(False), XLA: of_graph(True)}
    for name in ("LiteRT", "LiteRT int8"):
        interpreter = Interpreter(model_path=str(paths[name]), num_threads=1)
        runner = interpreter.get_signature_runner("greedy")
        found[name] = lambda ids, run=runner: run(source=ids)["tokens"]
    return found


def time_all(run, paths, settings, sentences):
    """Prints a table; returns milliseconds a sentence by name."""
    most = settings.max_source_len - 1
    rows = run.source_tokenizer.encode_lines(sentences)
    batches = [np.array([[*row[:most], 2]], np.int32) for row in rows]
    functions = callers(run, paths, settings)
    for function in functions.values():
        for ids in batches:
            function(ids)  # compiles every shape
    times = {name: [] for name in functions}
    for ids in batches:
        for name, function in functions.items():
            times[name].append(
                sides.seconds(lambda f=function, ids=ids: f(ids), 1)
            )
    milliseconds = {
        name: 1e3 * statistics.median(one) for name, one in times.items()
    }
    print("| greedy, batch 1, one thread | ms a sentence | times as fast |")
    print("|---|---|---|")
    for name in functions:
        ratio = statistics.median(
            graph / own
            for graph, own in zip(times["SavedModel"], times[name], strict=True)
        )
        print(f"| {name} | {milliseconds[name]:.2f} | {ratio:.2f} |")
    print(flush=True)
    return milliseconds


def check(shares, milliseconds):
    """Returns the bars, kept or missed."""
    bars = bars_module.Bars()
    for (search, name), share in shares.items():
        if name != "LiteRT int8":
            bars.at_least(f"{search}, {name}: same tokens", share, IDENTICAL)
    faster = min(milliseconds["SavedModel"], milliseconds[XLA])
    for name, (by, by_graph) in (
        ("LiteRT", FLOAT32_BARS),
        ("LiteRT int8", INT8_BARS),
    ):
        own = milliseconds[name]
        bars.at_least(f"{name}, SavedModel's faster mode", faster / own, by)
        bars.at_least(
            f"{name}, SavedModel without XLA",
            milliseconds["SavedModel"] / own,
            by_graph,
        )
    return bars


def main(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("run", type=Path, help="a trained run's folder")
    parser.add_argument("--sentences", type=int, help="of the test set")
    parser.add_argument("--timed", type=int, default=100)
    parser.add_argument("--check", action="store_true", help="fail on a bar")
    arguments = parser.parse_args(argv)
    for threads in (
        tf.config.threading.set_intra_op_parallelism_threads,
        tf.config.threading.set_inter_op_parallelism_threads,
    ):
        threads(1)
    from export.reference import Reference
    from pipelines.cli import export_settings
    from pipelines.run import load

    run = load(arguments.run)
    settings = export_settings(run, "none")
    reference = Reference(
        run.model, run.source_tokenizer, run.target_tokenizer, settings
    )
    corpus = run.corpus("test")
    sentences = corpus.sources[: arguments.sentences]
    targets = corpus.targets[: arguments.sentences]
    print(f"{measure.circumstances(1)}\n{len(sentences)} sentences\n")
    with tempfile.TemporaryDirectory() as folder:
        paths = export_all(run, folder)
        shares = compare_answers(reference, paths, sentences, targets)
        milliseconds = time_all(
            run, paths, settings, sentences[: arguments.timed]
        )
    bars = check(shares, milliseconds)
    bars.show()
    return 1 if arguments.check and bars.missed else 0


if __name__ == "__main__":
    sys.exit(main())
