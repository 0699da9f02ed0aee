"""The task "pronunciation", from a dictionary to an exported file."""

import itertools
import json
import re
from pathlib import Path

import keras
import pytest

from pipelines import recipe as recipes
from pipelines import run as runs
from pipelines import task as tasks
from pipelines.cli import export_run, run_command
from pipelines.commands import options
from pipelines.data.pronunciations import by_word
from pipelines.errors import UserError
from pipelines.evaluate import evaluate
from pipelines.evaluation import likelihood
from pipelines.evaluation.likelihood import Likelihood
from pipelines.run import load
from tests.pipelines.tiny_run import fake_translation

PAGE = Path(__file__).resolve().parents[2] / "docs" / "pronunciation.md"
PARTS = ("train", "validation", "test")
SHORT = ("data.max_source_len=8", "data.max_target_len=8")
PHONES = {"A": "AH", "B": "B", "D": "D", "E": "EH", "K": "K"}
TEST = {"READ": ["R IY D", "R EH D"], "CAT": ["K AE T"], "A": ["AH"]}
# A word counts as right whichever of its pronunciations is said: 1 of 3 is
# wrong, by 1 of 3 + 3 + 1 phones.
ANSWERS = {"READ": "R EH D", "CAT": "K AE D", "A": "AH"}


def dictionary():
    """Words whose letters have a phone each; some have another one."""
    lines = [";;; All rights reserved."]
    for number, letters in enumerate(itertools.product(PHONES, repeat=3)):
        word = "".join(letters)
        lines.append(f"{word}  {' '.join(PHONES[one] for one in letters)}")
        if number % 5 == 0:
            lines.append(f"{word}(2)  {' '.join(letters)}")
    return "\n".join(lines) + "\n"


def make_recipe(folder, *assignments):
    (folder / "words.txt").write_text(dictionary())
    lines = [f"{w}  {p}\n" for w, listed in TEST.items() for p in listed]
    (folder / "test.txt").write_text("".join(lines))
    recipe = recipes.from_dict(
        {
            "name": "tiny",
            "task": "pronunciation",
            "data": {"folder": str(folder), "train": "words.txt"},
            "model": {"units": 5, "embedding_dim": 3},
        }
    )
    return recipes.override(recipe, assignments)


def make_run(folder, *assignments):
    """A run with random weights."""
    recipe = make_recipe(folder, *assignments)
    task = tasks.get("pronunciation")
    tokenizers = task.train_tokenizers(recipe, task.read(recipe, "train"))
    keras.utils.set_random_seed(3)
    model = task.build_model(recipe, *tokenizers)
    return runs.Run(folder, recipe, model, *tokenizers)


@pytest.fixture
def answering(tmp_path, monkeypatch):
    """A run that says `ANSWERS`."""
    run = make_run(tmp_path, "data.test=test.txt")

    def translate(texts, options, progress=None, **further):
        return [fake_translation(text, ANSWERS[text]) for text in texts]

    monkeypatch.setattr(run, "translate", translate)
    monkeypatch.setattr(options, "load_run", lambda folder: run)
    monkeypatch.setattr(
        likelihood,
        "likelihood",
        lambda run, corpus: Likelihood(len(corpus), 0.0, 0),
    )
    return run


def test_no_word_is_in_two_parts(tmp_path):
    recipe = make_recipe(tmp_path)
    task = tasks.get("pronunciation")
    parts = [task.read(recipe, part) for part in PARTS]
    words = [set(part.sources) for part in parts]
    assert [len(one) for one in words] == [113, 6, 6]
    assert len(set.union(*words)) == 125
    assert sum(map(len, parts)) == 125 + 25


def test_words_of_named_parts_are_left_out_of_training(tmp_path, caplog):
    held = "ABA  AH B AH\nBEE  B EH EH\nNEW  N UW\n"
    (tmp_path / "held.txt").write_text(held)
    recipe = make_recipe(tmp_path, "data.validation=held.txt")
    task = tasks.get("pronunciation")
    train, validation, test = (task.read(recipe, p) for p in PARTS)
    assert validation.sources == ["ABA", "BEE", "NEW"]
    assert len(by_word(test)) == 6
    assert not {"ABA", "BEE"} & {*train.sources, *test.sources}
    assert len(by_word(train)) == 125 - 2 - 6
    # ABA, number 5 of the words, has two lines.
    assert "Left out 3 of" in caplog.text
    assert "a word of another part of the data" in caplog.text


def test_batches_know_their_lines(tmp_path):
    recipe = make_recipe(tmp_path)
    task = tasks.get("pronunciation")
    lines = (tmp_path / "words.txt").read_text().splitlines()
    for part in PARTS:
        corpus = task.read(recipe, part)
        for number, word, phones in zip(
            corpus.line_numbers, corpus.sources, corpus.targets, strict=True
        ):
            assert lines[number - 1].startswith(word)
            assert lines[number - 1].endswith(phones)


