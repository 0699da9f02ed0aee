"""From options to a traced search with a run's model."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from keras_attention import search
from pipelines.errors import UserError
from pipelines.search_options import SearchOptions, words_to_ids

if TYPE_CHECKING:
    from pipelines.run import Run


def search_function(
    run: Run,
    options: SearchOptions,
    memory_transform: Callable[[Any], Any] | None = None,
) -> Callable[[Any, Any], Any]:
    """Returns a traced function from source ids to a search's result.

    Args:
        run: A trained run.
        options: What is None is as the recipe says.
        memory_transform: A function on the `Memory` of a batch, between
            encoder and search.

    Returns:
        A function `(source, seeds)` of int32 `(batch, source_len)`, zeros
        after a source's last token, and int32 `(batch,)`, which sampling
        takes. It returns a `SearchResult` with an axis of hypotheses after
        the first: one for `num_results=1`, else all of the beam, some of
        which may be the same text, or as many as are drawn.

    Raises:
        UserError: If the model cannot say what the options ask for.
    """
    settings = run.recipe.search
    asked, options = options, options.resolve(run.recipe)
    extra = settings.max_length_extra if options.max_ratio is None else 0
    ratio = options.max_ratio or settings.max_length_factor
    prefix, required = _demands(run, options)
    searcher = _searcher(run, options)
    one = options.num_results == 1

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None], tf.int32),
            tf.TensorSpec([None], tf.int32),
        ],
        autograph=False,
    )
    def function(source: Any, seeds: Any) -> Any:
        memory, states = run.model.encode(source)
        if memory_transform is not None:
            memory = memory_transform(memory)
        batch = tf.shape(source)[0]
        lengths = tf.math.count_nonzero(source, 1, dtype=tf.int32)
        # What is looked at is the memory, which may be shorter.
        mask = getattr(memory, "mask", None)
        mask = tf.not_equal(source, 0) if mask is None else mask
        demands: dict[str, Any] = {"source_mask": mask}
        if prefix is not None:
            demands["prefix"] = tf.tile(prefix, [batch, 1])
        if required is not None:
            tiled = tf.tile(required, [batch, 1, 1])
            tiled.set_shape([None, *required.shape[1:]])
            demands["required"] = tiled
        if options.sample:
            demands["seeds"] = seeds
        limits = search.length_limits(lengths, ratio, extra, options.max_length)
        if asked.max_ratio is None:
            # The recipe's ratio is no reason to say less than was asked for.
            least = search.length_limits(
                lengths, options.min_ratio, 1, asked.max_length
            )
            least = tf.maximum(least, options.min_length)
            if prefix is not None:
                least = tf.maximum(least, prefix.shape[1] + extra)
            if asked.max_length is not None:
                least = tf.minimum(least, asked.max_length)
            limits = tf.maximum(limits, least)
        result = searcher(
            run.model.decode_step,
            states,
            memory,
            limits,
            **demands,
        )
        if isinstance(searcher, search.GreedySearch):
            # As a beam of one would rank it.
            penalty = search.length_penalty(
                result.lengths, options.length_penalty
            )
            result = result._replace(scores=result.scores / penalty)
        if one:
            result = search.SearchResult(
                *(None if x is None else tf.expand_dims(x, 1) for x in result)
            )
        return result

    return function


def _demands(run: Run, options: SearchOptions) -> tuple[Any, Any]:
    """Prefix (1, prefix_len) and required words (1, num_words, word_len)."""
    prefix = required = None
    if options.prefix.strip():
        [row] = words_to_ids([options.prefix], run.target_tokenizer, "prefix")
        prefix = np.array([row], np.int32)
    if options.require:
        rows = words_to_ids(options.require, run.target_tokenizer, "require")
        required = np.zeros((1, len(rows), max(map(len, rows))), np.int32)
        for place, row in enumerate(rows):
            required[0, place, : len(row)] = row
    return prefix, required


def _searcher(run: Run, options: SearchOptions) -> search.Search:
    """Makes the search that resolved options describe."""
    if options.coverage_penalty and run.recipe.model.attention == "none":
        raise UserError(
            "A model without attention has no coverage to reward.",
            "Leave --coverage-penalty at 0.",
        )
    rules: list[search.Rule] = []
    if options.min_length or options.min_ratio:
        rules.append(
            search.MinimumLength(options.min_length, options.min_ratio)
        )
    if options.forbid:
        words = words_to_ids(options.forbid, run.target_tokenizer, "forbid")
        rules.append(search.ForbiddenWords(words))
    if options.no_repeat_ngram:
        rules.append(search.NoRepeatedNgrams(options.no_repeat_ngram))
    if options.sample:
        return search.SamplingSearch(
            options.temperature,
            options.top_k,
            options.top_p,
            options.seed,
            num_results=options.num_results,
            rules=rules,
        )
    if (
        options.beam_size == 1
        and not options.coverage_penalty
        and not options.require
    ):
        return search.GreedySearch(rules=rules)
    return search.BeamSearch(
        options.beam_size,
        options.length_penalty,
        coverage_penalty=options.coverage_penalty,
        # Some of them may be one text in other pieces.
        num_results=1 if options.num_results == 1 else options.beam_size,
        rules=rules,
    )
