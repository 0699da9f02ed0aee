"""Long inputs, made by joining sentences, and BLEU by the source's length."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path

from results_studies import FILES

WIDTH = 10  # words, of a group of lengths
MOST = 4  # sentences joined
MAX_LEN = 160  # tokens


def join_consecutive(pairs, number):
    """Joins each `number` pairs in a row; what is left over is left out.

    >>> join_consecutive([("a", "x"), ("b", "y"), ("c", "z")], 2)
    [('a b', 'x y')]
    """
    return [
        tuple(" ".join(side) for side in zip(*group, strict=True))
        for group in zip(
            *(pairs[first::number] for first in range(number)), strict=False
        )
    ]


def join_randomly(pairs, seed):
    """Joins 2, 3 or 4 pairs at a time, until each has been used once."""
    chooser = random.Random(seed)
    pairs = list(pairs)
    chooser.shuffle(pairs)
    joined, first = [], 0
    while first + MOST <= len(pairs):
        number = chooser.randint(2, MOST)
        joined += join_consecutive(pairs[first : first + number], number)
        first += number
    return joined


def make_data(source_dir, target_dir, seed, most_pairs):
    """Writes training, validation and test files with joined sentences.

    Training and validation: all pairs, and all of them once more, two to four
    of them joined at random. Test: all pairs, and two, three and four in a
    row.

    Args:
        source_dir: folder of the files that `FILES` names.
        target_dir: folder for files of the same names.
        seed: of what is joined.
        most_pairs: for a split, how many pairs to use; all where it has none.
    """
    target_dir = Path(target_dir)
    mark = target_dir / "joined.json"
    made = {"seed": seed, "most_pairs": most_pairs, "most": MOST}
    if mark.exists() and json.loads(mark.read_text()) == made:
        return
    target_dir.mkdir(parents=True, exist_ok=True)
    for split, names in FILES.items():
        pairs = read_pairs([Path(source_dir) / name for name in names])
        pairs = pairs[: most_pairs.get(split)]
        if split == "test":
            further = [
                pair
                for number in range(2, MOST + 1)
                for pair in join_consecutive(pairs, number)
            ]
        else:
            further = join_randomly(pairs, seed)
        for side, name in enumerate(names):
            lines = "".join(f"{pair[side]}\n" for pair in [*pairs, *further])
            (target_dir / name).write_bytes(
                gzip.compress(lines.encode(), mtime=0)
            )
    mark.write_text(json.dumps(made))


def read_pairs(paths):
    """Reads parallel files as the pipelines do, without the bad lines."""
    from pipelines.data.corpus import read_parallel

    corpus = read_parallel(paths)
    return list(zip(corpus.sources, corpus.targets, strict=True))


def groups(sources):
    """Groups sentences by their number of words.

    Args:
        sources: sentences, words between blanks.

    Returns:
        A dictionary `{(first, last): indices}`, from short to long, of the
        groups that have sentences.

    Example:

    >>> groups(["a b", "a " * 12])
    {(1, 10): [0], (11, 20): [1]}
    """
    found = {}
    for index, source in enumerate(sources):
        group = max(len(source.split()) - 1, 0) // WIDTH
        found.setdefault(group, []).append(index)
    return {
        (WIDTH * group + 1, WIDTH * (group + 1)): found[group]
        for group in sorted(found)
    }


def by_length(sources, references, sides, score):
    """BLEU of each side in each group of lengths.

    Args:
        sources, references: sentences.
        sides: labels to translations.
        score: from translations and references to BLEU.

    Returns:
        A list of `{"words": [first, last], "sentences": number, "bleu":
        {label: BLEU}}`.
    """
    return [
        {
            "words": list(words),
            "sentences": len(indices),
            "bleu": {
                label: score(
                    [translations[i] for i in indices],
                    [references[i] for i in indices],
                )
                for label, translations in sides.items()
            },
        }
        for words, indices in groups(sources).items()
    ]
