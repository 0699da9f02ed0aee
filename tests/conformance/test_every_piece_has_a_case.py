"""A registered piece without a reference and a case fails here."""

import inspect

import keras
import pytest

import keras_attention as ka
from keras_attention import normalizers, scores, windows
from tests import cases
from tests.cases import CASES, NAMED_ATTENTIONS, name_of


def all_subclasses(base):
    found = set()
    for subclass in base.__subclasses__():
        found |= {subclass} | all_subclasses(subclass)
    return {
        one for one in found if one.__module__.startswith("keras_attention")
    }


@pytest.mark.parametrize("kind", ["score", "window", "normalizer"])
def test_pieces_have_references_and_cases(kind):
    registry, base, references = {
        "score": (scores.SCORES, scores.Score, cases.REFERENCE_SCORES),
        "window": (windows.WINDOWS, windows.Window, cases.REFERENCE_WINDOWS),
        "normalizer": (
            normalizers.NORMALIZERS,
            normalizers.Normalizer,
            cases.REFERENCE_NORMALIZERS,
        ),
    }[kind]
    assert set(references) == set(registry)
    assert set(registry.values()) == all_subclasses(base)
    assert {getattr(named, kind) for named in NAMED_ATTENTIONS} == set(registry)


def test_cases_have_the_pieces_that_they_name():
    for named in NAMED_ATTENTIONS:
        layer = named.case.make()
        for piece, registry, name in (
            (layer.score, scores.SCORES, named.score),
            (layer.window, windows.WINDOWS, named.window),
            (layer.normalizer, normalizers.NORMALIZERS, named.normalizer),
        ):
            assert type(piece) is registry[name]


def test_searches_are_registered():
    registered = set(ka.search.SEARCHES.values())
    assert registered == all_subclasses(ka.search.Search)
    for name, search in ka.search.SEARCHES.items():
        assert isinstance(ka.search.get(name), search)


def test_public_layers_have_cases():
    swept = set()
    for case in CASES:
        layers = [case.make()]
        while layers:
            layer = layers.pop()
            swept.add(type(layer))
            layers += layer._layers
    public = {
        value
        for name, value in vars(ka).items()
        if name in ka.__all__
        and inspect.isclass(value)
        and issubclass(value, keras.layers.Layer)
    }
    assert public <= swept


def test_names_are_unique():
    names = [name_of(case) for case in CASES]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", ka.__all__)
def test_public_names_are_documented(name):
    piece = getattr(ka, name)
    assert inspect.getdoc(piece)
    if inspect.isclass(piece) and issubclass(piece, keras.layers.Layer):
        assert ">>>" in piece.__doc__, "a public class shows an example"
