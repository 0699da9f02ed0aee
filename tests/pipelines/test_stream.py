"""Lines in, lines out."""

import io

from pipelines.stream import translate_stream
from tests.pipelines.tiny_run import fake_translation


class FakeRun:
    """Says each sentence in capitals; remembers how they came."""

    class recipe:
        class data:
            max_source_len = 7

    def __init__(self):
        self.calls, self.firsts = [], []

    def search(self, texts, options, *, batch_size=32, first=0):
        self.calls.append(len(texts))
        self.firsts.append(first)
        return [[fake_translation(text, text.upper())] for text in texts]


def stream(content, **options):
    run, output, warnings = FakeRun(), io.BytesIO(), []
    translate_stream(
        run, io.BytesIO(content), output, warnings.append, **options
    )
    starts = [1 + sum(run.calls[:n]) for n in range(len(run.calls))]
    assert run.firsts == starts  # Lines are numbered from 1.
    return output.getvalue(), warnings, run.calls


def test_stream_keeps_lines():
    content = "\ufeffa b\r\n\n \nc\u2028d\nlast".encode()
    output, warnings, calls = stream(content)
    assert output == b"A B\n\n \nC D\nLAST\n"
    assert not warnings and calls == [5]
    assert stream(b"") == (b"", [], [])


def test_stream_of_bytes_that_are_no_text():
    output, warnings, _ = stream(b"a\nb\xff c\n\xe9\n")
    assert output.decode() == "A\nB\ufffd C\n\ufffd\n"
    assert warnings[0].startswith("Line 2 is not valid UTF-8 (byte 2)")
    assert warnings[1].startswith("Line 3 ")


def test_stream_in_batches_and_one_by_one():
    content = b"a\n" * 20
    assert stream(content, batch_size=2)[2] == [16, 4]
    assert stream(content, batch_size=1)[2] == [1] * 20
    prompts = []
    output, _, calls = stream(content, prompt=lambda: prompts.append(1))
    assert calls == [1] * 20 and len(prompts) == 21 and output == b"A\n" * 20
