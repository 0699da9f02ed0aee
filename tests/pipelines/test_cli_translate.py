"""The commands `translate` and `score`."""

import io
import json
import subprocess

import keras
import numpy as np
import pytest

from pipelines.cli import run_command
from pipelines.commands import options
from pipelines.evaluation.likelihood import likelihood
from pipelines.search_options import SearchOptions
from tests.pipelines.command_line import command
from tests.pipelines.tiny_run import SOURCES, TARGETS, make_run

LINES = "".join(f"{line}\n" for line in [SOURCES[0], "", *SOURCES[1:]])


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    keras.utils.set_random_seed(3)
    made = make_run(tmp_path_factory.mktemp("run"), "data.max_target_len=9")
    kernel = made.model.output_layer.kernel
    kernel.assign(60 * kernel)  # It prefers some tokens, as if it had learned.
    return made


class Input:
    """A standard input that is a pipe."""

    def __init__(self, content):
        self.buffer = io.BytesIO(content.encode())

    def isatty(self):
        return False


@pytest.fixture
def say(run, monkeypatch, capsys):
    """Runs a command on the tiny run; returns the lines that it prints."""
    monkeypatch.setattr(options, "load_run", lambda folder: run)

    def call(name, *arguments, content=LINES):
        monkeypatch.setattr("sys.stdin", Input(content))
        capsys.readouterr()
        assert run_command([name, "run", *map(str, arguments)]) == 0
        return capsys.readouterr().out.split("\n")[:-1]

    return call


def test_one_line_for_each(run, say):
    """Whatever is asked of the search."""
    options = ["--beam-size=3", "--length-penalty=0.5", "--min-length=4"]
    options += ["--max-length=7", "--no-repeat-ngram=2", "--forbid=cat"]
    options += ["--forbid=the dog", "--coverage-penalty=0.1"]
    how = SearchOptions(
        beam_size=3,
        length_penalty=0.5,
        min_length=4,
        max_length=7,
        no_repeat_ngram=2,
        forbid=("cat", "the dog"),
        coverage_penalty=0.1,
    )
    wanted = [one.text for one in run.translate(SOURCES, how)]
    assert say("translate", *options) == [wanted[0], "", *wanted[1:]]


def test_required_words_and_a_beginning(say):
    options = ["--require=red", "--require=a cat", "--prefix=two"]
    for text in say("translate", *options, "--max-length=12", content="un\n"):
        assert text.startswith("two") and "red" in text and "a cat" in text


def test_table(run, say):
    plain = say("translate")
    rows = [line.split("\t") for line in say("translate", "--nbest", 3)]
    numbers = [int(row[0]) for row in rows]
    found = run.search(SOURCES, SearchOptions(num_results=3))
    many = [len(found[0]), 1, *map(len, found[1:])]
    assert numbers == [
        n for n, count in enumerate(many, start=1) for _ in range(count)
    ]
    assert [row[3] for row in rows if row[1] == "1"] == plain
    scores = [one.score for each in found for one in each]
    scores.insert(many[0], 0.0)  # The empty line's.
    np.testing.assert_allclose([float(row[2]) for row in rows], scores, 1e-5)
    best = say("translate", "--scores")
    assert best == ["\t".join(row) for row in rows if row[1] == "1"]


def test_objects(run, say):
    lines = say("translate", "--nbest=2", "--alignments", "--beam-size=4")
    values = [json.loads(line) for line in lines]
    assert [value["line"] for value in values] == list(range(1, 9))
    assert [value["source"] for value in values] == LINES.splitlines()
    assert values[1]["translations"] == [
        {"text": "", "score": 0.0, "pieces": [], "alignments": []}
    ]
    del values[1]
    found = run.search(SOURCES, SearchOptions(4, num_results=2))
    for value, translations in zip(values, found, strict=True):
        for said, one in zip(value["translations"], translations, strict=True):
            assert said["text"] == one.text
            assert said["pieces"] == one.target_pieces
            assert said["score"] == pytest.approx(one.score, abs=1e-5)
            np.testing.assert_allclose(
                said["alignments"], one.alignments, atol=1e-5
            )
            np.testing.assert_allclose(
                np.sum(said["alignments"], 1), 1, atol=1e-4
            )
            assert len(value["source_pieces"]) == one.alignments.shape[1]
    [line] = say("translate", "--format=json", content="un chat\n")
    assert "alignments" not in json.loads(line)["translations"][0]


