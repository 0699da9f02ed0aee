"""The functions of a SavedModel: strings in, strings out."""

from typing import Any

import tensorflow as tf

from export import vocabulary
from export.compiled_search import answering
from export.scoring import token_scores
from export.settings import ExportSettings
from export.signatures import (
    END,
    FIRST_PIECE,
    beam_search,
    output_limits,
    variables_of,
)
from export.text_tokenizers import tokenizer_of
from export.token_signatures import TokenSignatures

SIGNATURES = (
    "serving_default",
    "beam",
    "score",
    "encode",
    "decode_step",
    "detokenize",
)


class TextSignatures(tf.Module):
    """Strings in, strings out: what a SavedModel holds.

    `docs/serving.md` says what each signature takes and returns.

    Args:
        model: An encoder-decoder with `encode` and `decode_step`.
        source_model: The source tokenizer's bytes (see `tokenizer_of`).
        target_model: The target tokenizer's bytes.
        settings: The limits, and the beam search's settings.
    """

    def __init__(
        self,
        model: Any,
        source_model: bytes,
        target_model: bytes,
        settings: ExportSettings,
    ) -> None:
        from keras_attention.search import GreedySearch

        super().__init__(name="text_signatures")
        self.weights = variables_of(model)
        self.source_tokenizer = tokenizer_of(source_model)
        self.target_tokenizer = tokenizer_of(target_model)
        self._settings = settings
        beam = beam_search(settings)
        self.serving_default = self._searching(model, GreedySearch())
        self.beam = self._searching(model, beam)
        self.score = self._scoring(model)
        # The same steps as on a device.
        steps = TokenSignatures(model, settings)
        self.encode = self._encoding(steps.encode)
        self.decode_step = steps.decode_step
        self.detokenize = self._detokenizing()

    def signatures(self) -> dict[str, Any]:
        """Returns the concrete functions by the names they are called by."""
        return {
            name: getattr(self, name).get_concrete_function()
            for name in SIGNATURES
        }

    def _searching(self, model: Any, search: Any) -> Any:
        answer = answering(model, search, self._settings)

        @tf.function(autograph=False, input_signature=[_text("text")])
        def translate(text: tf.Tensor) -> dict[str, tf.Tensor]:
            read = self._read(text)
            outputs = answer(read["source_tokens"])
            if getattr(search, "num_results", 0) == 1:
                # A beam of one, too, has an axis of hypotheses.
                outputs = {
                    name: tf.expand_dims(one, 1)
                    for name, one in outputs.items()
                }
            outputs = _as_long_as_needed(outputs)
            tokens = outputs["tokens"]
            outputs["text"] = self._texts(tokens)
            outputs["target_pieces"] = _pieces(self.target_tokenizer, tokens)
            return {**outputs, **read}

        return translate

    def _scoring(self, model: Any) -> Any:
        @tf.function(
            autograph=False,
            input_signature=[_text("text"), _text("target_text")],
        )
        def score(
            text: tf.Tensor, target_text: tf.Tensor
        ) -> dict[str, tf.Tensor]:
            read = self._read(text)
            source = read["source_tokens"]
            # Also an empty target has an end. To an empty source there is
            # nothing to say, and nothing to score.
            has_source = tf.reduce_any(source != 0, axis=1)
            tokens, truncated = _tokenize(
                self.target_tokenizer,
                target_text,
                self._settings.max_target_len,
                has_end=has_source,
            )
            tokens = tf.where(has_source[:, tf.newaxis], tokens, 0)
            outputs = token_scores(model, source, tokens)
            return {
                **outputs,
                "scores": tf.reduce_sum(outputs["token_scores"], axis=1),
                "tokens": tokens,
                "lengths": tf.math.count_nonzero(tokens, 1, dtype=tf.int32),
                "target_pieces": _pieces(self.target_tokenizer, tokens),
                "target_truncated": truncated,
                **read,
            }

        return score

    def _encoding(self, encode_tokens: Any) -> Any:
        @tf.function(autograph=False, input_signature=[_text("text")])
        def encode(text: tf.Tensor) -> dict[str, tf.Tensor]:
            read = self._read(text)
            source = read["source_tokens"]
            limits = output_limits(source, self._settings)
            return {**encode_tokens(source), "max_lengths": limits, **read}

        return encode

    def _detokenizing(self) -> Any:
        spec = tf.TensorSpec((None, None), tf.int32, "tokens")

        @tf.function(autograph=False, input_signature=[spec])
        def detokenize(tokens: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"text": self._texts(tokens)}

        return detokenize

    def _read(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """What is read of the source texts, for every signature's answer."""
        ids, truncated = _tokenize(
            self.source_tokenizer, text, self._settings.max_source_len
        )
        return {
            "source_tokens": ids,
            "source_pieces": _pieces(self.source_tokenizer, ids),
            "truncated": truncated,
        }

    def _texts(self, tokens: tf.Tensor) -> tf.Tensor:
        """Texts of zero-padded ids `(..., target_len)`: `(...)`."""
        shape = tf.shape(tokens)
        rows = tf.reshape(tokens, (tf.reduce_prod(shape[:-1]), shape[-1]))
        pieces = tf.ragged.boolean_mask(rows, rows >= FIRST_PIECE)
        texts = self.target_tokenizer.detokenize(pieces)
        return tf.ensure_shape(tf.reshape(texts, shape[:-1]), tokens.shape[:-1])


def _text(name: str) -> tf.TensorSpec:
    return tf.TensorSpec((None,), tf.string, name)


def _tokenize(
    tokenizer: Any,
    text: tf.Tensor,
    max_len: int,
    has_end: tf.Tensor | None = None,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Tokenises, cuts, ends and pads.

    Args:
        tokenizer: What `tokenizer_of` returns.
        text: `(batch,)` strings.
        max_len: Most tokens of a row, the end token included.
        has_end: Boolean `(batch,)`, which rows get an end token; `None`:
            those that have tokens.

    Returns:
        Ids `(batch, at least 1)`, 0 where padded, and boolean `(batch,)`,
        which rows were cut.
    """
    # Bytes that are no UTF-8 become U+FFFD, as everywhere else.
    text = tf.strings.unicode_transcode(text, "UTF-8", "UTF-8")
    spaces = tf.strings.regex_replace(text, vocabulary.WHITE_SPACE, " ")
    blank = tf.strings.length(tf.strings.strip(spaces)) == 0
    text = tf.where(blank, tf.constant(""), text)
    ids = tokenizer.tokenize(text)
    truncated = tf.cast(ids.row_lengths(), tf.int32) > max_len - 1
    ids = ids[:, : max_len - 1]
    some = ids.row_lengths() > 0 if has_end is None else has_end
    count = tf.cast(some, tf.int64)
    ends = tf.fill((tf.reduce_sum(count),), END)
    ended = tf.RaggedTensor.from_row_lengths(ends, count)
    padded = tf.concat([ids, ended], axis=1).to_tensor(0)
    # One column at least: a batch of blanks is still a batch.
    missing = tf.maximum(1 - tf.shape(padded)[1], 0)
    return tf.pad(padded, [[0, 0], [0, missing]]), truncated


def _as_long_as_needed(outputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Cuts `target_len` to the longest answer: searches pad to the limit."""
    longest = tf.reduce_max(
        tf.pad(tf.reshape(outputs["lengths"], [-1]), [[0, 1]])
    )
    cut = dict(outputs)
    for name, axis in (("tokens", -1), ("alignments", -2)):
        if name in outputs:
            cut[name] = tf.gather(outputs[name], tf.range(longest), axis=axis)
    return cut


def _pieces(tokenizer: Any, ids: tf.Tensor) -> tf.Tensor:
    """Readable tokens of ids, of the same shape; "" where padded."""
    return tf.where(ids == 0, tf.constant(""), tokenizer.id_to_string(ids))
