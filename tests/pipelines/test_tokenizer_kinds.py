"""A run whose tokens are characters or words, from training to its files."""

import pytest

from pipelines.cli import run_command
from pipelines.run import load
from pipelines.vocabulary import VocabularyTokenizer
from tests.pipelines.command_line import TINY, good_lines

LONGER = [f"--set=data.max_{side}_len=40" for side in ("source", "target")]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["character", "whitespace"])
def test_a_run_remembers_its_tokenizers(tmp_path, kind):
    data = tmp_path / "pairs.tsv"
    data.write_text("\n".join(good_lines()) + "\n", encoding="utf-8")
    folder = tmp_path / "run"
    arguments = [
        "train",
        f"--data={data}",
        f"--run-dir={folder}",
        *TINY,
        *LONGER,
    ]
    assert run_command([*arguments, f"--set=data.tokenizer={kind}"]) == 0
    run = load(folder)
    for tokenizer, texts in [
        (run.source_tokenizer, run.corpus("train").sources),
        (run.target_tokenizer, run.corpus("train").targets),
    ]:
        assert isinstance(tokenizer, VocabularyTokenizer)
        assert tokenizer.kind == kind
        [ids] = tokenizer.encode_lines(texts[:1])
        assert tokenizer.decode(ids) == " ".join(texts[0].split())
    [answer] = run.translate([run.corpus("train").sources[0]])
    shape = (len(answer.target_pieces), len(answer.source_pieces))
    assert answer.alignments.shape == shape
