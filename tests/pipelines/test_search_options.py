"""Options of the search, and what the search makes of them."""

import dataclasses

import keras
import numpy as np
import pytest

from keras_attention import search
from pipelines import recipe as recipes
from pipelines.errors import UserError
from pipelines.run import Run
from pipelines.search_options import SearchOptions, words_to_ids
from tests.pipelines.tiny_run import SOURCES, make_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    keras.utils.set_random_seed(3)
    made = make_run(tmp_path_factory.mktemp("run"), "data.max_target_len=9")
    kernel = made.model.output_layer.kernel
    kernel.assign(60 * kernel)  # It prefers some tokens, as if it had learned.
    return made


def ids(run, text):
    return run.target_tokenizer.encode_lines([text])[0]


def texts(run, **options):
    return [
        one.text for one in run.translate(SOURCES, SearchOptions(**options))
    ]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"sample": True, "beam_size": 5}, "--sample and --beam-size"),
        ({"sample": True, "length_penalty": 0.0}, "--length-penalty"),
        ({"sample": True, "coverage_penalty": 1.0}, "--coverage-penalty"),
        ({"sample": True, "require": ("a",)}, "--require"),
        ({"temperature": 2.0}, "Give --sample too"),
        ({"top_k": 2}, "--top-k is for drawing"),
        ({"seed": 0}, "--seed is for drawing"),
        ({"num_results": 3, "beam_size": 2}, "--beam-size 3 or more"),
        ({"min_length": 5, "max_length": 4}, "is more than --max-length 4"),
        ({"require": ("a b",), "forbid": ("a b",)}, "required and forbidden"),
        ({"require": ("a red hut",), "forbid": ("hut",)}, "'hut' cannot be"),
        ({"prefix": "a hut", "forbid": ("a",)}, "'a' cannot be required"),
        ({"min_ratio": 3.0, "max_ratio": 2.0}, "is more than --max-ratio 2"),
        ({"forbid": (" ",)}, "--forbid needs a word"),
        ({"num_results": 0}, "--nbest must be 1 or larger"),
        ({"length_penalty": -1.0}, "Received: -1.0"),
        ({"length_penalty": float("nan")}, "Received: nan"),
        ({"max_ratio": 0.0}, "--max-ratio must be more than 0"),
        ({"sample": True, "temperature": 0.0}, "--temperature must be more"),
        ({"sample": True, "top_p": 1.5}, "--top-p must be at most 1"),
    ],
)
def test_contradictions(options, said):
    with pytest.raises(UserError, match=said):
        SearchOptions(**options)


def test_what_the_recipe_says(run):
    resolved = SearchOptions(coverage_penalty=0.2).resolve(run.recipe)
    assert (resolved.beam_size, resolved.length_penalty) == (5, 1.0)
    assert resolved.max_length == 9 and resolved.coverage_penalty == 0.2
    assert SearchOptions(num_results=8).resolve(run.recipe).beam_size == 8
    assert SearchOptions(min_length=20).resolve(run.recipe).max_length == 20
    drawn = SearchOptions(sample=True, top_k=3).resolve(run.recipe)
    assert (drawn.temperature, drawn.top_p, drawn.seed) == (1.0, 1.0, 0)
    assert drawn.beam_size is None and drawn.length_penalty is None


def with_recipe(run, recipe):
    tokenizers = run.source_tokenizer, run.target_tokenizer
    return Run(run.folder, recipe, run.model, *tokenizers)


def test_the_recipes_coverage_penalty(run):
    """What is asked for takes its place, also 0; samples have none."""
    recipe = recipes.override(run.recipe, ["search.coverage_penalty=0.2"])
    assert SearchOptions().resolve(recipe).coverage_penalty == 0.2
    asked = SearchOptions(coverage_penalty=0.0)
    assert asked.resolve(recipe).coverage_penalty == 0.0
    drawn = SearchOptions(sample=True)
    assert drawn.resolve(recipe).coverage_penalty is None
    assert drawn.describe(recipe) == drawn.describe(run.recipe)
    assert "coverage penalty 0.2" in SearchOptions().describe(recipe)
    assert asked.describe(recipe) == SearchOptions().describe(run.recipe)
    # Two tokens do not cover a sentence.
    [own] = with_recipe(run, recipe).translate(
        SOURCES[:1], SearchOptions(max_length=2)
    )
    found = {
        weight: run.translate(
            SOURCES[:1], SearchOptions(max_length=2, coverage_penalty=weight)
        )[0].score
        for weight in (0.0, 0.2)
    }
    assert own.score == found[0.2] < found[0.0]


