"""How good a model is after some minutes of training, from nothing.

    python benchmarks/minutes.py --data DIR --runs runs/minutes \\
        --joeynmt PYTHON                     # 20 minutes each
    python benchmarks/minutes.py --data DIR --runs runs/minutes  # ours alone

DIR holds Multi30k (`lc.norm.tok`, English to German), PYTHON is the Python of
an environment with JoeyNMT; README.md says how to make one. One side after
the other trains by its own command line, with all processors, for so many
minutes from the start of its process: reading the data, compiling and
validating count. Both read the same SentencePiece tokens. Then each side's
command line translates the test set, and sacreBLEU compares (`--tokenize none`,
lower-cased text). A side that was measured in this folder is not run again.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import measure
import results_studies
import results_train

ROOT = Path(__file__).resolve().parent.parent
BEAM = 5
# Ours ends by itself, after the epoch's validation and the last checkpoint.
RESERVE = 0.75


def environment():
    """The environment of both sides' processes."""
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        # Threads of OpenMP that wait must not keep the others' cores busy.
        "OMP_WAIT_POLICY": "PASSIVE",
    }


def unpack(data_dir, folder):
    """Writes the texts as files for both sides; returns `{name: lines}`."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = {}
    for split, names in results_studies.FILES.items():
        for name, language in zip(names, ("en", "de"), strict=True):
            with gzip.open(data_dir / name, "rt", encoding="utf-8") as file:
                text = file.read()
            (folder / f"{split}.{language}").write_text(text, "utf-8")
            texts[f"{split}.{language}"] = text.splitlines()
    return texts


def train_for(command, minutes, log):
    """Runs a command for so many minutes at most; returns its seconds."""
    start = time.monotonic()
    with log.open("w") as file:
        process = subprocess.Popen(
            command, env=environment(), stdout=file, stderr=file
        )
        try:
            status = process.wait(60 * minutes)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            status = 0
    if status:
        raise SystemExit(f"{command[:4]} failed with {status}: see {log}")
    return time.monotonic() - start


def translate(command, sources, log):
    """Translates by a command that reads lines and writes lines."""
    with log.open("w") as file:
        done = subprocess.run(
            command,
            env=environment(),
            input="".join(f"{line}\n" for line in sources),
            stdout=subprocess.PIPE,
            stderr=file,
            text=True,
        )
    lines = done.stdout.splitlines()
    if done.returncode or len(lines) != len(sources):
        raise SystemExit(
            f"{command[:4]} wrote {len(lines)} lines of {len(sources)}, status "
            f"{done.returncode}: see {log}"
        )
    return [" ".join(line.split()) for line in lines]


def ours(data_dir, runs, minutes, seed):
    """Trains ours; returns `(seconds, command that translates)`."""
    from pipelines import recipe as recipes

    values = results_studies.make_recipe(
        "after-softmax", data_dir, seed, minutes=minutes - RESERVE
    )
    values["search"]["beam_size"] = BEAM
    path, run = runs / "ours.toml", runs / "ours"
    recipes.save(recipes.from_dict(values), path)
    program = [sys.executable, "-m", "pipelines"]
    seconds = train_for(
        [*program, "train", str(path), "--run-dir", str(run)],
        minutes + 1,
        runs / "ours.log",
    )
    return seconds, [*program, "translate", str(run)]


def joeynmt(python, texts, runs, minutes, seed):
    """Trains JoeyNMT; returns `(seconds, command that translates)`.

    Args:
        python: of its environment.
        texts: folder of the unpacked texts.
        runs: where ours has its tokenizers, and JoeyNMT's run goes.
        minutes: of training.
        seed: of its random numbers.
    """
    import sentencepiece

    for side in ("source", "target"):
        pieces = sentencepiece.SentencePieceProcessor(
            model_file=str(runs / "ours" / f"{side}.model")
        )
        (runs / f"{side}.pieces").write_text(
            "".join(
                f"{pieces.id_to_piece(one)}\n"
                for one in range(pieces.get_piece_size())
                if not (pieces.is_control(one) or pieces.is_unknown(one))
            ),
            "utf-8",
        )
    path = runs / "joeynmt.yaml"
    # YAML reads JSON.
    path.write_text(json.dumps(joeynmt_settings(texts, runs, seed)), "utf-8")
    program = [python, "-m", "joeynmt"]
    seconds = train_for(
        [*program, "train", str(path), "--skip-test"],
        minutes,
        runs / "joeynmt.log",
    )
    return seconds, [*program, "translate", str(path)]


def joeynmt_settings(texts, runs, seed):
    """Its configuration: the model of ours, as near as it has it."""

    def side(language, name):
        return {
            "lang": language,
            "max_length": 100,
            "level": "bpe",
            "voc_file": str(runs / f"{name}.pieces"),
            "tokenizer_type": "sentencepiece",
            "tokenizer_cfg": {
                "model_file": str(runs / "ours" / f"{name}.model")
            },
        }

    def recurrent(**more):
        return {
            "type": "recurrent",
            "rnn_type": "gru",
            "embeddings": {"embedding_dim": 256, "dropout": 0.1},
            "hidden_size": 256,
            "num_layers": 1,
            "dropout": 0.1,
            **more,
        }

    return {
        "name": "minutes",
        "joeynmt_version": "2.3.0",
        "model_dir": str(runs / "joeynmt"),
        "use_cuda": False,
        "fp16": False,
        "random_seed": seed,
        "data": {
            "train": str(texts / "train"),
            "dev": str(texts / "validation"),
            "test": str(texts / "test"),
            "dataset_type": "plain",
            "src": side("en", "source"),
            "trg": side("de", "target"),
        },
        "testing": {
            "load_model": str(runs / "joeynmt" / "best.ckpt"),
            "beam_size": BEAM,
            "beam_alpha": 1.0,
            "batch_size": 64,
            "max_output_length": 100,
            "eval_metrics": ["bleu"],
        },
        "training": {
            "optimizer": "adam",
            "learning_rate": 1e-3,
            "clip_grad_norm": 1.0,
            "label_smoothing": 0.1,
            "batch_size": 64,
            "epochs": 1000,
            "logging_freq": 50,
            "validation_freq": 200,
            "early_stopping_metric": "ppl",
            # None of its schedules is "constant": this one never falls. (That
            # of "decaying" falls to a tenth after each epoch, whatever its
            # `decaying_step_size`: the key does not reach it.)
            "scheduling": "exponential",
            "decrease_factor": 1.0,
            "overwrite": True,
        },
        "model": {
            "initializer": "xavier_uniform",
            "embed_initializer": "xavier_uniform",
            "tied_softmax": True,
            "encoder": recurrent(bidirectional=True),
            "decoder": recurrent(
                hidden_dropout=0.1,
                input_feeding=True,
                init_hidden="bridge",
                attention="bahdanau",
            ),
        },
    }


def parse(argv):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, metavar="DIR")
    parser.add_argument("--runs", type=Path, required=True, metavar="DIR")
    parser.add_argument("--joeynmt", metavar="PYTHON")
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args(argv)
    if arguments.minutes < 2:
        parser.error("--minutes must be 2 at least")
    return arguments


def main(argv=None):
    arguments = parse(argv)
    data_dir, runs = arguments.data.resolve(), arguments.runs.resolve()
    print(measure.circumstances(results_train.processors()), flush=True)
    texts = unpack(data_dir, runs / "texts")
    sides = {
        "ours": lambda: ours(data_dir, runs, arguments.minutes, arguments.seed)
    }
    if arguments.joeynmt:
        sides["JoeyNMT"] = lambda: joeynmt(
            arguments.joeynmt,
            runs / "texts",
            runs,
            arguments.minutes,
            arguments.seed,
        )
    wanted = {"minutes": arguments.minutes, "seed": arguments.seed}
    print("\n| | minutes of training | BLEU |\n|---|---:|---:|")
    for name, train in sides.items():
        path = runs / f"{name}.json"
        if not path.exists():
            half = runs / name.lower()
            if half.exists():
                raise SystemExit(
                    f"Error: {half} holds a training that was not measured. "
                    "Delete it, or give another --runs."
                )
            seconds, command = train()
            found = translate(
                command, texts["test.en"], runs / f"{name}.translate.log"
            )
            (runs / f"{name}.de").write_text("\n".join(found) + "\n", "utf-8")
            score, _ = results_train.bleu(found, texts["test.de"])
            answer = {**wanted, "seconds": seconds, "bleu": score}
            path.write_text(json.dumps(answer) + "\n", "utf-8")
        answer = json.loads(path.read_text("utf-8"))
        if any(answer.get(key) != value for key, value in wanted.items()):
            raise SystemExit(f"Error: {path} is of other settings.")
        print(
            f"| {name} | {answer['seconds'] / 60:.1f} | {answer['bleu']:.2f} |",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
