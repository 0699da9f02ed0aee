"""The Transformer: what it sees, and that one step says what training says."""

import keras
import numpy as np
import pytest
from keras import ops

from pipelines import recipe as recipes
from pipelines import run as runs
from pipelines.cli import export_run
from pipelines.errors import UserError
from pipelines.evaluate import evaluate
from pipelines.models.build import build_model
from pipelines.models.transformer import Transformer, positions
from pipelines.recipe_sections import ModelRecipe
from pipelines.train import train
from tests.pipelines.command_line import command, finish, good_lines

SOURCE = np.array([[5, 7, 3, 2, 0], [4, 4, 9, 8, 2]], "int32")
TARGET = np.array([[1, 6, 5], [1, 10, 4]], "int32")


@pytest.fixture(scope="module", params=[True, False], ids=["tied", "dense"])
def model(request):
    keras.utils.set_random_seed(3)
    model = Transformer(
        (11, 13), 12, (2, 3), 2, 7, dropout=0.1, tied=request.param
    )
    model({"source": SOURCE, "target": TARGET})
    # Biases and norms begin at zero and one, where mistakes would hide.
    rng = np.random.default_rng(3)
    for weight in model.weights:
        if "seed" not in weight.path:
            weight.assign(weight + rng.normal(0, 0.1, weight.shape))
    return model


def logits_of(model, source, target):
    return ops.convert_to_numpy(model({"source": source, "target": target}))


# The first step has one position to look at; Keras wonders why.
@pytest.mark.filterwarnings("ignore:You are using a softmax over axis")
def test_steps_say_what_teacher_forcing_says(model):
    whole = logits_of(model, SOURCE, TARGET)
    memory, states = model.encode(SOURCE)
    for time in range(TARGET.shape[1]):
        logits, states, alignments = model.decode_step(
            TARGET[:, time], states, memory
        )
        np.testing.assert_allclose(logits, whole[:, time], atol=1e-5)
        np.testing.assert_allclose(ops.sum(alignments, 1), 1.0, atol=1e-5)
        assert ops.convert_to_numpy(alignments)[0, 4] == 0  # Padding.
        assert [state.shape for state in states] == [(2, time + 1, 12)] * 3


def test_later_tokens_change_nothing_before_them(model):
    changed = TARGET.copy()
    changed[:, 2] = 7
    before, after = (logits_of(model, SOURCE, one) for one in (TARGET, changed))
    np.testing.assert_allclose(after[:, :2], before[:, :2], atol=1e-6)
    assert np.abs(after[:, 2] - before[:, 2]).max() > 1e-3


def test_tokens_before_and_their_order_count(model):
    changed = TARGET[:, [0, 2, 1]]
    last = [
        logits_of(model, SOURCE, np.concatenate([one, TARGET[:, :1]], 1))[:, 3]
        for one in (TARGET, changed)
    ]
    assert np.abs(last[0] - last[1]).max() > 1e-3


def test_padding_is_not_looked_at(model):
    padded = np.pad(SOURCE, [(0, 0), (0, 4)])
    expected = logits_of(model, SOURCE, TARGET)
    np.testing.assert_allclose(
        logits_of(model, padded, TARGET), expected, atol=1e-5
    )
    alone = logits_of(model, SOURCE[:1, :4], TARGET[:1])
    np.testing.assert_allclose(alone, expected[:1], atol=1e-5)
    seen = logits_of(model, np.where(padded == 0, 3, padded), TARGET)
    assert np.abs(seen - expected).max() > 1e-3


def test_a_row_of_padding_alone_is_finite(model):
    source = np.concatenate([SOURCE, np.zeros((1, 5), "int32")])
    target = np.concatenate([TARGET, np.zeros((1, 3), "int32")])
    assert np.isfinite(logits_of(model, source, target)).all()


def test_positions_are_those_of_the_paper():
    for place in (0, 5):
        expected = []
        for function in (np.sin, np.cos):
            for pair in range(3):  # eq. PE(pos, 2i), PE(pos, 2i + 1)
                expected.append(function(place / 10000 ** (2 * pair / 6)))
        found = ops.convert_to_numpy(positions(place, 2, 6))
        np.testing.assert_allclose(found[0], expected, atol=1e-5)


def test_what_does_not_go_together_is_said():
    with pytest.raises(ValueError, match="units=10, num_heads=4"):
        Transformer((5, 5), 10, num_heads=4)
    with pytest.raises(UserError, match="input_feeding=True"):
        build_model(
            ModelRecipe(architecture="transformer", input_feeding=True), 9, 9
        )
    with pytest.raises(UserError, match="num_heads=8"):
        build_model(ModelRecipe(num_heads=8), 9, 9)
    with pytest.raises(UserError, match="embedding_dim=8, units=256"):
        build_model(
            ModelRecipe(architecture="transformer", embedding_dim=8), 9, 9
        )


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("transformer")
    text = "".join(f"{line}\n" for line in good_lines(320))
    (folder / "pairs.tsv").write_text(text, encoding="utf-8")
    recipe = recipes.from_dict(
        {
            "name": "tiny",
            "data": {
                "folder": str(folder),
                "train": "pairs.tsv",
                "tokenizer": "whitespace",
                "max_source_len": 16,
                "max_target_len": 16,
            },
            "model": {
                "architecture": "transformer",
                "units": 16,
                "embedding_dim": 16,
                "num_heads": 2,
                "dropout": 0.0,
                "tied_embeddings": True,
            },
            "training": {
                "epochs": 12,
                "batch_size": 16,
                "learning_rate": 1e-2,
                "warmup_steps": 20,
                "num_buckets": 1,
                "jit_compile": False,
                "save_every_steps": 0,
            },
            "monitoring": {"tensorboard": False},
        }
    )
    train(recipe, folder / "run")
    return runs.load(folder / "run")


@pytest.mark.slow
def test_it_trains_and_is_searched_by_a_beam(trained):
    results, translations = evaluate(trained)
    assert results.beam_size == 5
    # Word by word, in the same order: a model that works learns it at once.
    assert results.bleu > 60
    first = translations[0]
    np.testing.assert_allclose(first.alignments.sum(axis=1), 1, atol=1e-5)
    # What the search says it is worth is what teacher forcing finds.
    [given] = trained.translate([first.source])
    from pipelines.evaluation import scoring

    [forced] = scoring.score(trained, [first.source], [given.text])
    length = len(given.target_pieces)
    penalty = ((5 + length) / 6) ** trained.recipe.search.length_penalty
    assert given.score == pytest.approx(forced.score / penalty, abs=1e-4)


@pytest.mark.slow
def test_it_cannot_be_exported_and_says_so(trained):
    from export.errors import ExportError

    with pytest.raises(ExportError, match="its states grow"):
        export_run(trained, "litert")


@pytest.mark.slow
def test_another_process_translates_with_it(trained):
    """One that has made no model, and knows of none but from the file."""
    import subprocess

    source = good_lines(1)[0].split("\t")[0]
    process = command("translate", trained.folder, stdin=subprocess.PIPE)
    process.stdin.write(f"{source}\n".encode())
    output, _ = finish(process)
    [expected] = trained.translate([source])
    assert output == f"{expected.text}\n"
