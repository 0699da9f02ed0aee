"""`GreedySearch`: the likeliest token at every step."""

from __future__ import annotations

from keras import ops, tree

from keras_attention.search.one_by_one import one_by_one
from keras_attention.search.search import (
    IMPOSSIBLE,
    LEAST_LOGIT,
    Search,
    make_request,
    row_limits,
)


class GreedySearch(Search):
    """Takes the likeliest token at each step, until the end token.

    Of equally likely tokens the one with the lowest id wins. Stops when every
    row has ended; what one row says does not depend on the others.

    Args:
        start_token: id that starts a sequence.
        end_token: id that ends one.
        rules: list of `Rule`s: what must not be said.

    Example:

    >>> search = GreedySearch()
    >>> always_two = lambda tokens, states, memory: (
    ...     ops.one_hot(ops.zeros_like(tokens) + 2, 4), states, None
    ... )
    >>> search(always_two, [ops.zeros((1, 1))], None, 3).tokens.numpy()
    array([[2, 0, 0]], dtype=int32)
    """

    def __call__(
        self, step, states, memory, max_length, source_mask=None, prefix=None
    ):
        batch = ops.shape(tree.flatten(states)[0])[0]
        limits, longest = row_limits(max_length, batch)
        request = make_request(source_mask, prefix)
        free = not self.rules and prefix is None

        def choose(logits, said, time):
            if not free:
                progress = self.progress(said, time, request, logits.shape[-1])
                allowed = self.allowed(progress, request)
                logits = ops.maximum(ops.cast(logits, "float32"), LEAST_LOGIT)
                logits = ops.where(allowed, logits, IMPOSSIBLE)
            # `top_k` where one would write `argmax`: LiteRT has it built in.
            # Padding, id 0, is no token: it is never said.
            _, tokens = ops.top_k(logits[:, 1:], k=1)
            return ops.cast(ops.squeeze(tokens, 1), "int32") + 1

        return one_by_one(
            step,
            states,
            memory,
            limits,
            longest,
            self.start_token,
            choose,
            self.end_token,
        )