def test_coverage_needs_attention(run):
    with pytest.raises(UserError, match="Leave out search.coverage_penalty"):
        recipes.override(
            run.recipe,
            ["model.attention=none", "search.coverage_penalty=0.2"],
        )
    recipe = recipes.override(run.recipe, ["model.attention=none"])
    blind = with_recipe(run, recipe)
    with pytest.raises(UserError, match="Leave --coverage-penalty at 0"):
        blind.translate(SOURCES, SearchOptions(coverage_penalty=0.2))


def test_descriptions(run):
    """Whatever changes what is said is named: results are kept by it."""
    changes = {
        "beam_size": 3,
        "length_penalty": 0.5,
        "coverage_penalty": 0.5,
        "min_length": 2,
        "min_ratio": 0.5,
        "max_length": 4,
        "max_ratio": 0.5,
        "no_repeat_ngram": 2,
        "require": ("a",),
        "forbid": ("b", "c d"),
        "prefix": "the",
        "sample": True,
    }
    drawn = {"temperature": 0.5, "top_k": 2, "top_p": 0.5, "seed": 2}
    said = {
        SearchOptions(**one).describe(run.recipe)
        for one in [
            {},
            *({name: value} for name, value in changes.items()),
            *({"sample": True, name: value} for name, value in drawn.items()),
        ]
    }
    assert len(said) == 1 + len(changes) + len(drawn), said
    assert "beam 5, length penalty 1" in said
    assert SearchOptions(beam_size=1).describe(run.recipe) == "greedy"


def test_every_option_is_described():
    """The two above name all fields but those that only add results."""
    fields = {field.name for field in dataclasses.fields(SearchOptions)}
    assert fields - {"num_results"} == {
        *("beam_size", "length_penalty", "coverage_penalty", "min_length"),
        *("min_ratio", "max_length", "max_ratio", "no_repeat_ngram"),
        *("require", "forbid", "prefix", "sample", "temperature", "top_k"),
        *("top_p", "seed"),
    }


def test_words_the_model_cannot_say(run):
    tokenizer = run.target_tokenizer
    assert words_to_ids(["a cat", "dog"], tokenizer, "require") == [
        ids(run, "a cat"),
        ids(run, "dog"),
    ]
    with pytest.raises(UserError, match="--forbid 'ж' has characters"):
        words_to_ids(["ж"], tokenizer, "forbid")
    with pytest.raises(UserError, match="--prefix"):
        run.translate(SOURCES, SearchOptions(prefix="the ж"))


def test_n_best_of_the_library(run):
    """As the library's search finds them alone; each text once."""
    found = run.search(
        SOURCES,
        SearchOptions(8, num_results=3, length_penalty=0.6, max_length=7),
        batch_size=3,
    )
    beam = search.BeamSearch(8, length_penalty=0.6, num_results=8)
    for text, translations in zip(SOURCES, found, strict=True):
        source = np.array([[*run.source_tokenizer.encode_lines([text])[0], 2]])
        memory, states = run.model.encode(source)
        limit = min(2 * source.shape[1] + 10, 7)
        result = beam(run.model.decode_step, states, memory, limit)
        said = [
            run.target_tokenizer.decode(row[:length].tolist())
            for row, length in zip(
                result.tokens.numpy()[0], result.lengths.numpy()[0], strict=True
            )
        ]
        ranks = [said.index(text) for text in dict.fromkeys(said)]
        assert len(translations) == min(3, len(ranks))
        for rank, one in zip(ranks, translations, strict=False):
            length = int(result.lengths[0, rank])
            tokens = result.tokens.numpy()[0, rank, :length]
            assert one.target_pieces == run.target_tokenizer.pieces(tokens)
            assert one.score == pytest.approx(
                float(result.scores[0, rank]), rel=1e-4
            )
            np.testing.assert_allclose(
                one.alignments,
                result.alignments.numpy()[0, rank, :length],
                atol=1e-5,
            )


def test_nothing_is_made_of_a_line_without_tokens(run):
    """What the tokenizer leaves out counts as nothing."""
    for text in ("\u200b", "\ufeff", "\x1a", " "):
        [one] = run.translate([text])
        assert (one.text, one.score, one.target_pieces) == ("", 0.0, [])


