"""The functions behind every artifact, called in this process."""

import dataclasses
import fractions
import math

import numpy as np
import pytest
import tensorflow as tf

from export.errors import ExportError
from export.limits import answer_limits
from export.settings import ExportSettings
from export.signatures import output_limits, save
from export.token_signatures import TokenSignatures
from tests.export import tiny


@pytest.fixture(scope="module")
def model():
    return tiny.model(**tiny.MODELS["lstm_additive_before"])


@pytest.fixture(scope="module")
def greedy(model):
    return TokenSignatures(model, tiny.SETTINGS).greedy


def test_limits_follow_the_formula():
    settings = ExportSettings(
        max_target_len=7, max_length_factor=1.5, max_length_extra=2
    )
    source = tf.constant([[0, 0, 0, 0, 0]] * 6)
    source = tf.where(tf.sequence_mask(range(6), 5), 9, source)
    # min(7, floor(1.5 n) + 2), and none where there is nothing to say.
    expected = [0, 3, 5, 6, 7, 7]
    assert output_limits(source, settings).numpy().tolist() == expected


@pytest.mark.parametrize("factor", ["0.1", "1.05", "1.1", "1.3", "2.3"])
def test_limits_are_those_of_exact_arithmetic(factor):
    settings = ExportSettings(
        max_target_len=200, max_length_factor=float(factor), max_length_extra=3
    )
    source = np.tri(128, dtype="int32")  # 1 to 128 tokens
    exact = [
        min(200, math.floor(fractions.Fraction(factor) * n) + 3)
        for n in range(1, 129)
    ]
    assert output_limits(source, settings).numpy().tolist() == exact
    # What checks an artifact in a process without TensorFlow.
    assert answer_limits(np.arange(1, 129), settings).tolist() == exact


def test_a_row_does_not_depend_on_its_batch(greedy):
    rows = [[9, 8, 7, 5, 2], [4, 2], [], [11, 6, 2]]
    padded = np.zeros((4, 13), "int32")
    for row, ids in enumerate(rows):
        padded[row, : len(ids)] = ids
    together = greedy(padded)
    permuted = greedy(padded[::-1])
    for row, ids in enumerate(rows):
        length = int(together["lengths"][row])
        alone = greedy(np.array([ids or [0]], "int32"))
        for other, index in ((alone, 0), (permuted, len(rows) - 1 - row)):
            assert int(other["lengths"][index]) == length
            np.testing.assert_array_equal(
                other["tokens"][index, :length],
                together["tokens"][row, :length],
            )
            np.testing.assert_allclose(
                other["scores"][index], together["scores"][row], atol=1e-4
            )
            np.testing.assert_allclose(
                other["alignments"][index, :length, : len(ids)],
                together["alignments"][row, :length, : len(ids)],
                atol=1e-5,
            )


def test_alignments_sum_to_one_over_the_source_read(greedy):
    outputs = greedy(np.array([[9, 8, 7, 5, 2], [4, 2, 0, 0, 0]], "int32"))
    for row, source_len in enumerate((5, 2)):
        length = int(outputs["lengths"][row])
        alignments = outputs["alignments"][row].numpy()
        np.testing.assert_allclose(
            alignments[:length, :source_len].sum(-1), 1.0, atol=1e-5
        )
        assert not alignments[length:].any()
        assert not alignments[:, source_len:].any()


@pytest.mark.parametrize("beam_size", [1, 3])
def test_beam_scores_are_what_the_model_and_the_penalties_say(model, beam_size):
    """Wu et al. (2016), eq. 14, for each hypothesis, also beside padding."""
    settings = dataclasses.replace(
        tiny.SETTINGS,
        beam_size=beam_size,
        length_penalty=0.7,
        coverage_penalty=0.3,
    )
    source = np.array([[9, 8, 7, 5, 2], [4, 2, 0, 0, 0]], "int32")
    outputs = TokenSignatures(model, settings).beam(source)
    assert outputs["lengths"].shape == (2, beam_size)
    for row, source_len in enumerate((5, 2)):
        for place in range(beam_size):
            length = int(outputs["lengths"][row, place])
            tokens = outputs["tokens"][row, place].numpy()
            memory, states = model.encode(source[row : row + 1, :source_len])
            said, covered = 0.0, np.zeros(source_len)
            before = 1
            for token in tokens[:length]:
                logits, states, alignments = model.decode_step(
                    np.array([before]), states, memory
                )
                said += float(tf.nn.log_softmax(logits)[0, token])
                covered += alignments[0].numpy()
                before = token
            penalty = ((5 + length) / 6) ** 0.7
            coverage = np.log(np.minimum(covered, 1.0)).sum()
            assert float(outputs["scores"][row, place]) == pytest.approx(
                said / penalty + 0.3 * coverage, abs=1e-3
            )
            assert not tokens[length:].any()
            np.testing.assert_allclose(
                outputs["alignments"][row, place].numpy().sum(0)[:source_len],
                covered,
                atol=1e-4,
            )


def test_a_beam_of_one_is_greedy_and_blanks_are_empty(model, greedy):
    settings = dataclasses.replace(tiny.SETTINGS, beam_size=1, length_penalty=0)
    source = np.array([[0, 0, 0], [9, 8, 2]], "int32")
    beam = TokenSignatures(model, settings).beam(source)
    expected = greedy(source)
    for name, one in expected.items():
        np.testing.assert_allclose(beam[name][:, 0], one, atol=1e-5)
    only = TokenSignatures(model, tiny.SETTINGS).beam(source[:1])
    assert not only["lengths"].numpy().any()
    assert not only["scores"].numpy().any()
    assert only["tokens"].shape == (1, 3, 1)  # LiteRT reads nothing empty


def test_a_model_without_weights_is_refused(model):
    unbuilt = type(model).from_config(model.get_config())
    with pytest.raises(ExportError, match="no weights yet"):
        TokenSignatures(unbuilt, tiny.SETTINGS)


def test_what_the_disk_refuses_is_one_clear_error(model, tmp_path):
    module = TokenSignatures(model, tiny.SETTINGS)
    (tmp_path / "file").write_text("")
    with pytest.raises(ExportError, match="TensorFlow cannot write") as error:
        save(module, tmp_path / "file" / "model")
    assert "[Op" not in str(error.value)
