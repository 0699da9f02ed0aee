"""Builds the sample of short French and English pairs in this folder.

For maintainers. It reads the full files, keeps what the README beside it
describes, and writes the same bytes every time:

    python -m pipelines.sample.build FOLDER

in the project's environment, where FOLDER holds `train.fra-eng.tsv.gz`,
`val.fra-eng.tsv.gz` and `test.fra-eng.tsv.gz`, each line French, a tab,
English.
"""

import argparse
import gzip
import re
from pathlib import Path

from pipelines.data.corpus import as_read

MAX_ENGLISH_WORDS = 7  # as count_words counts them
SPLITS = {"train": "train", "validation": "val", "test": "test"}


def count_words(sentence: str) -> int:
    """Counts words, each punctuation mark being one.

    >>> count_words("I don't know.")
    6
    """
    return len(re.findall(r"\w+|[^\w\s]", sentence))


def read_short_pairs(path: Path) -> list[tuple[str, str]]:
    """Reads the (French, English) pairs that are short enough, in order."""
    with gzip.open(path, "rt", encoding="utf-8", newline="\n") as file:
        pairs = [line.rstrip("\r\n").split("\t") for line in file]
    return [
        (french, english)
        for french, english in pairs
        if count_words(english) <= MAX_ENGLISH_WORDS
    ]


def write_pairs(path: Path, pairs: list[tuple[str, str]]) -> None:
    """Writes pairs as a gzipped TSV without name or time stamp inside."""
    text = "".join(f"{french}\t{english}\n" for french, english in pairs)
    with path.open("wb") as file:
        with gzip.GzipFile("", "wb", 9, file, mtime=0) as zipped:
            zipped.write(text.encode())


def build(full: Path, sample: Path) -> None:
    """Writes `fra-eng.{train,validation,test}.tsv.gz` and prints sizes.

    Args:
        full: Folder of the full files.
        sample: Folder to write to.
    """
    seen: set[str] = set()  # as tokenizers read them
    for split, short_name in SPLITS.items():
        pairs = read_short_pairs(full / f"{short_name}.fra-eng.tsv.gz")
        if split == "train":
            seen = {as_read(french) for french, _ in pairs}
        else:
            pairs = [pair for pair in pairs if as_read(pair[0]) not in seen]
        path = sample / f"fra-eng.{split}.tsv.gz"
        write_pairs(path, pairs)
        print(f"{path}: {len(pairs):,} pairs, {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folder", type=Path, help="folder of the full files")
    build(parser.parse_args().folder, Path(__file__).resolve().parent)
