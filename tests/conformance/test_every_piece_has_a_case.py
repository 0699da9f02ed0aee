"""A registered piece without a reference and a case fails here."""

import inspect

import keras
import pytest

import keras_attention as ka
from keras_attention import normalizers, scores
from tests import cases
from tests.cases import CASES, NAMED_ATTENTIONS, name_of


def all_subclasses(base):
    found = set()
    for subclass in base.__subclasses__():
        found |= {subclass} | all_subclasses(subclass)
    return {
        one for one in found if one.__module__.startswith("keras_attention")
    }


def test_scores_have_references_and_cases():
    assert set(cases.REFERENCE_SCORES) == set(scores.SCORES)
    assert set(scores.SCORES.values()) == all_subclasses(scores.Score)
    swept = {score for _, _, score, _ in NAMED_ATTENTIONS}
    assert swept == set(scores.SCORES)


def test_normalizers_have_references_and_cases():
    assert set(cases.REFERENCE_NORMALIZERS) == set(normalizers.NORMALIZERS)
    registered = set(normalizers.NORMALIZERS.values())
    assert registered == all_subclasses(normalizers.Normalizer)
    swept = {normalizer for _, _, _, normalizer in NAMED_ATTENTIONS}
    assert swept == set(normalizers.NORMALIZERS)


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
