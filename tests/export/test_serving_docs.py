"""The requests of docs/serving.md, answered as TensorFlow Serving does."""

import base64
import dataclasses
import json
import pathlib
import re

import numpy as np
import pytest
import tensorflow as tf

from export.reference import Reference
from export.saved_model import SavedModelExporter
from export.text_signatures import SIGNATURES
from tests.export import tiny

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "serving.md"
SETTINGS = dataclasses.replace(tiny.SETTINGS, beam_size=2)


def bodies():
    """Pairs of request and answer, as they stand on the page."""
    blocks = re.findall(r"```json\n(.*?)```", PAGE.read_text("utf-8"), re.S)
    found = [json.loads(block) for block in blocks]
    return list(zip(found[::2], found[1::2], strict=True))


@pytest.fixture(scope="module")
def model():
    return tiny.model(**tiny.MODELS["lstm_additive_before"])


@pytest.fixture(scope="module")
def functions(model, tmp_path_factory):
    source, target = tiny.tokenizers()
    path = SavedModelExporter().export(
        model,
        tmp_path_factory.mktemp("models") / "tiny",
        source_tokenizer=source,
        target_tokenizer=target,
        settings=SETTINGS,
    )
    return tf.saved_model.load(str(path)).signatures


def decoded(value):
    """JSON's values: a string may be sent as base64."""
    if isinstance(value, dict):
        return base64.b64decode(value["b64"])
    if isinstance(value, list):
        return [decoded(one) for one in value]
    return value


def encoded(value):
    """A tensor's values as JSON has them."""
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, list):
        return [encoded(one) for one in value]
    return value


def serve(functions, request):
    """Answers a body, by the rules of TensorFlow Serving's REST interface."""
    function = functions[request.get("signature_name", "serving_default")]
    _, specs = function.structured_input_signature
    by_row = "instances" in request
    given = request["instances" if by_row else "inputs"]
    if by_row:
        rows = [
            row
            if isinstance(row, dict) and set(row) != {"b64"}
            else dict.fromkeys(specs, row)  # a bare value, for a single input
            for row in given
        ]
        given = {name: [row[name] for row in rows] for name in rows[0]}
    elif not (isinstance(given, dict) and set(given) <= set(specs)):
        given = dict.fromkeys(specs, given)
    assert set(given) == set(specs)
    tensors = {
        name: tf.constant(decoded(value), specs[name].dtype)
        for name, value in given.items()
    }
    found = {
        name: encoded(tensor.numpy().tolist())
        for name, tensor in function(**tensors).items()
    }
    alone = list(found.values())[0] if len(found) == 1 else None
    if not by_row:
        return {"outputs": found if alone is None else alone}
    sizes = {len(one) for one in found.values()}
    assert len(sizes) == 1  # else the server refuses to answer by row
    count = sizes.pop()
    return {
        "predictions": [
            {name: one[row] for name, one in found.items()}
            if alone is None
            else alone[row]
            for row in range(count)
        ]
    }


def named_sizes(outputs, beams):
    """Sizes by what they are sizes of; each must be one number."""
    axes = {
        "tokens": [*beams, "target"],
        "target_pieces": [*beams, "target"],
        "alignments": [*beams, "target", "source"],
        "source_tokens": ["source"],
        "source_pieces": ["source"],
        "token_scores": ["target"],
        "lengths": beams,
        "scores": beams,
        "memory_value": ["source", "memory"],
        "memory_mask": ["source"],
    }
    sizes = {}
    for name, value in outputs.items():
        if name in axes:
            shape = np.shape(value)
            assert len(shape) == len(axes[name]), name
            for axis, size in zip(axes[name], shape, strict=True):
                assert sizes.setdefault(axis, size) == size, (name, axis)
    return sizes


def kind(value):
    """Nesting and type of a value: what stays the same between models."""
    if isinstance(value, dict):
        return {name: kind(one) for name, one in value.items()}
    if isinstance(value, list):
        return [kind(value[0])]
    return type(value).__name__


def fitting(request, functions):
    """A request whose vectors are as wide as the model's."""
    if request.get("signature_name") != "decode_step":
        return request
    shown = request["inputs"]
    encode = {"signature_name": "encode", "inputs": {"text": ["Merci !"]}}
    outputs = serve(functions, encode)["outputs"]
    inputs = {name: outputs.get(name, shown[name]) for name in shown}
    return {**request, "inputs": inputs}


@pytest.mark.parametrize("number", range(len(bodies())))
def test_a_request_of_the_page_is_answered_as_it_says(functions, number):
    request, documented = bodies()[number]
    answer = serve(functions, fitting(request, functions))
    json.dumps(answer, allow_nan=False)
    assert kind(answer) == kind(documented)
    for one in (answer, documented):
        rows = one.get("predictions", [])
        outputs = one.get("outputs")
        if isinstance(outputs, dict) and "token" not in request["inputs"]:
            rows = [{name: value[0] for name, value in outputs.items()}]
        elif isinstance(outputs, list):
            assert len(outputs) == len(request["inputs"]["tokens"])
        else:
            assert len(rows) == len(request.get("instances", []))
        beams = ["beam"] if request.get("signature_name") == "beam" else []
        for row in rows:
            sizes = named_sizes(row, beams)
            assert sizes.get("beam", 2) == SETTINGS.beam_size


def test_the_page_shows_every_signature():
    shown = {
        request.get("signature_name", "serving_default")
        for request, _ in bodies()
    }
    assert shown == set(SIGNATURES)
    assert any("instances" in request for request, _ in bodies())
    assert any("inputs" in request for request, _ in bodies())


def test_answers_are_the_models(functions, model):
    """By row, by column, in base64: what the model itself says."""
    texts = ["le chat dort", "où est la gare ?"]
    reference = Reference(model, *tiny.tokenizers(), SETTINGS)
    expected = [one.text for [one] in reference.greedy(texts, 2)]
    coded = [
        {"b64": base64.b64encode(text.encode()).decode()} for text in texts
    ]
    for given in (texts, coded, [{"text": text} for text in texts]):
        rows = serve(functions, {"instances": given})["predictions"]
        assert [row["text"] for row in rows] == expected
    for given in (texts, {"text": texts}, coded):
        outputs = serve(functions, {"inputs": given})["outputs"]
        assert outputs["text"] == expected


def test_a_search_of_ones_own_says_the_same(functions, model):
    """As the page tells: `encode`, then a step for each token, by row."""
    text = "le chat dort"
    request = {"signature_name": "encode", "instances": [text]}
    [tensors] = serve(functions, request)["predictions"]
    given = {k: v for k, v in tensors.items() if k.startswith(("m", "s"))}
    limit = given.pop("max_lengths")
    given = {k: v for k, v in given.items() if not k.startswith("source")}
    said, token = [], 1
    while len(said) < limit and token != 2:
        row = {"token": token, **given}
        request = {"signature_name": "decode_step", "instances": [row]}
        [outputs] = serve(functions, request)["predictions"]
        token = 1 + int(np.argmax(outputs["log_probabilities"][1:]))
        said.append(token)
        given |= {k: v for k, v in outputs.items() if k.startswith("state_")}
    request = {"signature_name": "detokenize", "instances": [said]}
    reference = Reference(model, *tiny.tokenizers(), SETTINGS)
    [[own]] = reference.greedy([text], 1)
    assert said == own.tokens.tolist()
    assert serve(functions, request)["predictions"] == [own.text]
