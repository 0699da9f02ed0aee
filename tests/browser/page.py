"""The web page of `examples/browser`, in a real browser: `make test-browser`.

Exports a small model with fixed sizes, serves the page, and types sentences.
Its weights are random: what it says makes no sense, but it needs no training,
and takes every path that a trained model takes. The name of this file keeps it
out of `make test`: it needs Node.js and Chromium. Settings, all of the
environment:

- `CHROMIUM`: the browser's program, where it is not found;
- `MODEL`: a trained model, a file of format `litert_buckets`, in its place;
- `SCREENSHOT`: where to write a picture of the page (PNG).
"""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from export.exporters import export_model
from export.package import read_package
from export.processors import processor_of
from export.runtime import Translator
from export.settings import ExportSettings
from pipelines.text import SubwordTokenizer
from pipelines.vocabulary import VocabularyTokenizer
from tests.browser import site
from tests.export import tiny


@pytest.fixture(scope="module")
def programs():
    return site.find_programs(os.environ.get("CHROMIUM"))


@pytest.fixture(scope="module")
def model(programs, tmp_path_factory):
    """An exported file; of random weights, if the caller names none."""
    if os.environ.get("MODEL"):
        return Path(os.environ["MODEL"]).resolve()
    lines = site.pairs("train", site.NUM_LINES)
    source, target = (
        SubwordTokenizer.train([row[side] for row in lines], 500)
        for side in (0, 1)
    )
    path = tmp_path_factory.mktemp("model") / "model.tflite"
    export_model(
        "litert_buckets",
        tiny.model(
            **tiny.MODELS["lstm_additive_before"],
            vocabulary_sizes=(source.vocabulary_size, target.vocabulary_size),
        ),
        path,
        source_tokenizer=source,
        target_tokenizer=target,
        settings=ExportSettings(
            max_source_len=24,
            max_target_len=20,
            max_length_factor=1.2,
            beam_size=3,
            name="random",
            source_language="French",
            target_language="English",
        ),
        sentences=[row[0] for row in lines[:5]],
    )
    return path


@pytest.fixture(scope="module")
def tokenizers(model, lines):
    """Tokenizers of every kind: the model's own, and two vocabularies."""
    return {"sentencepiece": read_package(model).source_model} | {
        kind: VocabularyTokenizer.train(lines[:500], 300, kind).model
        for kind in ("character", "whitespace")
    }


@pytest.fixture(scope="module")
def served(programs, model, tokenizers, tmp_path_factory):
    """The folder that is served."""
    site.install(programs["npm"])
    folder = tmp_path_factory.mktemp("site")
    site.write_site(folder, model, tokenizers)
    return folder


@pytest.fixture(scope="module")
def typed():
    """Sentences of all lengths, then none, then one that is too long."""
    sentences = [row[0] for row in site.pairs("test", 500)]
    by_length = sorted(set(sentences), key=len)
    places = np.linspace(0, len(by_length) - 1, site.NUM_SENTENCES).round()
    chosen = [by_length[int(place)] for place in places]
    return [*chosen, "", " ".join(sentences)]


@pytest.fixture(scope="module")
def lines():
    return [
        row[0] for row in site.pairs("train", site.NUM_LINES)
    ] + site.ODD_LINES


@pytest.fixture(scope="module")
def driven(programs, served, typed, tokenizers, lines, tmp_path_factory):
    """What the browser showed."""
    folder = tmp_path_factory.mktemp("driven")
    picture = os.environ.get("SCREENSHOT")
    picture = os.path.abspath(picture) if picture else None
    request = {
        "model": "model.tflite",
        "sentences": typed,
        "lines": lines,
        "tokenizers": {kind: f"{kind}.model" for kind in tokenizers},
        "broken": list(site.BROKEN),
        "screenshot": {"path": picture, "text": site.SHOWN}
        if picture
        else None,
    }
    (folder / "request.json").write_text(json.dumps(request))
    with site.serving(served) as address:
        done = subprocess.run(
            [
                programs["node"],
                site.PAGE / "test" / "drive.mjs",
                programs["browser"],
                address,
                folder / "request.json",
                folder / "result.json",
            ],
            capture_output=True,
            text=True,
            timeout=600,
        )
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "result.json").read_text())


def test_the_page_loads_without_errors(driven):
    assert driven["error"] == ""
    assert driven["pageErrors"] == []


@pytest.mark.parametrize("search", ["greedy", "beam"])
def test_the_same_answers_as_python(driven, model, typed, search):
    found = driven[search]
    expected = Translator(model).translate(typed, 1, search)
    assert len(found) == len(expected) == site.NUM_SENTENCES + 2
    # Not all the same, or this would show little.
    assert len({answer.text for answer in expected}) > 3
    # Integer arithmetic differs between processors, by a rounding.
    exact = read_package(model).settings.quantize == "none"
    for shown, answer in zip(found, expected, strict=True):
        assert shown["tokens"] == answer.tokens.tolist()
        assert shown["text"] == answer.text
        assert shown["score"] == pytest.approx(
            answer.score, abs=1e-3 if exact else 0.1
        )
        np.testing.assert_allclose(
            np.reshape(shown["percents"], answer.alignments.shape),
            100 * answer.alignments,
            atol=0.6 if exact else 5.0,  # shown as whole numbers
        )
        assert len(shown["rows"]) == len(answer.pieces_target)
        assert len(shown["columns"]) == len(answer.pieces_source)
        assert bool(shown["notice"]) == answer.truncated


def test_the_pieces_are_named_as_in_plots(driven, model, typed):
    from pipelines.plots.words import readable

    expected = Translator(model).translate(typed)
    for shown, answer in zip(driven["greedy"], expected, strict=True):
        assert shown["columns"] == readable(answer.pieces_source)
        assert shown["rows"] == readable(answer.pieces_target)


def test_a_long_text_is_cut_and_the_page_says_so(driven, model):
    settings = read_package(model).settings
    notice = driven["greedy"][-1]["notice"]
    assert f"first {settings.max_source_len - 1} tokens" in notice
    assert driven["greedy"][0]["notice"] == ""


def test_an_empty_text_has_an_empty_answer(driven):
    shown = driven["greedy"][-2]
    assert (shown["text"], shown["tokens"], shown["rows"]) == ("", [], [])


@pytest.mark.parametrize("kind", ["sentencepiece", "character", "whitespace"])
def test_the_same_tokens_as_in_python(driven, tokenizers, lines, kind):
    processor = processor_of(tokenizers[kind])
    different = []
    for line, found in zip(lines, driven["tokenizers"][kind], strict=True):
        ids = processor.encode(line) if line.strip() else []
        pieces = processor.id_to_piece(ids)
        expected = [ids, pieces, pieces, processor.decode(ids)]
        if line in site.ODD_LINES and kind == "sentencepiece":
            # From ids, the page knows no piece that adds nothing to the text.
            expected[2] = found[2]
        if found != expected:
            different.append((line, found, expected))
    assert different == []


def test_what_is_no_model_gets_a_clear_error(driven):
    for name, error in zip(site.BROKEN, driven["broken"], strict=True):
        assert site.BROKEN[name] in error


def test_the_page_fits_onto_a_phone(driven):
    assert driven["width"] <= driven["screen"]
    assert not driven["secure"]  # a phone gets it by plain HTTP


def test_nothing_is_asked_of_other_servers(driven):
    assert driven["elsewhere"] == []
