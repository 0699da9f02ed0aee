"""What the papers of this field found, on runs of our own.

    python benchmarks/results.py lengths --data multi30k --runs runs/results
    python benchmarks/results.py scores --data multi30k --runs runs/results
    python benchmarks/results.py hardness --data multi30k --runs runs/results
    python benchmarks/results.py attend --data multi30k --runs runs/results
    python benchmarks/results.py feeding --data multi30k --runs runs/results
    python benchmarks/results.py cells --data multi30k --runs runs/results
    python benchmarks/results.py transformer --data multi30k --runs runs/results
    python benchmarks/results.py pronunciation --data cmudict --runs runs/g2p

Each trains its variants one after the other, every one in a process of its
own, translates the test set (Multi30k, `lc.norm.tok`, English to German; or
CMUdict, letters to phones) and writes a table, a plot and all numbers into
docs/results. Stopped and
started again it goes on where it was; what is trained is not trained again.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import results_lengths
import results_studies
import results_train
import results_write

ROOT = Path(__file__).resolve().parent.parent
EPOCHS = 8  # about 20 minutes on two cores


def run_variant(recipe, folder, limit):
    """As `results_train.train_variant`, in a process of its own.

    Raises:
        SystemExit: with the status of the process, if it failed.
    """
    done = subprocess.run(
        [
            sys.executable,
            str(Path(results_train.__file__)),
            str(folder),
            str(limit),
        ],
        input=json.dumps(recipe),
        text=True,
    )
    if done.returncode:
        raise SystemExit(done.returncode)


def measure_variant(recipe, folder, limit, train=run_variant):
    """Returns what was measured of a variant, trained now or before."""
    path = folder / results_train.MEASURED
    measured = json.loads(path.read_text()) if path.exists() else {}
    wanted = {"recipe": recipe, "limit": limit}
    if any(measured.get(key, wanted[key]) != wanted[key] for key in wanted):
        raise SystemExit(
            f"Error: {folder} holds a run of other settings. Give --runs "
            "another folder, or the settings that it was made with."
        )
    if not measured:
        train(recipe, folder, limit)
        measured = json.loads(path.read_text())
    return measured


def measure_study(name, arguments, train=run_variant):
    """Trains what a study needs; returns the content of its page."""
    study = results_studies.STUDIES[name]
    quick, runs = arguments.quick, arguments.runs
    data_dir = arguments.data.resolve()
    if study.joined:
        results_lengths.make_data(
            data_dir,
            runs / "joined",
            arguments.seed,
            results_studies.QUICK_PAIRS if quick else {},
        )
        data_dir = (runs / "joined").resolve()
    limit = 0
    if quick and not study.joined:
        limit = results_studies.QUICK_PAIRS["test"]
    results, sides = {}, {}
    for label, variant in study.variants.items():
        recipe = results_studies.make_recipe(
            variant,
            data_dir,
            arguments.seed,
            epochs=arguments.epochs,
            minutes=arguments.minutes,
            quick=quick,
        )
        if study.joined:
            longest = results_lengths.MAX_LEN
            recipe["data"] |= {
                "max_source_len": longest,
                "max_target_len": longest,
                "max_train_pairs": 0,
            }
        folder = runs / variant
        print(f"== {variant}", file=sys.stderr, flush=True)
        measured = measure_variant(recipe, folder, limit, train)
        results[label] = without_paths(measured)
        sides[label] = json.loads(
            (folder / results_train.TRANSLATIONS).read_text()
        )
    content = {
        "command": command(name, arguments),
        "settings": settings(
            [one["recipe"] for one in results.values()], arguments, study
        ),
        "results": results,
    }
    if study.words:
        content["shown"] = {label: one["shown"] for label, one in sides.items()}
    if study.joined:
        first = next(iter(sides.values()))
        content["by_length"] = results_lengths.by_length(
            first["sources"],
            first["references"],
            {label: one["translations"] for label, one in sides.items()},
            lambda *pair: results_train.bleu(*pair)[0],
        )
    return content


def without_paths(measured):
    """What was measured, without the folder of the data."""
    recipe = dict(measured["recipe"])
    recipe["data"] = {
        key: value for key, value in recipe["data"].items() if key != "folder"
    }
    return {**measured, "recipe": recipe}


def command(name, arguments):
    """The command that was given, without the folders of this machine."""
    amount = (
        f"--minutes {arguments.minutes:g}"
        if arguments.minutes
        else f"--epochs {arguments.epochs}"
    )
    quick = " --quick" if arguments.quick else ""
    data = results_studies.STUDIES[name].folder
    return (
        f"python benchmarks/results.py {name} --data {data} --runs "
        f"runs/results {amount} --seed {arguments.seed}{quick}"
    )


def common(recipes, section):
    """The keys of a section that are the same in all recipes, with values."""
    first, *others = (one[section] for one in recipes)
    return ", ".join(
        f"{key} = {json.dumps(value)}"
        for key, value in first.items()
        if all(key in one and one[key] == value for one in others)
    )


def settings(recipes, arguments, study):
    """What all variants have in common, for the page."""
    amount = f"{arguments.epochs} epochs, cosine schedule"
    if arguments.minutes:
        amount = (
            f"{arguments.minutes:g} minutes of wall-clock time, constant "
            "learning rate, averaged weights"
        )
    data = study.data
    if study.joined:
        data += (
            "; training and validation: each sentence by itself, and once "
            f"more joined with others, 2 to {results_lengths.MOST} together; "
            f"test: by itself, and 2 to {results_lengths.MOST} in a row joined"
        )
    return {
        "data": data,
        "training": amount,
        "model, of all": common(recipes, "model"),
        "training, of all": common(recipes, "training"),
        "seed": arguments.seed,
        "beam_size": recipes[0]["search"]["beam_size"],
        "quick": arguments.quick,
    }


def parse(argv):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("study", choices=results_studies.STUDIES)
    parser.add_argument("--data", type=Path, required=True, metavar="DIR")
    parser.add_argument("--runs", type=Path, required=True, metavar="DIR")
    amount = parser.add_mutually_exclusive_group()
    amount.add_argument(
        "--epochs",
        type=int,
        default=EPOCHS,
        help=f"of each training ({EPOCHS}): all see the same data",
    )
    amount.add_argument(
        "--minutes",
        type=float,
        default=0.0,
        help="of each training, in place of epochs: all take the same time",
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--out",
        type=Path,
        default=ROOT / "docs" / "results",
        metavar="DIR",
        help="where table and plot go (docs/results)",
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="tiny models on little data, to try the command",
    )
    arguments = parser.parse_args(argv)
    published = ROOT / "docs" / "results"
    if arguments.quick and arguments.out.resolve() == published:
        parser.error("--quick measures nothing: give it --out DIR, too.")
    return arguments


def main(argv=None, train=run_variant):
    arguments = parse(argv)
    name = arguments.study
    content = measure_study(name, arguments, train)
    study = results_studies.STUDIES[name]
    results_write.write_study(arguments.out, name, study, content)
    print("\n".join(results_write.table(study, content["results"])))
    return 0


if __name__ == "__main__":
    sys.exit(main())
