"""The studies of `benchmarks/results.py`, on data of a few sentences."""

import gzip
import json
import pathlib
import types

import matplotlib.image
import pytest

from pipelines import recipe as recipes
from pipelines.models.build import build_model
from tests.pipelines.command_line import good_lines

FOLDER = pathlib.Path(__file__).parent.parent / "benchmarks"
STUDIES = (
    *(
        "lengths",
        "scores",
        "hardness",
        "attend",
        "feeding",
        "cells",
        "transformer",
    ),
)
PHONES = ("word_error_rate", "phone_error_rate")
SIZES = {"train": 40, "validation": 9, "test": 9}
STEPS, TOKENS = 10, 400  # of an epoch


@pytest.fixture(autouse=True)
def benchmarks(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)


@pytest.fixture
def data(tmp_path):
    import results_studies

    folder = tmp_path / "data"
    folder.mkdir()
    lines = [line.split("\t") for line in good_lines(sum(SIZES.values()))]
    for split, names in results_studies.FILES.items():
        own, lines = lines[: SIZES[split]], lines[SIZES[split] :]
        for side, name in enumerate(names):
            text = "".join(f"{pair[side]}\n" for pair in own)
            (folder / name).write_bytes(gzip.compress(text.encode()))
    return folder


def arguments(study, data, *further):
    return [study, f"--data={data}", f"--runs={data.parent / 'runs'}", *further]


def fake_train(recipe, folder, limit):
    """Leaves what a training would, at once: each source as it is."""
    import results_lengths
    import results_train

    names = recipe["data"]["test"]
    paths = [pathlib.Path(recipe["data"]["folder"]) / name for name in names]
    pairs = results_lengths.read_pairs(paths)
    sources, references = (list(side) for side in zip(*pairs, strict=True))
    better = "attention" in recipe["name"]
    texts = references if better else sources
    score, signature = results_train.bleu(texts, references)
    leave(
        recipe,
        folder,
        limit,
        {"bleu": score, "signature": signature, "sentences": len(texts)},
        {"sources": sources, "references": references, "translations": texts},
    )


def leave(recipe, folder, limit, scores, answers):
    import results_train

    folder.mkdir(parents=True)
    results_train.write_json(folder / results_train.TRANSLATIONS, answers)
    results_train.write_json(
        folder / results_train.MEASURED,
        {
            **scores,
            "recipe": recipe,
            "limit": limit,
            "parameters": 1234567,
            "epochs": 1.5,
            "tokens": 600,
            "minutes": 2.25,
            "tokens_per_second": 345.6,
            "tokens_per_processor_second": None,
            "peak_memory": 3 * 2**20,
            "validation_losses": [2.0],
            "best_epoch": 1,
            "truncated": 0,
            "sentences_per_second": 7.0,
            "python": "3",
            "processors": 2,
            "versions": {"keras": "3"},
        },
    )


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_is_a_page_a_plot_and_numbers(name, data, tmp_path):
    import results
    import results_studies

    out = tmp_path / "out"
    given = arguments(name, data, f"--out={out}", "--epochs=3")
    assert results.main(given, fake_train) == 0
    page = (out / f"{name}.md").read_text()
    content = json.loads((out / f"{name}.json").read_text())
    labels = list(results_studies.STUDIES[name].variants)
    assert list(content["results"]) == labels
    for label in labels:
        [row] = [one for one in page.splitlines() if f"| {label} | " in one][
            -1:
        ]
        bleu = content["results"][label]["bleu"]
        assert row.startswith(
            f"| {label} | {bleu:.2f} | 346 |  | 3 | 1,234,567"
        )
    assert f"![plot]({name}.png)" in page
    assert "3 epochs" in page and f"results.py {name} --data multi30k" in page
    assert "tok:none" in page and "One seed" in page
    assert matplotlib.image.imread(out / f"{name}.png").std() > 0.01
    # Nothing of the machine that it was written on.
    assert str(tmp_path) not in page + json.dumps(content)
    assert {path.name for path in out.iterdir()} == {
        f"{name}.{kind}" for kind in ("md", "json", "png")
    }


def test_the_page_of_pronunciations_has_rates_and_alignments(data, tmp_path):
    import results
    import results_studies

    study = results_studies.STUDIES["pronunciation"]

    def fake(recipe, folder, limit):
        assert recipe["task"] == "pronunciation"
        shown = [
            {
                "source": [*word.lower(), "</s>"],
                "target": ["AH", "K", "</s>"],
                "alignments": [[1.0, *[0.0] * len(word)]] * 3,
            }
            for word in results_studies.words_of(recipe["name"])
        ]
        scores = dict(zip(PHONES, (12.345, 6.5), strict=True))
        scores |= {"signature": "", "sentences": 3}
        leave(recipe, folder, limit, scores, {"shown": shown})

    out = tmp_path / "out"
    results.main(arguments("pronunciation", data, f"--out={out}"), fake)
    page = (out / "pronunciation.md").read_text()
    assert "| | word error rate, % | phone error rate, % |" in page
    for label in study.variants:
        assert f"| {label} | 12.35 | 6.50 | 346 |" in page
    assert "results.py pronunciation --data cmudict" in page
    assert "BLEU" not in page and "CMUdict" in page
    for name in ("pronunciation.png", "pronunciation-alignments.png"):
        assert f"({name})" in page
        assert matplotlib.image.imread(out / name).std() > 0.01
    assert "shown" not in json.loads((out / "pronunciation.json").read_text())