def test_samples(say):
    draw = ["--sample", "--temperature=2", "--top-p=0.95", "--top-k=30"]
    content = "un chat\n" * 9
    said = say("translate", *draw, content=content)
    assert len(set(said)) > 4
    assert said == say("translate", *draw, "--seed=0", content=content)
    assert said != say("translate", *draw, "--seed=1", content=content)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--sample", "--beam-size=2"], "exclude each other"),
        (["--top-k=2"], "Give --sample too"),
        (["--format=text", "--scores"], "--format text is one line"),
        (["--format=tsv", "--alignments"], "no place for alignments"),
        (["--format=xml"], "Choose one of text, tsv, json"),
        (["--nbest=0"], "--nbest must be 1 or larger"),
        (["--min-length=x"], "--min-length"),
    ],
)
def test_mistakes(arguments, said, errors):
    """They are seen before a run is looked for."""
    assert said in errors("translate", "no_such_run", *arguments)


def test_score(run, say, tmp_path, monkeypatch):
    """Together they are the likelihood, found by teacher forcing."""
    path = tmp_path / "pairs.tsv"
    pairs = [f"{s}\t{t}\n" for s, t in zip(SOURCES, TARGETS, strict=True)]
    path.write_text("".join(pairs))
    scores = [float(line) for line in say("score", "--data", path)]
    assert len(scores) == len(SOURCES)
    fit = likelihood(run, run.corpus("test"))
    assert sum(scores) == pytest.approx(-fit.nats, rel=1e-5)
    rows = [
        line.split("\t")
        for line in say("score", "--data", path, "--format=tsv")
    ]
    assert [float(row[1]) for row in rows] == scores
    assert sum(int(row[2]) for row in rows) == fit.num_tokens
    # A few at a time, as of a long file.
    monkeypatch.setattr("pipelines.commands.translate.PAIRS_AT_ONCE", 3)
    again = [float(line) for line in say("score", "--data", path)]
    np.testing.assert_allclose(again, scores, rtol=1e-5)
    lines = say("score", "--data", path, "--alignments", "--batch-size=2")
    for number, line in enumerate(lines):
        value = json.loads(line)
        [one] = value["translations"]
        assert one["text"] == TARGETS[number]
        assert one["score"] == pytest.approx(scores[number], abs=1e-4)
        shape = (len(one["pieces"]), len(value["source_pieces"]))
        assert np.shape(one["alignments"]) == shape


def test_scores_stay_in_step(say, tmp_path, capsys):
    source, target = tmp_path / "a", tmp_path / "b"
    source.write_text("un\n\nun chat\n")
    target.write_text("one\nx\na cat\n")
    arguments = ["score", f"--source={source}", f"--target={target}"]
    first, empty, last = say(*arguments)
    assert float(first) < 0 and empty == "" and float(last) < 0
    rows = say(*arguments, "--format=tsv")
    assert [row.split("\t")[:2] for row in rows] == [["1", first], ["3", last]]


def test_pairs_in_two_ways(errors, tmp_path):
    for arguments in ([], ["--source=a"], ["--data=a", "--target=b"]):
        assert "in one way" in errors("score", tmp_path, *arguments)


@pytest.mark.slow
def test_translate_from_a_pipe(trained):
    folder, _, _ = trained
    process = command(
        "translate", folder / "run", "--beam-size=1", stdin=subprocess.PIPE
    )
    content = b"un chat\n\n" + b"un " * 99 + b"\n\xff chien\r\n  \ndeux"
    output, error = process.communicate(content, timeout=900)
    assert process.returncode == 0, error
    lines = output.decode().split("\n")
    assert len(lines) == 7 and lines[1] == lines[4] == lines[6] == ""
    assert all(lines[i] for i in (0, 2, 3, 5))
    warnings = error.decode().splitlines()
    assert len(warnings) == 2, error
    assert warnings[0].startswith("Line 4 is not valid UTF-8")
    assert warnings[1].startswith("Line 3 has more than the 16 tokens")


@pytest.mark.slow
def test_translate_to_a_closed_pipe(trained):
    folder, _, _ = trained
    process = command(
        "translate", folder / "run", "--beam-size=1", stdin=subprocess.PIPE
    )
    process.stdout.close()
    process.stdin.write(b"un chat\n" * 9)
    process.stdin.close()
    assert process.stderr.read() == b""
    assert process.wait(900) == 0
    process.stderr.close()
