"""Between text and token ids."""

import functools
import io
import logging
import random
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np
import sentencepiece

from pipelines.errors import UserError
from pipelines.files import write_whole
from pipelines.subword_merges import Merges

PAD_ID = 0
START_ID = 1
END_ID = 2
UNKNOWN_ID = 3
NUM_SPECIAL = 4

# SentencePiece leaves longer lines out (in bytes); ours may have 10,000
# characters of up to 4 bytes.
MAX_LINE_BYTES = 50_000

log = logging.getLogger(__name__)
T = TypeVar("T")


class SubwordTokenizer:
    """Splits text into subwords learned from data: SentencePiece, BPE.

    SentencePiece, because its tokens turn back into the very text (after
    Unicode normalisation NFKC, with runs of white space made one space), for
    any language and without rules for each; because the learned model is one
    string of bytes that tensorflow_text embeds into a SavedModel; and because
    the same library runs without TensorFlow on a device, with the same
    tokens. BPE, because it learns in a second what unigram learns in
    several, and gives the same tokens for the same text every time.

    Ids: 0 padding, 1 start, 2 end, 3 unknown, then the subwords. Methods that
    make ids add no special tokens; methods that make text drop padding, start
    and end.

    Args:
        model: A serialised SentencePiece model, as `train` makes it.

    Raises:
        UserError: If `model` is none, or has other special ids.

    Example:

    >>> tokenizer = SubwordTokenizer.train(["low lower lowest"] * 3, 20)
    >>> ids = tokenizer.encode_lines(["lower", ""])
    >>> tokenizer.pieces(ids[0])
    ['▁lower']
    >>> tokenizer.decode(ids[0]), ids[1]
    ('lower', [])
    """

    def __init__(self, model: bytes) -> None:
        self.model = model
        try:
            if not model:
                raise RuntimeError("it is empty")
            self._processor = sentencepiece.SentencePieceProcessor(
                model_proto=model
            )
        except RuntimeError as error:
            raise UserError(
                f"This is no SentencePiece model: {error}.",
                "Use one made by `SubwordTokenizer.train`.",
            ) from None
        found = (
            self._processor.pad_id(),
            self._processor.bos_id(),
            self._processor.eos_id(),
            self._processor.unk_id(),
        )
        if found != (PAD_ID, START_ID, END_ID, UNKNOWN_ID):
            raise UserError(
                "A tokenizer must have the ids padding 0, start 1, end 2, "
                f"unknown 3. Received: {found}.",
                "Use one made by `SubwordTokenizer.train`.",
            )
        self._in_graph: Any = None

    @classmethod
    def train(
        cls,
        lines: Iterable[str],
        vocabulary_size: int,
        character_coverage: float = 1.0,
    ) -> Self:
        """Learns a vocabulary; the same lines give the same one.

        A size that the lines do not allow (too little text for so many
        subwords, or more characters than subwords) is changed to the nearest
        possible one, and a warning is logged that says so.

        Args:
            lines: Sentences of the training part only.
            vocabulary_size: Number of tokens, the 4 special ones included.
            character_coverage: Share of the running text whose characters
                get a token of their own; the rarest others are unknown.

        Returns:
            The tokenizer.

        Raises:
            UserError: If no line holds any text.
        """
        lines = [line for line in lines if line.strip()]
        if not lines:
            raise UserError(
                "A tokenizer needs text to learn from, but every line is "
                "empty.",
                "Give it training sentences.",
            )
        try:
            size = max(vocabulary_size, NUM_SPECIAL + 1)
            model = _train(lines, size, character_coverage)
        except RuntimeError as error:
            needed = re.search(r"required_chars\. \d+ vs (\d+)", str(error))
            if needed is None:
                raise UserError(
                    f"The tokenizer could not be trained: {error}",
                    "Check that the training text is ordinary text.",
                ) from None
            model = _train(lines, int(needed[1]), character_coverage)
        tokenizer = cls(model)
        if tokenizer.vocabulary_size != vocabulary_size:
            log.warning(
                "The training text (%s lines) allows no vocabulary of %s "
                "tokens; %s are used.",
                f"{len(lines):,}",
                f"{vocabulary_size:,}",
                f"{tokenizer.vocabulary_size:,}",
            )
        return tokenizer

    @property
    def vocabulary_size(self) -> int:
        """Number of tokens, the special ones included."""
        return int(self._processor.get_piece_size())

    @property
    def in_graph(self) -> Any:
        """The tensorflow_text tokenizer, a `tf.Module`.

        A module that is saved as a SavedModel must keep it as an attribute,
        because it holds the model as a resource. `tf.random.set_seed` frees
        that resource with TensorFlow's cache of kernels; it is then made
        anew here, but functions traced before must be traced again.
        """
        import tensorflow as tf
        import tensorflow_text

        with tf.init_scope():  # Not a part of the function being traced.
            try:
                if self._in_graph is not None:
                    self._in_graph.tokenize([""])
                    return self._in_graph
            except tf.errors.NotFoundError:
                pass
            self._in_graph = tensorflow_text.SentencepieceTokenizer(
                model=self.model, out_type=tf.int32
            )
        return self._in_graph

    def tokenize(self, text: Any) -> Any:
        """Tokenises in the graph.

        Args:
            text: String tensor (batch,), UTF-8. Invalid bytes are unknown
                tokens.

        Returns:
            Ragged int32 tensor (batch, None) without special tokens.
        """
        return self.in_graph.tokenize(text)

    def detokenize(self, tokens: Any) -> Any:
        """Turns ids back into text in the graph.

        Args:
            tokens: int32 tensor (batch, None), ragged or padded with zeros.

        Returns:
            String tensor (batch,).
        """
        import tensorflow as tf

        is_text = tokens >= UNKNOWN_ID
        return self.in_graph.detokenize(tf.ragged.boolean_mask(tokens, is_text))

    def encode_lines(self, lines: Sequence[str]) -> list[list[int]]:
        """Tokenises with the plain library: the ids of each line.

        Bytes that are no UTF-8 and stand in a string as lone surrogates
        (`errors="surrogateescape"`) are unknown, as `tokenize` has them.
        """
        rows: list[list[int]] = self._processor.encode(
            [to_bytes(line) for line in lines]
        )
        return rows

    def sample_lines(
        self, lines: Sequence[str], dropout: float, seed: int
    ) -> list[list[int]]:
        """Tokenises with BPE-dropout: some merges are left out, at random.

        Args:
            lines: Sentences.
            dropout: The probability of leaving out a merge; with 0 the tokens
                are those of `encode_lines`.
            seed: The same one gives the same tokens, in every process.

        Returns:
            The ids of each line.
        """
        generator = random.Random(seed)
        rows: list[list[int]] = []
        for line in lines:
            text = self._processor.normalize(to_bytes(line)).decode()
            row: list[int] = []
            for part in self._merges.split(text, dropout, generator):
                token = self._ids.get(part, UNKNOWN_ID)
                # A run of unknown characters is one token.
                if token != UNKNOWN_ID or row[-1:] != [UNKNOWN_ID]:
                    row.append(token)
            rows.append(row)
        return rows

    @functools.cached_property
    def _ids(self) -> dict[str, int]:
        """Subwords and characters, without the special tokens."""
        return {
            self._processor.id_to_piece(token): token
            for token in range(NUM_SPECIAL, self.vocabulary_size)
        }

    @functools.cached_property
    def _merges(self) -> Merges:
        return Merges(
            {
                piece: self._processor.get_score(token)
                for piece, token in self._ids.items()
            }
        )

    def decode(self, ids: Iterable[int]) -> str:
        """Turns the ids of one sentence back into text."""
        kept = [int(i) for i in ids if i >= UNKNOWN_ID]
        return str(self._processor.decode(kept))

    def pieces(self, ids: Iterable[int]) -> list[str]:
        """Names each id, for plots: `▁` marks where a word begins."""
        return [str(self._processor.id_to_piece(int(i))) for i in ids]

    def save(self, path: str | Path) -> None:
        """Writes the model to a file, wholly or not at all."""
        write_whole(path, self.model)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Reads what `save` wrote."""
        return load_as(cls, path)


def pad(rows: Sequence[Sequence[int]]) -> np.ndarray:
    """Pads ids with zeros.

    Returns:
        int32 (rows, longest).

    Example:

    >>> pad([[5, 6], [7]]).tolist()
    [[5, 6], [7, 0]]
    """
    padded = np.zeros((len(rows), max(map(len, rows))), np.int32)
    for row, ids in zip(padded, rows, strict=True):
        row[: len(ids)] = ids
    return padded


def load_as(kind: Callable[[bytes], T], path: str | Path) -> T:
    """Reads a file that a tokenizer's `save` wrote, as a tokenizer."""
    try:
        return kind(Path(path).read_bytes())
    except OSError as error:
        raise UserError(
            f"Cannot read the tokenizer {path}: {error.strerror or error}.",
            "Check the path.",
        ) from None
    except UserError as error:
        raise UserError(f"{path}: {error.message}", error.remedy) from None


def to_bytes(line: str) -> bytes:
    """Encodes any string, so that the library itself meets invalid bytes."""
    try:
        return line.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return line.encode("utf-8", "surrogatepass")


def _train(
    lines: list[str], vocabulary_size: int, character_coverage: float
) -> bytes:
    """Trains in memory and without messages; may give a smaller size."""
    writer = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=writer,
        model_type="bpe",
        vocab_size=vocabulary_size,
        hard_vocab_limit=False,
        character_coverage=character_coverage,
        normalization_rule_name="nmt_nfkc",
        max_sentence_length=MAX_LINE_BYTES,
        pad_id=PAD_ID,
        bos_id=START_ID,
        eos_id=END_ID,
        unk_id=UNKNOWN_ID,
        minloglevel=2,
    )
    return writer.getvalue()
