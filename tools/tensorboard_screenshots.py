"""Makes the pictures of `docs/tensorboard.md` from a run's logs.

    python tools/tensorboard_screenshots.py runs/demo/tensorboard

Needs what `make test-browser` needs: Node.js and Chromium. Another Chromium:
`CHROMIUM=/path/to/it`.
"""

import argparse
import io
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MOST_BYTES = 200_000
WAIT_SECONDS = 60
CARD = "card-view"
SCALARS = "^(loss|perplexity|gradient_norm|bleu|attention/(entropy|peak))$"
PICTURES = {
    "scalars": {"tagFilter": SCALARS, "number": 6, "size": (1500, 840)},
    "images": {"tagFilter": "^alignments/", "number": 4, "size": (1280, 850)},
}


def main(arguments=None):
    sys.path.insert(0, str(ROOT))
    from tests.browser import site

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("logs", type=Path, help="the folder of the logs")
    parser.add_argument("--out", type=Path, default=ROOT / "docs")
    options = parser.parse_args(arguments)
    programs = site.find_programs(os.environ.get("CHROMIUM"))
    site.install(programs["npm"])
    with tempfile.TemporaryDirectory() as folder:
        pictures = [
            {
                "path": str(Path(folder) / f"{name}.png"),
                "query": urllib.parse.urlencode(
                    {"tagFilter": one["tagFilter"], "smoothing": "0"}
                ),
                "page": "timeseries",
                "selector": CARD,
                "number": one["number"],
                "width": one["size"][0],
                "height": one["size"][1],
            }
            for name, one in PICTURES.items()
        ]
        request = Path(folder) / "pictures.json"
        request.write_text(json.dumps(pictures))
        take(programs, options.logs, request)
        for name, one in zip(PICTURES, pictures, strict=True):
            path = options.out / f"tensorboard_{name}.png"
            path.write_bytes(smaller(Path(one["path"])))
            print(f"{path}: {path.stat().st_size:,} bytes")


def take(programs, logs, request):
    """Serves the logs while the pictures are taken."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    board = subprocess.Popen(
        [
            *(sys.executable, "-m", "tensorboard.main"),
            *("--logdir", logs, "--port", str(port)),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(f"{address}/data/runs")
        subprocess.run(
            [
                programs["node"],
                Path(__file__).with_suffix(".mjs"),
                programs["browser"],
                site_package(),
                address,
                request,
            ],
            check=True,
        )
    finally:
        board.terminate()
        board.wait()


def site_package():
    return ROOT / "examples" / "browser" / "package.json"


def wait_for(address):
    """Returns when TensorBoard answers, and knows the runs."""
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(address) as answer:
                if json.load(answer):
                    return
        except (urllib.error.URLError, ConnectionError):
            pass
        time.sleep(0.5)
    sys.exit(f"TensorBoard does not answer at {address}, or finds no logs.")


def smaller(path):
    """Returns a PNG with as many colours as fit into the size."""
    from PIL import Image

    picture = Image.open(path).convert("RGB")
    for colours in (256, 128, 64, 32):
        content = io.BytesIO()
        picture.quantize(colours).save(content, "png", optimize=True)
        if content.tell() <= MOST_BYTES:
            return content.getvalue()
    sys.exit(f"{path} does not fit into {MOST_BYTES:,} bytes.")


if __name__ == "__main__":
    main()
