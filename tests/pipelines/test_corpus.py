import gzip
import os
import re

import pytest

from pipelines.data.corpus import (
    Corpus,
    Problem,
    as_read,
    read_parallel,
    split,
)
from pipelines.errors import UserError
from pipelines.files import read_lines, write_whole
from pipelines.recipe import load_recipe


def write(folder, name, content):
    path = folder / name
    path.write_bytes(
        content if isinstance(content, bytes) else content.encode()
    )
    return path


@pytest.mark.parametrize("name", ["a.tsv", "a.tsv.gz", "a.txt"])
@pytest.mark.parametrize("zipped", [False, True])
def test_reads_tsv_by_content_not_by_name(tmp_path, name, zipped):
    content = "Va !\tGo.\nÇa va ?\tHow are you?\n".encode()
    if zipped:
        content = gzip.compress(content)
    corpus = read_parallel(write(tmp_path, name, content))
    assert corpus.sources == ["Va !", "Ça va ?"]
    assert corpus.targets == ["Go.", "How are you?"]
    assert corpus.problems == []
    assert corpus.report() == f"{name}: 2 pairs."


def test_reads_parallel_files(tmp_path):
    paths = [
        write(tmp_path, "a.en", "one\n\nthree\tx\nfour"),
        write(tmp_path, "a.de.gz", gzip.compress(b"eins\nzwei\ndrei\nvier\n")),
    ]
    corpus = read_parallel(paths)
    assert corpus.sources == ["one", "three\tx", "four"]
    assert corpus.targets == ["eins", "drei", "vier"]
    assert corpus.problems == [Problem(2, "empty source")]
    assert corpus.name == "a.en and a.de.gz"


def test_byte_order_mark_crlf_and_odd_line_separators(tmp_path):
    content = "\ufeffun\tone\r\ndeux\u2028x\ttwo\x85\u2003\r\n"
    corpus = read_parallel(write(tmp_path, "a.tsv", content))
    assert corpus.sources == ["un", "deux\u2028x"]
    assert corpus.targets == ["one", "two"]


def test_bad_lines_are_left_out_with_their_numbers(tmp_path):
    rows = [
        b"a\tA",
        b"",
        b"no tab",
        b"b\tB",
        b"\xff\tB",
        b"c\tC\tx",
        b"\tD",
        b"e\t ",
        b"f\0\tF",
        b"x" * 10_001 + b"\tX",
        "é".encode() * 10_000 + b"\tX",
        b"g\tG",
    ]
    corpus = read_parallel(write(tmp_path, "a.tsv", b"\n".join(rows)))
    assert corpus.targets == ["A", "B", "X", "G"]
    assert [(p.line_number, p.reason) for p in corpus.problems] == [
        (2, "empty line"),
        (3, "too few tabs"),
        (5, "not UTF-8"),
        (6, "too many tabs"),
        (7, "empty source"),
        (8, "empty target"),
        (9, "not UTF-8"),
        (10, "over 10,000 characters"),
    ]
    assert "Left out 8 of 12 lines: 2 not UTF-8 (lines 5, 9);" in (
        corpus.report()
    )


def test_report_shows_only_the_first_line_numbers(tmp_path):
    content = "a\tA\n" + "bad\n" * 9 + "b\tB\n" * 11
    report = read_parallel(write(tmp_path, "a.tsv", content)).report()
    assert report == (
        "a.tsv: 12 pairs. Left out 9 of 21 lines: "
        "9 too few tabs (lines 2, 3, 4, 5, 6, ...)."
    )


def test_further_columns_and_other_columns(tmp_path):
    content = "one\tun\tnote\ntwo\tdeux\tnote\nthree\ttrois\n"
    path = write(tmp_path, "a.tsv", content)
    corpus = read_parallel(path, columns=(1, 0))
    assert corpus.sources == ["un", "deux"]
    assert corpus.targets == ["one", "two"]
    assert corpus.problems == [Problem(3, "too few tabs")]


ZIPPED = gzip.compress(b"a\tA\n" * 1000, mtime=0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "No usable sentence pair"),
        (b"\n\n\r\n", "3 empty line"),
        (b"no tab\n", "1 too few tabs (line 1)"),
        (gzip.compress(b"", mtime=0), "No usable sentence pair"),
        (ZIPPED[:-20], "damaged or truncated gzip"),
        (ZIPPED[:30] + b"\x00\xff\x00" + ZIPPED[33:], "damaged or truncated"),
        (ZIPPED[:-4] + b"\0\0\0\0", "damaged or truncated"),
        ("a\tA\n".encode("utf-16"), "UTF-16"),
        ("a\tA\n".encode("utf-16-le"), "not UTF-8 text"),
        ("é\tA\nê\tB\n".encode("latin-1"), "LATIN1"),
        (bytes(range(256)) * 9, "not UTF-8 text"),
    ],
)
def test_unusable_content(tmp_path, content, message):
    with pytest.raises(UserError, match=re.escape(message)) as caught:
        read_parallel(write(tmp_path, "a.tsv", content))
    assert "a.tsv" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.remedy


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(UserError, match="No such file"):
        read_parallel(tmp_path / "none.tsv")
    with pytest.raises(UserError, match="is a folder"):
        read_parallel(tmp_path)
    with pytest.raises(UserError, match="No such file"):
        read_parallel((write(tmp_path, "a", "a\n"), tmp_path / "b"))