def test_greedy_is_scored_as_a_beam_of_one(run):
    greedy = run.translate(SOURCES, SearchOptions(1, length_penalty=0.7))
    beam = search.BeamSearch(1, length_penalty=0.7)
    source = np.array([[*run.source_tokenizer.encode_lines(SOURCES[:1])[0], 2]])
    memory, states = run.model.encode(source)
    result = beam(run.model.decode_step, states, memory, 9)
    assert greedy[0].score == pytest.approx(float(result.scores[0]), rel=1e-4)


def test_fewer_than_n(run):
    """Of one token, the vocabulary bounds what can be said."""
    number = run.target_tokenizer.vocabulary_size + 3
    options = SearchOptions(num_results=number, max_length=1)
    [found] = run.search(SOURCES[:1], options)
    tokens = range(1, number - 3)  # All but padding.
    different = {run.target_tokenizer.decode([token]) for token in tokens}
    assert {one.text for one in found} == different
    assert len(found) == len(different) < len(tokens)


def test_lengths(run):
    usual = run.translate(SOURCES, SearchOptions(max_length=6))
    assert {len(one.target_pieces) for one in usual} != {5}
    both = SearchOptions(min_length=5, max_length=5)
    for one in run.translate(SOURCES, both):
        assert len(one.target_pieces) == 5
    ratios = SearchOptions(min_ratio=0.5, max_ratio=0.5)
    for one in run.translate(SOURCES, ratios):
        exact = len(one.source_pieces) / 2
        assert np.floor(exact) <= len(one.target_pieces) <= np.ceil(exact)


def test_what_is_asked_for_goes_before_the_recipes_ratio(run):
    [source] = run.source_tokenizer.encode_lines(["un"])
    ratio = 2 * (len(source) + 1) + 10
    for options in (
        {"min_length": ratio + 7},
        {"min_ratio": (ratio + 7) / (len(source) + 1)},
    ):
        [one] = run.translate(["un"], SearchOptions(max_length=99, **options))
        assert len(one.target_pieces) >= ratio + 7
    prefix = "the red cat eats " * 9
    for options in ({}, {"beam_size": 1}):
        [one] = run.translate(["un"], SearchOptions(prefix=prefix, **options))
        assert one.text.startswith(prefix.strip())


def test_words(run):
    before = texts(run)
    word = next(text for text in before if text).split()[0]
    assert any(word in text.split() for text in before)
    assert not any(word in text.split() for text in texts(run, forbid=(word,)))
    required = {"require": ("red", "a cat"), "max_length": 12}
    for beam_size in (1, 3):
        for text in texts(run, beam_size=beam_size, **required):
            assert "red" in text and "a cat" in text
    for options in ({}, {"beam_size": 1}, {"sample": True}):
        for text in texts(run, prefix="two dogs", **options):
            assert text.startswith("two dogs")


def test_no_repeats(run):
    options = SearchOptions(no_repeat_ngram=1, max_length=12)
    for one in run.translate(SOURCES, options):
        assert len(set(one.target_pieces)) == len(one.target_pieces)


def test_coverage(run):
    """Its penalty is part of the score: all of it, with a large weight."""
    weight = 1e4
    options = SearchOptions(2, length_penalty=0.0, coverage_penalty=weight)
    for one in run.translate(SOURCES, options):
        covered = np.minimum(one.alignments.sum(0), 1)
        assert one.score == pytest.approx(
            weight * np.log(covered).sum(), rel=0.05, abs=100
        )


def test_samples(run):
    same = ["un chat"] * 9
    options = SearchOptions(sample=True, num_results=2, temperature=2.0)
    found = run.search(same, options)
    assert all(one.score >= other.score for one, other in found)
    said = [[one.text for one in pair] for pair in found]
    assert len({text for pair in said for text in pair}) > 9
    in_parts = [
        *run.search(same[:4], options, batch_size=3),
        *run.search(same[4:], options, batch_size=3, first=4),
    ]
    assert said == [[one.text for one in pair] for pair in in_parts]
    other = dataclasses.replace(options, seed=1)
    assert said != [[x.text for x in pair] for pair in run.search(same, other)]
    likeliest = dataclasses.replace(options, top_k=1, num_results=1)
    [greedy] = run.translate(["un chat"], SearchOptions(beam_size=1))
    assert {one.text for one in run.translate(same, likeliest)} == {greedy.text}
