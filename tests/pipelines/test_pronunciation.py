"""Pronouncing dictionaries, and error rates that were counted by hand."""

import functools
import gzip
import random

import pytest

from pipelines.data.corpus import Problem
from pipelines.data.pronunciations import (
    by_word,
    first_words,
    read_pronunciations,
    split_words,
)
from pipelines.errors import UserError
from pipelines.evaluation.measures import Scoring
from pipelines.evaluation.pronunciation_measures import (
    PronunciationMeasures,
    nearest,
)

LISTED = {
    "READ": ["R IY D", "R EH D"],
    "TOMATO": ["T AH M EY T OW", "T AH M AA T OW"],
    "CAT": ["K AE T"],
    "THE": ["DH AH", "DH IY"],
    "A": ["AH"],
}


def write(folder, content, name="words.txt"):
    path = folder / name
    path.write_bytes(
        content if isinstance(content, bytes) else content.encode()
    )
    return path


def pairs(corpus):
    return list(zip(corpus.sources, corpus.targets, strict=True))


@pytest.mark.parametrize("zipped", [False, True])
def test_reads_a_dictionary(tmp_path, zipped):
    content = (
        b";;; Copyright (C) of somebody. All rights reserved.\n;;;\n"
        b"'CAUSE  K AH Z\r\n"
        b"READ  R IY D\n"
        b"READ(2)  R EH D\n"
        b";;; In the middle.\n"
        b"THE\tDH  AH \n"
        b"THE DH IY # before vowels\n"
        b"A(1)  AH\n"
        b"#HASH  HH AE SH\n"
    )
    path = write(tmp_path, gzip.compress(content) if zipped else content)
    corpus = read_pronunciations(path)
    assert pairs(corpus) == [
        ("'CAUSE", "K AH Z"),
        ("READ", "R IY D"),
        ("READ", "R EH D"),
        ("THE", "DH AH"),
        ("THE", "DH IY"),
        ("A", "AH"),
        ("#HASH", "HH AE SH"),
    ]
    assert corpus.problems == []
    assert corpus.report() == "words.txt: 7 pairs."


def test_bad_lines_are_left_out_with_their_numbers(tmp_path):
    lines = [
        b";;; not counted",
        b"CAT  K AE T",
        b"",
        b"DOG",
        b"DOG  # no phones",
        b"TWO WORDS  T UW",
        b"\xff  AH",
        b"CAT  K  AE T",
        b"A  " + b"AH " * 5000,
        b"HELD  HH EH L D",
        b"CAT(2)  K AA T",
    ]
    path = write(tmp_path, b"\n".join(lines))
    corpus = read_pronunciations(path, exclude=["HELD"])
    assert pairs(corpus) == [("CAT", "K AE T"), ("CAT", "K AA T")]
    assert corpus.problems == [
        Problem(3, "empty line"),
        Problem(4, "no phones"),
        Problem(5, "no phones"),
        Problem(6, "white space in the word"),
        Problem(7, "not UTF-8"),
        Problem(8, "the same pronunciation again"),
        Problem(9, "over 10,000 characters"),
        Problem(10, "a word of another part of the data"),
    ]
    assert "Left out 8 of 10 lines: 2 no phones (lines 4, 5);" in (
        corpus.report()
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "No usable pronunciation"),
        (b";;; only this\n", "No usable pronunciation"),
        (b"CAT\nDOG\n", "2 no phones (lines 1, 2)"),
        (
            gzip.compress(b"CAT  K AE T\n" * 99, mtime=0)[:-9],
            "damaged or truncated",
        ),
        ("CAT  K AE T\n".encode("utf-16"), "UTF-16"),
    ],
)
def test_unusable_content(tmp_path, content, message):
    path = write(tmp_path, content)
    with pytest.raises(UserError) as caught:
        read_pronunciations(path)
    assert message in str(caught.value) and "words.txt" in str(caught.value)
    assert "\n" not in str(caught.value) and caught.value.remedy


def made(tmp_path, num_words=100):
    """Every third word has two pronunciations; words sound alike in twos."""
    lines = []
    for number in range(num_words):
        lines.append(f"W{number}  P{number // 2} X")
        if number % 3 == 0:
            lines.append(f"W{number}  P{number // 2} Y")
    return read_pronunciations(write(tmp_path, "\n".join(lines)))