def test_the_page_of_lengths_has_both_in_each_group(data, tmp_path):
    import results

    out = tmp_path / "out"
    results.main(arguments("lengths", data, f"--out={out}"), fake_train)
    rows = json.loads((out / "lengths.json").read_text())["by_length"]
    # Sources of four words: 9, and 4, 3 and 2 joined ones of 8, 12 and 16.
    assert [row["words"] for row in rows] == [[1, 10], [11, 20]]
    assert [row["sentences"] for row in rows] == [9 + 4, 3 + 2]
    for row in rows:
        assert row["bleu"]["attention"] == pytest.approx(100)
        assert row["bleu"]["no attention"] < 1
    page = (out / "lengths.md").read_text()
    assert "| 11 to 20 | 5 | 100.00 | 0.00 |" in page


@pytest.mark.slow
def test_every_variant_belongs_to_a_study_and_can_be_built():
    import results_studies

    used = {
        variant
        for study in results_studies.STUDIES.values()
        for variant in study.variants.values()
    }
    assert used == set(results_studies.VARIANTS)
    assert sorted(results_studies.STUDIES) == sorted(
        (*STUDIES, "pronunciation")
    )
    for name in used:
        recipe = results_studies.make_recipe(name, "data", 1, epochs=1)
        whole = recipes.from_dict(recipe)
        assert whole.name == name and whole.training.epochs == 1
        quick = results_studies.make_recipe(
            name, "data", 1, epochs=1, quick=True
        )
        model = build_model(recipes.from_dict(quick).model, 20, 20)
        assert model.count_params() < 100_000


def test_the_transformer_is_as_large_as_the_recurrent_model():
    import results_studies

    sizes = [
        build_model(
            recipes.from_dict(
                results_studies.make_recipe(name, "data", 1, epochs=1)
            ).model,
            5000,
            5000,
        ).count_params()
        for name in ("recurrent", "transformer")
    ]
    assert max(sizes) < 1.01 * min(sizes)


def test_minutes_take_the_place_of_epochs():
    import results_studies

    recipe = recipes.from_dict(
        results_studies.make_recipe("recurrent", "data", 1, minutes=2)
    )
    assert recipe.training.max_minutes == 2
    assert recipe.training.schedule == "constant"
    assert recipe.training.average > 0


def test_twenty_minutes_are_measured_once(data, monkeypatch, capsys):
    import minutes

    trained = []

    def ours(data_dir, runs, minutes_of_training, seed):
        trained.append(minutes_of_training)
        return 60.0 * minutes_of_training, ["translate"]

    def translate(command, sources, log):
        name = minutes.results_studies.FILES["test"][1]
        text = gzip.decompress((data / name).read_bytes()).decode()
        return text.splitlines()

    monkeypatch.setattr(minutes, "ours", ours)
    monkeypatch.setattr(minutes, "translate", translate)
    runs = data.parent / "minutes"
    call = [f"--data={data}", f"--runs={runs}", "--minutes=3"]
    for _ in range(2):
        assert minutes.main(call) == 0
        assert "| ours | 3.0 | 100.00 |" in capsys.readouterr().out
    assert trained == [3.0]
    with pytest.raises(SystemExit, match="of other settings"):
        minutes.main([*call, "--seed=2"])
    (runs / "ours.json").unlink()
    (runs / "ours").mkdir()
    with pytest.raises(SystemExit, match="a training that was not measured"):
        minutes.main(call)
    assert trained == [3.0]


def test_a_trial_is_not_written_into_the_docs(data, capsys):
    import results

    with pytest.raises(SystemExit):
        results.parse(arguments("scores", data, "--quick"))
    assert "measures nothing" in capsys.readouterr().err


