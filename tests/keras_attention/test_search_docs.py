"""The code of `docs/search.md` runs, from top to bottom."""

import re
from pathlib import Path

from keras_attention import search

PAGE = Path(__file__).resolve().parents[2] / "docs" / "search.md"


def test_code_runs():
    text = PAGE.read_text("utf-8")
    names = {}
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) > 5
    for code in blocks:
        exec(compile(code, PAGE.name, "exec"), names)


def test_every_search_and_rule_is_named():
    text = PAGE.read_text("utf-8")
    for one in (*search.SEARCHES.values(), *search.RULES.values()):
        assert f"{one.__name__}(" in text