def test_a_words_pronunciations_stay_together(tmp_path):
    corpus = made(tmp_path)
    parts = split_words(corpus, seed=3)
    assert [len(by_word(part)) for part in parts] == [90, 5, 5]
    # Nothing is lost, what sounds alike neither.
    assert sorted(sum(map(pairs, parts), [])) == sorted(pairs(corpus))
    words = [set(part.sources) for part in parts]
    assert not words[0] & words[1] | words[0] & words[2] | words[1] & words[2]
    assert parts[2].name == "words.txt (test)"
    assert split_words(corpus, seed=3) == parts
    assert split_words(corpus, seed=4)[2] != parts[2]
    sizes = [len(by_word(one)) for one in split_words(corpus, 0, 7)]
    assert sizes == [93, 0, 7]
    with pytest.raises(UserError, match="at least 10"):
        split_words(made(tmp_path, 9))


def test_the_first_words_with_all_that_is_listed(tmp_path):
    corpus = made(tmp_path)
    assert first_words(corpus, 0) is corpus
    assert pairs(first_words(corpus, 2)) == [
        ("W0", "P0 X"),
        ("W0", "P0 Y"),
        ("W1", "P0 X"),
    ]


def rates(answers):
    """Word and phone error rate, and what they were counted from."""
    words, phones = PronunciationMeasures(Scoring()).score(
        list(answers.values()), [LISTED[word] for word in answers]
    )
    assert (words.name, phones.name) == ("word_error_rate", "phone_error_rate")
    return words, phones


def test_error_rates_counted_by_hand():
    words, phones = rates(
        {
            # Right, though it is listed second: 0 errors on 3 phones.
            "READ": "R EH D",
            # One phone is missing from the second, two errors from the first:
            # 1 on 6.
            "TOMATO": "T AH M AA T",
            # Another vowel, and a phone too many: 2 on 3.
            "CAT": "K AH T S",
            # Nothing was said; both are as near: 2 on 2.
            "THE": "",
            # A phone too many: 1 on 1.
            "A": "AH EY",
        }
    )
    assert words.value == pytest.approx(100 * 4 / 5)
    assert phones.value == pytest.approx(100 * 6 / 15)
    assert words.text == "80.00%" and words.note == "4 of 5 words"
    assert phones.text == "40.00%" and phones.note == "6 errors, 15 phones"
    assert phones.details == {"num_phone_errors": 6, "num_phones": 15}


def test_all_right_and_all_wrong():
    right = {word: listed[-1] for word, listed in LISTED.items()}
    assert [one.value for one in rates(right)] == [0, 0]
    # The shortest right answer of each is not the nearest for nothing.
    words, phones = rates({"A": "X Y Z"})
    assert (words.value, phones.value) == (100, 300)


def test_of_equally_near_ones_the_first_counts():
    assert nearest("A B", ["A B C", "B"]) == (1, 3)
    assert nearest("A B", ["B", "A B C"]) == (1, 1)


def distance(one, other):
    """Insertions, deletions and substitutions, by definition."""

    @functools.cache
    def least(i, j):
        if not i or not j:
            return i + j
        return min(
            least(i - 1, j) + 1,
            least(i, j - 1) + 1,
            least(i - 1, j - 1) + (one[i - 1] != other[j - 1]),
        )

    return least(len(one), len(other))


def test_distances_by_definition():
    chooser = random.Random(2)
    # Phones that share letters: they are compared whole.
    phones = ["A", "AH", "H", "HA"]
    for _ in range(200):
        said, *listed = (
            chooser.choices(phones, k=chooser.randint(1, 7)) for _ in range(4)
        )
        wanted = min(distance(one, said) for one in listed)
        found, length = nearest(" ".join(said), [" ".join(x) for x in listed])
        assert found == wanted
        assert length in {
            len(one) for one in listed if distance(one, said) == wanted
        }


def test_scoring_of_texts_is_refused():
    with pytest.raises(UserError, match="Leave out --tokenize"):
        PronunciationMeasures(Scoring("none"))