def test_each_side_has_its_tokens(tmp_path):
    run = make_run(tmp_path)
    [read] = run.source_tokenizer.encode_lines(["BAD"])
    assert run.source_tokenizer.pieces(read) == ["B", "A", "D"]
    [said] = run.target_tokenizer.encode_lines(["B AH D"])
    assert run.target_tokenizer.pieces(said) == ["B", "AH", "D"]
    assert run.target_tokenizer.decode(said) == "B AH D"
    # A, E are letters only where they stand for themselves: 5 letters; and
    # 5 phones with the letters A and E of the further pronunciations.
    assert run.source_tokenizer.vocabulary_size == 4 + 5
    assert run.target_tokenizer.vocabulary_size == 4 + 7


@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        ("data.tokenizer=whitespace", "Leave out data.tokenizer"),
        ('data.train=["words.txt", "test.txt"]', "is one file"),
        ("data.test=none.txt", "No such file"),
        ("data.stream=true", "Leave out data.stream"),
        ("data.bpe_dropout=0.1", "Leave out data.bpe_dropout"),
    ],
)
def test_recipes_that_cannot_be(tmp_path, assignment, said):
    with pytest.raises(UserError, match=said):
        make_run(tmp_path, assignment)


def test_evaluation_counts_words(answering, tmp_path):
    results, found = evaluate(answering)
    assert [one.source for one in found] == ["READ", "CAT", "A"]
    assert results.num_sentences == 3
    assert results.measure("word_error_rate").value == pytest.approx(100 / 3)
    assert results.measure("phone_error_rate").value == pytest.approx(100 / 7)
    # Perplexity is over all that is listed.
    assert results.num_tokens == 4 + 4 + 4 + 2
    written = (tmp_path / "translations.test.txt").read_text()
    assert written == "READ  R EH D\nCAT  K AE D\nA  AH\n"
    content = json.loads((tmp_path / "results.json").read_text())
    [(key, entry)] = content["evaluations"].items()
    assert key == "test, 3 words, beam 5, length penalty 1"
    assert entry["word_error_rate"] == pytest.approx(100 / 3)
    assert entry["phone_error_rate"] == pytest.approx(100 / 7)
    assert (entry["num_wrong_words"], entry["num_phones"]) == (1, 7)
    assert "bleu" not in entry and "chrf" not in entry


def test_the_command_evaluate(answering, capsys, errors):
    assert run_command(["evaluate", "run"]) == 0
    said = capsys.readouterr().out
    assert "33.33%" in said and "1 of 3 words" in said
    assert "14.29%" in said and "1 error, 7 phones" in said
    assert "BLEU" not in said and "chrF" not in said
    # All that is listed of the first word.
    assert run_command(["evaluate", "run", "--limit=1", "--widths=1,2"]) == 0
    said = capsys.readouterr().out
    assert "test, 1 words" in said and said.count("0.00%") == 4
    line = errors("evaluate", "run", "--tokenize=none")
    assert "not scored with BLEU" in line


def test_every_attention_of_the_page_can_be_built(tmp_path):
    rows = re.findall(r"^\| `(model\.[^`]+)`", PAGE.read_text("utf-8"), re.M)
    assert len(rows) == 6
    # The page's commands set a key of the recipe.
    attend = recipes.load_recipe("cmudict_g2p").model.attend
    for row in rows:
        run = make_run(tmp_path, f"model.attend={attend}", row)
        [attention] = run.model.decoder.cell.attentions
        name = type(attention.normalizer).__name__.lower()
        assert f"normalizer={name}" in row.replace("_", "")


TINY = [
    f"--set={assignment}"
    for assignment in (
        "model.units=8",
        "model.embedding_dim=8",
        "training.epochs=2",
        "training.batch_size=16",
        "training.num_buckets=1",
        "training.jit_compile=false",
        "data.validation=",
        "data.test=",
        "data.train=words.txt",
        "monitoring.images=1",
    )
]


@pytest.mark.slow
def test_the_shipped_recipe_from_training_to_translation(tmp_path, capsys):
    """Monitored, with tiny sizes and words of its own."""
    make_recipe(tmp_path)
    run_dir = str(tmp_path / "run")
    command = ["train", "cmudict_g2p", "--run-dir", run_dir, *TINY]
    assert run_command([*command, f"--set=data.folder={tmp_path}"]) == 0
    said = capsys.readouterr().err
    assert "words.txt (training): " in said
    assert list((tmp_path / "run" / "tensorboard").rglob("*tfevents*"))
    assert run_command(["evaluate", run_dir, "--beam-size=1"]) == 0
    said = capsys.readouterr().out
    assert "word error rate" in said and "of 6 words" in said
    [one] = load(run_dir).translate(["BAD"])
    assert one.source_pieces == ["B", "A", "D", "</s>"]
    assert one.alignments.shape == (len(one.target_pieces), 4)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["litert", "saved_model"])
def test_exports_agree_with_the_model(tmp_path, kind):
    run = make_run(tmp_path, "data.test=test.txt", *SHORT)
    report = export_run(run, kind, limit=3)
    assert report.bleu is None
    assert report.agreements
    for one in report.agreements:
        assert one.num_agreeing == one.num_sentences > 0
