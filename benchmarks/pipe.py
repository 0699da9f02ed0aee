"""A side of a benchmark in a process of its own, asked through a pipe."""

from __future__ import annotations

import json
import subprocess


class Pipe:
    """A process that answers a line of JSON with a line of JSON.

    Args:
        name: what errors call it.
        command: the process's program and arguments.
        **options: as in `subprocess.Popen`.
    """

    def __init__(self, name, command, **options):
        self.name = name
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            **options,
        )

    def ask(self, **request):
        """Sends a request; returns the answer.

        Raises:
            RuntimeError: If the side failed.
        """
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        answer = json.loads(line) if line else {"error": "it ended"}
        if "error" in answer:
            raise RuntimeError(f"{self.name}: {answer['error']}")
        return answer

    def close(self, seconds=60):
        """Lets the process end; kills it if it does not in time."""
        self._process.stdin.close()
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()  # What it measured is known by then.
            self._process.wait()
