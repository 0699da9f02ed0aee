"""What the tests of the web page are run with: programs, pages, sentences."""

import contextlib
import functools
import gzip
import http.server
import json
import shutil
import subprocess
import threading
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "examples" / "browser"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
SHOWN = "Nous avons besoin de ton aide."  # in the picture
NUM_SENTENCES = 20
NUM_LINES = 5000  # that the tokenizers are compared on
ODD_LINES = [
    "",
    " \t ",
    "  deux  espaces ",
    "\ufb01anc\u00e9e \u00bd \u2163 \uff76\uff9e",  # NFKC changes these
    "e\u0301te\u0301",
    "a\u00a0b\u3000c\u200bd",
    "\U0001f600 oui \U0001f468\u200d\U0001f469\u200d\U0001f467",
    "\u0645\u0631\u062d\u0628\u0627 \u0628\u0643",
    "\ud55c\uad6d\uc5b4 \u4e2d\u6587",
    "\u2581under <s> </s> <unk>",
    "nul\x00 tab\t line\n",
    "x" * 3000,
]
# What is served that is no model, and what the page says of it.
BROKEN = {
    "missing.tflite": "There is no model at missing.tflite",
    "text.tflite": "no LiteRT file",
    "bare.tflite": "no tokenizers and settings",
    "cut.tflite": "no tokenizers and settings",
    "free.tflite": "no lengths that are fixed",
    "future.tflite": "of version 99; this page reads version 1",
    "other.tflite": "Another program wrote this file",
}


def find_programs(named):
    """Finds the programs that are needed; ends the tests without them.

    Args:
        named: Path of the browser, or `None` to look for it.

    Returns:
        Paths of `node`, `npm` and `browser`.
    """
    node = "Install Node.js 20 or later."
    needs = {
        "node": ("Node.js", ["node"], node),
        "npm": ("npm, of Node.js", ["npm"], node),
        "browser": (
            f"CHROMIUM={named}" if named else "Chromium",
            [named] if named else BROWSERS,
            "Install it (Debian: apt-get install chromium), or say where it "
            "is: make test-browser CHROMIUM=/path/to/chromium",
        ),
    }
    found = {}
    for key, (name, commands, remedy) in needs.items():
        found[key] = next(filter(None, map(shutil.which, commands)), None)
        if found[key] is None:
            pytest.exit(f"These tests need {name}. {remedy}", returncode=2)
    return found


def pairs(split, limit):
    path = ROOT / "pipelines" / "sample" / f"fra-eng.{split}.tsv.gz"
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [line.rstrip("\n").split("\t") for line in lines]
    return rows[:limit]


def install(npm):
    """Gets the libraries of the page, and the driver, unless they are there."""
    # npm writes its own lock file last; a user may have left out the driver.
    modules = PAGE / "node_modules"
    installed = modules / ".package-lock.json"
    wanted = (PAGE / "package-lock.json").stat().st_mtime
    if (
        not (modules / "playwright-core").exists()
        or not installed.exists()
        or installed.stat().st_mtime < wanted
    ):
        subprocess.run(
            [npm, "ci", "--no-audit", "--no-fund"],
            cwd=PAGE,
            check=True,
        )


def write_site(folder, model, tokenizers):
    """Puts together what is served: the page, models, and what is no model.

    Args:
        folder: Where to.
        model: Path of the exported file, `model.tflite` in the folder.
        tokenizers: Their bytes, by name.
    """
    for name in ("index.html", "style.css", "src", "node_modules"):
        (folder / name).symlink_to(PAGE / name)
    shutil.copy(model, folder / "model.tflite")
    for kind, bytes_ in tokenizers.items():
        (folder / f"{kind}.model").write_bytes(bytes_)
    content = model.read_bytes()
    with zipfile.ZipFile(model) as archive:
        about = json.loads(archive.read("settings.json"))
    (folder / "text.tflite").write_text("This is no model.")
    (folder / "bare.tflite").write_bytes(content[: about["model_bytes"]])
    (folder / "cut.tflite").write_bytes(content[:-100])
    # As a file of free sizes: no signature's name has a length.
    renamed = content.replace(b"greedy_", b"greedyX")
    (folder / "free.tflite").write_bytes(renamed)
    for name, key, value in (
        ("future", "version", 99),
        ("other", "format", "another"),
    ):
        shutil.copy(model, folder / f"{name}.tflite")
        with zipfile.ZipFile(folder / f"{name}.tflite", "a") as archive:
            with pytest.warns(UserWarning, match="Duplicate name"):
                text = json.dumps(about | {key: value})
                archive.writestr("settings.json", text)


@contextlib.contextmanager
def serving(folder):
    """A web server of this process; yields its address for a phone."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

    handler = functools.partial(Quiet, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://computer.test:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()