def test_joined_data_hold_every_sentence_twice(data, tmp_path):
    import results_lengths
    import results_studies

    folder = tmp_path / "joined"
    results_lengths.make_data(data, folder, 1, {})
    for split, names in results_studies.FILES.items():
        before, after = (
            results_lengths.read_pairs([place / name for name in names])
            for place in (data, folder)
        )
        assert after[: len(before)] == before
        joined = after[len(before) :]
        # Words stand for words, one by one: sides that were joined in
        # different orders would differ in their words.
        word = dict(
            zip(
                " ".join(source for source, _ in before).split(),
                " ".join(target for _, target in before).split(),
                strict=True,
            )
        )
        for source, target in joined:
            assert [word[one] for one in source.split()] == target.split()
        lengths = {len(source.split()) // 4 for source, _ in joined}
        # Of the few validation sentences, some numbers may not come.
        assert lengths <= {2, 3, 4} and (
            lengths >= {2, 3, 4} or len(joined) < 5
        )
        if split == "test":
            firsts = " ".join(source for source, _ in before[:2])
            assert joined[0][0] == firsts
        else:
            words = sum(len(source.split()) for source, _ in joined)
            assert 4 * len(before) - 16 < words <= 4 * len(before)
    time = (folder / "joined.json").stat().st_mtime_ns
    results_lengths.make_data(data, folder, 1, {})
    assert (folder / "joined.json").stat().st_mtime_ns == time
    again = [(folder / name).read_bytes() for name in names]
    results_lengths.make_data(data, folder, 2, {"test": 4})
    assert [(folder / name).read_bytes() for name in names] != again


def entry(epoch, batches, seconds, *, steps=STEPS, loss=1.0, perplexity=9.0):
    return {
        "epoch": epoch,
        "steps": steps,
        "batches": batches,
        "seconds": seconds,
        "processor_seconds": 2 * seconds,
        "with_validation": seconds + 30,
        "validation_loss": loss,
        "validation_perplexity": perplexity,
        "peak_memory": 100 * (epoch + 1),
    }


def test_epochs_are_summed_up():
    import results_train

    batches = types.SimpleNamespace(num_batches=STEPS, num_target_tokens=TOKENS)
    found = results_train.training(
        [
            entry(0, 10, 90.0, loss=3.0),  # Compiles.
            entry(1, 10, 20.0, loss=2.0, perplexity=8.0),
            entry(2, 4, 5.0, steps=4, loss=2.0),  # Resumed after 6 batches.
            entry(3, 10, 20.0, loss=1.0),
            entry(4, 5, 9.0, loss=2.0),  # Stopped by the clock.
        ],
        batches,
    )
    assert found["epochs"] == pytest.approx(4.5)
    assert found["tokens"] == 4.5 * TOKENS
    assert found["minutes"] == pytest.approx((144 + 5 * 30) / 60)
    assert found["tokens_per_second"] == pytest.approx(TOKENS / 20)
    assert found["tokens_per_processor_second"] == pytest.approx(TOKENS / 40)
    assert found["peak_memory"] == 500
    assert found["best_epoch"] == 2
    only = results_train.training([entry(0, 10, 90.0)], batches)
    assert only["tokens_per_second"] == pytest.approx(TOKENS / 90)


@pytest.mark.slow
def test_a_study_trains_and_goes_on_where_it_was(data, tmp_path, capsys):
    import results
    import results_train

    given = arguments(
        "feeding", data, "--quick", "--epochs=2", f"--out={tmp_path / 'out'}"
    )
    trained = []

    def train(recipe, folder, limit):
        trained.append(recipe["name"])
        if recipe["name"] == "after-softmax":
            results_train.train_variant(recipe, folder, limit)
        else:
            fake_train(recipe, folder, limit)  # One is enough.

    results.main(given, train)
    assert trained == ["after-softmax", "after-feeding"]
    page = (tmp_path / "out" / "feeding.md").read_text()
    assert "these numbers mean nothing" in page
    folder = tmp_path / "runs" / "after-softmax"
    measured = json.loads((folder / "measured.json").read_text())
    assert measured["epochs"] == 2 and measured["sentences"] == SIZES["test"]
    lines = sum(len(line.split("\t")[1].split()) for line in good_lines(40))
    assert measured["tokens"] >= 2 * lines
    assert measured["tokens_per_second"] > 0 < measured["parameters"]
    # All is there: nothing trains again.
    results.main(given, None)
    # Stopped between training and translating: no epoch is trained again.
    (folder / "measured.json").unlink()
    before = (folder / "epochs.json").read_text()
    results.main(given, train)
    assert trained[2:] == ["after-softmax"]
    assert (folder / "epochs.json").read_text() == before
    again = json.loads((folder / "measured.json").read_text())
    assert again["bleu"] == measured["bleu"]
    with pytest.raises(SystemExit, match="of other settings"):
        results.main([*given, "--seed=2"], None)


@pytest.mark.slow
def test_a_training_that_fails_ends_the_study_with_one_line(tmp_path, capfd):
    import results

    (tmp_path / "data").mkdir()
    given = arguments("scores", tmp_path / "data", f"--out={tmp_path / 'out'}")
    with pytest.raises(SystemExit) as stopped:
        results.main(given)
    assert stopped.value.code == 2
    said = capfd.readouterr().err
    assert "Error: " in said and "train.lc.norm.tok.en.gz" in said
    assert "Traceback" not in said
    assert not (tmp_path / "out").exists()
