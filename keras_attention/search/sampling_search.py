"""`SamplingSearch`: tokens drawn from what the model expects."""

from __future__ import annotations

import numbers

from keras import ops, tree

from keras_attention.registry import positive_integer
from keras_attention.search.one_by_one import one_by_one
from keras_attention.search.random_bits import signed, uniform
from keras_attention.search.search import (
    IMPOSSIBLE,
    LEAST_LOGIT,
    Search,
    SearchResult,
    make_request,
    pick,
    repeat_rows,
    row_limits,
)


class SamplingSearch(Search):
    """Draws each token from the model's distribution, cut as you say.

    The probabilities are `softmax(logits / temperature)` of what the rules
    allow; then of these only the `top_k` likeliest (Fan et al. 2018, section
    5.1); then of these the fewest likeliest ones that have `top_p` of the
    probability together (Holtzman et al. 2020, section 3.1).

    What is drawn is a function of `seed`, of the row's entry in `seeds`, of
    the number of the result and of the time, and of nothing else: the same
    call gives the same answer, and what one row says does not depend on the
    others. Rows of equal `seeds` draw the same numbers, so that equal sources
    get equal answers; give different `seeds` for different ones.

    Args:
        temperature: positive float; below 1 sharpens, above 1 flattens.
        top_k: integer, or `None` for all tokens; 1 is greedy search.
        top_p: float in (0, 1]; 1 for all tokens.
        seed: integer.
        start_token: id that starts a sequence.
        end_token: id that ends one.
        num_results: how many answers to draw for each row, in no order.
        rules: list of `Rule`s: what must not be said.

    Returns:
        A `SearchResult`. Its scores are the model's log-probabilities of what
        was drawn, whatever the temperature. With more than one result its
        tensors have an axis more, the second: `tokens` are `(batch,
        num_results, max_length)`.

    Example:

    >>> search = SamplingSearch(temperature=0.7, top_p=0.9, num_results=2)
    >>> mostly_two = lambda tokens, states, memory: (
    ...     5 * ops.one_hot(ops.zeros_like(tokens) + 2, 4), states, None
    ... )
    >>> search(mostly_two, [ops.zeros((1, 1))], None, 3).tokens.numpy()
    array([[[2, 0, 0],
            [2, 0, 0]]], dtype=int32)
    """

    def __init__(
        self,
        temperature=1.0,
        top_k=None,
        top_p=1.0,
        seed=0,
        start_token=1,
        end_token=2,
        num_results=1,
        rules=(),
    ):
        super().__init__(start_token, end_token, rules)
        if not temperature > 0:
            raise ValueError(
                "`temperature` must be positive. For the likeliest tokens use "
                f"`GreedySearch`. Received: temperature={temperature}."
            )
        if not 0 < top_p <= 1:
            raise ValueError(
                "`top_p` must be larger than 0 and at most 1. "
                f"Received: top_p={top_p}."
            )
        if not isinstance(seed, numbers.Integral):
            raise ValueError(
                f"`seed` must be an integer. Received: seed={seed!r}."
            )
        self.temperature = temperature
        self.top_k = positive_integer("top_k", top_k, optional=True)
        self.top_p = top_p
        self.seed = seed
        self.num_results = positive_integer("num_results", num_results)

    def __call__(
        self,
        step,
        states,
        memory,
        max_length,
        source_mask=None,
        prefix=None,
        seeds=None,
    ):
        """Draws; see `Search.__call__`, and

        Args:
            seeds: int32 `(batch,)`, a further seed for each row; zeros if
                `None`.
        """
        copies = self.num_results
        batch = ops.shape(tree.flatten(states)[0])[0]
        limits, longest = row_limits(max_length, batch)
        request = make_request(source_mask, prefix, copies)
        # One more than can be said: JAX reads through a step that is not taken.
        numbers_drawn = self._draw(seeds, batch, longest + 1)

        def choose(logits, said, time):
            progress = self.progress(said, time, request, logits.shape[-1])
            allowed = self.allowed(progress, request)
            return self._choose(
                logits, allowed, ops.take(numbers_drawn, time, axis=1)
            )

        result = one_by_one(
            step,
            repeat_rows(states, copies),
            repeat_rows(memory, copies),
            ops.repeat(limits, copies, axis=0),
            longest,
            self.start_token,
            choose,
            self.end_token,
        )
        if copies == 1:
            return result
        return SearchResult(
            *(
                None
                if one is None
                else ops.reshape(one, (batch, copies, *ops.shape(one)[1:]))
                for one in result
            )
        )

    def _draw(self, seeds, batch, longest):
        """A number in [0, 1) for every row and time, `(rows, longest)`."""
        if seeds is None:
            seeds = ops.zeros((batch,), dtype="int32")
        seeds = ops.repeat(ops.cast(seeds, "int32"), self.num_results, axis=0)
        results = ops.arange(self.num_results, dtype="int32")
        results = ops.reshape(
            ops.broadcast_to(
                ops.expand_dims(results, 0), (batch, self.num_results)
            ),
            (-1, 1),
        )
        times = ops.expand_dims(ops.arange(longest, dtype="int32"), 0)
        seed = ops.full((1, 1), signed(self.seed), dtype="int32")
        return uniform((seed, ops.expand_dims(seeds, 1)), (times, results))

    def _choose(self, logits, allowed, drawn):
        """Returns the tokens that the numbers `drawn` `(rows,)` stand for."""
        logits = ops.maximum(ops.cast(logits, "float32"), LEAST_LOGIT)
        logits = ops.where(allowed, logits, IMPOSSIBLE)
        # The likeliest is at 0, which no temperature makes impossible.
        logits = logits - ops.max(logits, axis=1, keepdims=True)
        logits = ops.maximum(logits / self.temperature, LEAST_LOGIT)
        logits = ops.where(allowed, logits, IMPOSSIBLE)
        vocabulary = logits.shape[-1]
        kept = min(self.top_k or vocabulary, vocabulary)
        # From the likeliest to the unlikeliest; of equals, the lowest id.
        logits, tokens = ops.top_k(logits, k=kept)
        weights = ops.exp(logits - logits[:, :1])
        reached = ops.cumsum(weights, axis=1)
        inside = ops.greater(weights, 0.0)
        if self.top_p < 1:
            enough = self.top_p * reached[:, -1:]
            inside = ops.logical_and(
                inside, ops.less(reached - weights, enough)
            )
        last = ops.sum(ops.cast(inside, "int32"), axis=1) - 1
        total = pick(reached, last)
        passed = ops.less_equal(reached, ops.expand_dims(drawn * total, 1))
        place = ops.sum(ops.cast(passed, "int32"), axis=1)
        return pick(ops.cast(tokens, "int32"), ops.minimum(place, last))
