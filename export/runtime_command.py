"""The command `python -m export.runtime`: standard input, line by line."""

import argparse
import os
import sys
from collections.abc import Sequence

from export.errors import ExportError
from export.runtime import Translator


def main(arguments: Sequence[str] | None = None) -> int:
    """Translates standard input, line by line, to standard output.

    Args:
        arguments: The command line's arguments; see `--help`.

    Returns:
        The exit status: 0, or 2 after a clear line on standard error.
    """
    parser = argparse.ArgumentParser(
        "python -m export.runtime",
        description="Translates standard input line by line.",
    )
    parser.add_argument("model", help="a .tflite file of this package")
    parser.add_argument(
        "--beam", action="store_true", help="beam search, not greedy search"
    )
    parser.add_argument(
        "--scores",
        action="store_true",
        help="print the score and a tab before each answer",
    )
    parser.add_argument(
        "--threads", type=int, default=1, help="CPU threads (default: 1)"
    )
    try:
        options = parser.parse_args(arguments)
    except SystemExit as end:  # --help, or what argparse has said
        return int(end.code or 0)
    search = "beam" if options.beam else "greedy"
    if sys.stdin is None or sys.stdout is None:
        print(
            "Error: Standard input or output is closed. Give it lines and a "
            "place: `< FILE > ANSWERS`, or pipes.",
            file=sys.stderr,
        )
        return 2
    try:
        translator = Translator(options.model, options.threads)
        translator.translate([], search=search)  # is there such a search?
        for number, line in enumerate(sys.stdin.buffer, start=1):
            text = line.decode("utf-8", "replace").rstrip("\r\n")
            if number == 1:
                text = text.removeprefix("\ufeff")  # A byte-order mark.
            answer = translator.translate([text], 1, search)[0]
            if answer.truncated:
                print(
                    f"Line {number} is longer than this model reads; only its "
                    "beginning is translated.",
                    file=sys.stderr,
                )
            score = f"{answer.score:.4f}\t" if options.scores else ""
            sys.stdout.buffer.write(f"{score}{answer.text}\n".encode())
            sys.stdout.flush()
    except (ExportError, ImportError, ValueError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader has seen enough, as in `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:  # The disk is full, for instance.
        print(f"Error: The output: {error.strerror or error}.", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0
