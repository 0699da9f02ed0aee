"""BLEU and chrF with other tokens, or without case, against sacreBLEU."""

import json

import pytest
import sacrebleu

from pipelines.cli import run_command
from pipelines.commands import options
from pipelines.errors import UserError
from pipelines.evaluation import likelihood as likelihoods
from pipelines.evaluation.likelihood import Likelihood
from pipelines.evaluation.measures import TOKENIZERS, Scoring, TextMeasures
from tests.pipelines.tiny_run import SOURCES, fake_translation, make_run

# Tokenised, with case, and full stops that are tokens of their own.
REFERENCES = [
    "a Cat , red , sees the dog .",
    "two Cats eat it 's food .",
    "the dog does n't see .",
    "three dogs see a cat .",
    "the red cat eats .",
    "the green dog sees two cats .",
    "one .",
]
# What differs between the ways: case, and marks that stick to words.
ANSWERS = [
    "a cat, red, sees the dog .",
    "two Cats eat it 's food.",
    "The dog does n't see .",
    "three dogs see a cat .",
    "the red cat eats",
    "the green dog sees 2 cats .",
    "one .",
]


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run with those references, that says those answers."""
    made = make_run(tmp_path / "made")
    lines = [f"{s}\t{t}\n" for s, t in zip(SOURCES, REFERENCES, strict=True)]
    (tmp_path / "made" / "pairs.tsv").write_text("".join(lines))
    answers = dict(zip(SOURCES, ANSWERS, strict=True))

    def translate(texts, options, progress=None, **further):
        return [fake_translation(text, answers[text]) for text in texts]

    monkeypatch.setattr(made, "translate", translate)
    monkeypatch.setattr(
        likelihoods, "likelihood", lambda run, corpus: Likelihood(1, 0.0, 0)
    )
    monkeypatch.setattr(options, "load_run", lambda folder: made)
    return made


@pytest.mark.parametrize("tokenize", TOKENIZERS)
@pytest.mark.parametrize("lowercase", [False, True])
def test_measures_are_sacrebleus(tokenize, lowercase):
    measures = TextMeasures(Scoring(tokenize, lowercase))
    bleu, chrf = measures.score(ANSWERS, [[one] for one in REFERENCES])
    wanted = sacrebleu.corpus_bleu(
        ANSWERS, [REFERENCES], tokenize=tokenize, lowercase=lowercase
    )
    assert bleu.value == wanted.score
    assert f"tok:{tokenize}|" in bleu.note
    assert f"case:{'lc' if lowercase else 'mixed'}|" in bleu.note
    metric = sacrebleu.CHRF(lowercase=lowercase)
    assert chrf.value == metric.corpus_score(ANSWERS, [REFERENCES]).score
    assert chrf.note == str(metric.get_signature())


def test_the_ways_differ():
    """Otherwise the other tests could not fail."""
    values = {
        TextMeasures(Scoring(*way))
        .score(ANSWERS, [[one] for one in REFERENCES])[0]
        .value
        for way in (("13a", False), ("13a", True), ("none", False))
    }
    assert len(values) == 3


def test_the_command(run, capsys):
    assert run_command(["evaluate", "run"]) == 0
    assert "case:mixed|eff:no|tok:13a" in capsys.readouterr().out
    options = ["--tokenize=none", "--lowercase"]
    assert run_command(["evaluate", "run", *options]) == 0
    said = capsys.readouterr().out
    wanted = sacrebleu.corpus_bleu(
        ANSWERS, [REFERENCES], tokenize="none", lowercase=True
    )
    assert f"{wanted.score:.2f}" in said
    assert "case:lc|eff:no|tok:none" in said
    content = json.loads((run.folder / "results.json").read_text())
    usual, other = content["evaluations"].items()
    assert other[0] == f"{usual[0]}, BLEU tokenize none, lower-cased"
    assert other[1]["bleu"] == wanted.score != usual[1]["bleu"]
    assert "tok:none" in other[1]["bleu_signature"]
    assert (
        usual[1]["bleu"] == sacrebleu.corpus_bleu(ANSWERS, [REFERENCES]).score
    )
    assert "nc:6" in usual[1]["chrf_signature"]
    assert {"measures", "title"}.isdisjoint(usual[1])


def test_widths_are_scored_so_too(run, capsys):
    options = ["--widths=1,3", "--tokenize=none"]
    assert run_command(["evaluate", "run", *options]) == 0
    wanted = sacrebleu.corpus_bleu(ANSWERS, [REFERENCES], tokenize="none")
    said = capsys.readouterr().out
    assert said.count(f"{wanted.score:.2f}") == 2
    assert "BLEU tokenize none" in said


def test_tokenizers_that_are_not_offered():
    with pytest.raises(UserError, match="Choose one of 13a, none"):
        Scoring("moses")


def test_the_option_is_checked_before_the_run_is_loaded(errors):
    assert "'moses'" in errors("evaluate", "no_such_run", "--tokenize=moses")
