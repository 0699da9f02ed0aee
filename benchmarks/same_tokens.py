"""The same token ids on a device as in a SavedModel's graph, on real lines.

    python benchmarks/same_tokens.py model.tflite sentences.txt
    python benchmarks/same_tokens.py model.tflite pairs.tsv.gz --lines 10000

Reads each line's first column with the LiteRT file's own tokenizer, once by
the sentencepiece library, as `export.runtime` does, and once by
tensorflow_text's operators, as a SavedModel does. Lists every line whose ids
differ; exit status 1 if there is one.
"""

from __future__ import annotations

import argparse
import gzip
import importlib.metadata
import os
import pathlib
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

BATCH_SIZE = 256


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=pathlib.Path, help="a .tflite file")
    parser.add_argument(
        "sentences",
        type=pathlib.Path,
        help="a line each; of tab-separated lines the first column counts; "
        "may be gzipped",
    )
    parser.add_argument("--lines", type=int, help="only the first ones")
    options = parser.parse_args()
    texts = read(options.sentences)[: options.lines]
    start = time.perf_counter()
    device = device_ids(options.model, texts)
    middle = time.perf_counter()
    graph = graph_ids(options.model, texts)
    end = time.perf_counter()
    different = [
        (text, one, other)
        for text, one, other in zip(texts, device, graph, strict=True)
        if one != other
    ]
    for text, one, other in different:
        print(f"{text!r}\n  device: {one}\n  graph:  {other}")
    tokens = sum(len(ids) for ids, _ in device)
    cut = sum(truncated for _, truncated in device)
    versions = ", ".join(
        f"{name} {importlib.metadata.version(name)}"
        for name in ("sentencepiece", "tensorflow-text")
    )
    print(
        f"{len(texts) - len(different):,} of {len(texts):,} lines have the "
        f"same ids ({tokens:,} tokens, {cut:,} lines cut); device "
        f"{middle - start:.1f} s, graph {end - middle:.1f} s; {versions}"
    )
    return 1 if different else 0


def read(path):
    """Returns the first columns of a file's lines."""
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8", newline="\n") as file:
        return [line.rstrip("\r\n").split("\t")[0] for line in file]


def device_ids(model, texts):
    """Returns `(ids, truncated)` of each text, as `export.runtime` reads it."""
    from export.package import read_package
    from export.processors import processor_of
    from export.translation import Texts

    package = read_package(model)
    source = processor_of(package.source_model)
    reader = Texts(source, source, package.settings.max_source_len)
    return [reader.tokenize(text) for text in texts]


def graph_ids(model, texts):
    """Returns `(ids, truncated)` of each text, as a SavedModel reads it."""
    import tensorflow as tf

    from export.package import read_package
    from export.text_signatures import _tokenize  # what the graph runs
    from export.text_tokenizers import tokenizer_of

    package = read_package(model)
    tokenizer = tokenizer_of(package.source_model)
    limit = package.settings.max_source_len

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string)])
    def run(batch):
        return _tokenize(tokenizer, batch, limit)

    answers = []
    for first in range(0, len(texts), BATCH_SIZE):
        batch = tf.constant(texts[first : first + BATCH_SIZE])
        ids, truncated = (one.numpy() for one in run(batch))
        answers += [
            ([int(i) for i in row if i], bool(cut))
            for row, cut in zip(ids, truncated, strict=True)
        ]
    return answers


if __name__ == "__main__":
    sys.exit(main())