def test_unreadable_file(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.read_bytes", refuse)
    with pytest.raises(UserError, match="cannot be read: Permission denied"):
        read_lines(tmp_path / "a")


def test_parallel_files_of_unequal_length(tmp_path):
    paths = (write(tmp_path, "a", "1\n2\n3\n"), write(tmp_path, "b", "1\n2\n"))
    with pytest.raises(UserError, match=r"a has 3 and .*b has 2"):
        read_parallel(paths)
    with pytest.raises(UserError, match="Received 1 paths"):
        read_parallel(paths[:1])


def make_corpus(num_sources):
    sources, targets = [], []
    for number in range(num_sources):
        for variant in range(number % 3 + 1):
            sources.append(f"s{number}")
            targets.append(f"t{(number + 7 * variant) // 2}")
    return Corpus(sources, targets, name="made")


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_split_leaks_nothing_and_keeps_most(seed):
    corpus = make_corpus(503)
    train, validation, test = split(corpus, seed=seed)
    wanted = len(corpus) // 20
    assert wanted <= len(validation) <= wanted + 2
    assert wanted <= len(test) <= wanted + 2
    assert len(train) > 0.6 * len(corpus)
    for held in (validation, test):
        assert not set(held.sources) & set(train.sources)
        assert not set(held.targets) & set(train.targets)
    assert not set(validation.sources) & set(test.sources)
    pairs = set(zip(corpus.sources, corpus.targets, strict=True))
    for part in (train, validation, test):
        assert set(zip(part.sources, part.targets, strict=True)) <= pairs


def test_sentences_that_tokenizers_read_alike_are_one():
    spaces = [" ", "\u202f", "\xa0", "  "]
    sources = [f"{word}{space}!" for word in range(100) for space in spaces]
    targets = [f"said {index}" for index in range(400)]
    parts = split(Corpus(sources, targets), validation=40, test=40)
    assert [len(part) for part in parts] == [320, 40, 40]
    words = [{one.split()[0] for one in part.sources} for part in parts]
    assert not words[0] & words[1] | words[0] & words[2] | words[1] & words[2]


def test_what_a_split_leaves_out_is_reported():
    digits = [str(number) for number in range(100)]
    corpus = Corpus(digits, [str(n) if n % 4 else "OK" for n in range(100)])
    parts = split(corpus, 5, 5)
    left = sum(map(len, parts))
    assert "OK" in parts[1].targets + parts[2].targets
    assert left + len(parts[0].problems) == 100
    said = f"{100 - left} target of a validation or test pair (line"
    assert said in parts[0].report()
    for one in parts[0].problems:
        assert corpus.targets[one.line_number - 1] == "OK"


def test_the_first_pairs_know_nothing_of_later_lines():
    problems = [Problem(2, "empty line"), Problem(9, "empty line")]
    corpus = Corpus(["a", "b"], ["a", "b"], problems, "made", [1, 3])
    assert corpus.first(1).problems == []
    assert corpus.first(2).problems == problems
    longer = Corpus(["a"] * 3, ["b"] * 3, problems, "made", [1, 3, 10])
    assert longer.first(2).problems == problems[:1]


def test_split_depends_on_the_seed_and_on_nothing_else():
    corpus = make_corpus(101)
    assert split(corpus, seed=5) == split(corpus, seed=5)
    assert split(corpus, seed=5)[2] != split(corpus, seed=6)[2]
    # Known once and for all: another machine must split alike.
    digits = [str(number) for number in range(20)]
    assert split(Corpus(digits, digits))[2].sources == ["1"]


def test_split_of_wanted_sizes():
    digits = [str(number) for number in range(10)]
    parts = split(Corpus(digits, digits), validation=0, test=3)
    assert [len(part) for part in parts] == [7, 0, 3]


def test_split_refuses_what_it_cannot_do():
    with pytest.raises(UserError, match="has 1 usable pair; at least 10"):
        split(Corpus(["a"], ["b"]))
    digits = [str(number) for number in range(30)]
    with pytest.raises(UserError, match="would leave 0 of 30 pairs"):
        split(Corpus(digits, ["same"] * 30))
    with pytest.raises(UserError, match="Ask for smaller parts"):
        split(Corpus(digits, digits), validation=20, test=20)


def test_write_whole_leaves_nothing_behind(tmp_path):
    path = tmp_path / "a"
    write_whole(path, b"first")
    write_whole(path, b"second")
    assert path.read_bytes() == b"second"
    (tmp_path / "b").mkdir()
    with pytest.raises(UserError, match="Cannot write"):
        write_whole(tmp_path / "b", b"x")
    with pytest.raises(UserError, match="No such file or directory"):
        write_whole(tmp_path / "none" / "a", b"x")
    assert sorted(os.listdir(tmp_path)) == ["a", "b"]


def test_the_sample():
    data = load_recipe("demo").data
    train, validation, test = (
        read_parallel(data.paths(part))
        for part in ("train", "validation", "test")
    )
    assert len(train) == 82_141
    assert not train.problems + validation.problems + test.problems
    for held in (validation, test):
        assert len(held) > 500
        known = {as_read(one) for one in train.sources}
        assert not {as_read(one) for one in held.sources} & known
        assert not set(held.targets) & set(train.targets)
    folder = data.paths("train").parent
    assert sum(path.stat().st_size for path in folder.glob("*.gz")) < 2e6
    assert "CC BY 2.0 FR" in (folder / "LICENSE").read_text("utf-8")
