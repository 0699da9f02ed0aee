"""Attention layers."""

import dataclasses
from typing import Any

import keras_attention as ka
from tests.cases.case import MEMORY, QUERY, UNITS, AttentionCase
from tests.cases.pieces import EQUAL_WIDTHS

# Not all rows that see something sum to one.
LEAKY = {"local_p", "monotonic"}
# What they look at is a choice, or drawn.
JUMPY = {"gumbel", "hardmax", "marginal", "reinforce", "straight_through"}
NEED_REWARD = {"reinforce"}
# They train in an `EncoderDecoder` only.
NEED_DECODER = {"marginal"}


@dataclasses.dataclass(frozen=True)
class Named:
    """An attention layer and the names of its pieces."""

    layer_class: Any
    arguments: dict
    score: str = "dot"
    window: str = "global"
    normalizer: str = "softmax"
    quick: bool = True
    representative: bool = False

    @property
    def name(self):
        """A name for pytest: `Attention-score=dot-normalizer=softmax`."""
        parts = [f"{name}={value}" for name, value in self.arguments.items()]
        return "-".join([self.layer_class.__name__, *parts])

    @property
    def case(self):
        pieces = {self.score, self.window, self.normalizer}
        return AttentionCase(
            self.name,
            lambda: self.layer_class(**self.arguments),
            target_dim=MEMORY if self.score in EQUAL_WIDTHS else QUERY,
            quick=self.quick,
            representative=self.representative,
            # Each piece once.
            compiled=self.layer_class is ka.Attention or self.representative,
            sums_to_one=not pieces & LEAKY,
            jumps=bool(pieces & JUMPY),
            needs_reward=bool(pieces & NEED_REWARD),
            trains_alone=not pieces & NEED_DECODER,
        )


def put_together(quick=True, **pieces):
    return Named(ka.Attention, pieces, quick=quick, **pieces)


NAMED_ATTENTIONS = [
    Named(
        ka.AdditiveAttention, {"units": UNITS}, "additive", representative=True
    ),
    Named(ka.AdditiveAttention, {"use_bias": True}, "additive"),
    Named(ka.LuongAttention, {"score": "dot"}, "dot"),
    Named(ka.LuongAttention, {"score": "scaled_dot"}, "scaled_dot"),
    Named(
        ka.LuongAttention, {"score": "general"}, "general", representative=True
    ),
    Named(ka.LuongAttention, {"score": "concat", "units": UNITS}, "concat"),
    Named(ka.LuongAttention, {"window": "local_m"}, "general", "local_m"),
    Named(ka.LuongAttention, {"window": "local_p"}, "general", "local_p"),
    Named(
        ka.HardAttention,
        {},
        "additive",
        normalizer="straight_through",
        representative=True,
    ),
    Named(ka.HardAttention, {"score": "dot"}, normalizer="straight_through"),
    *(
        Named(
            ka.HardAttention,
            {"estimator": estimator},
            "additive",
            normalizer=estimator,
        )
        for estimator in ("gumbel", "marginal", "reinforce")
    ),
    # Every score once, every window once, every normaliser once.
    put_together(score="additive", quick=False),
    put_together(score="concat", quick=False),
    put_together(score="dot"),
    put_together(score="general", quick=False),
    put_together(score="scaled_dot"),
    put_together(score="coverage"),
    put_together(score="location", quick=False),
    put_together(score="location_sensitive"),
    put_together(score="normalized_additive", quick=False),
    put_together(score="scaled_general", quick=False),
    put_together(score="dot", window="causal"),
    put_together(score="dot", window="local_m", quick=False),
    put_together(score="additive", window="local_p", quick=False),
    put_together(score="general", window="global", quick=False),
    put_together(score="dot", normalizer="hardmax"),
    put_together(score="additive", normalizer="monotonic"),
    put_together(score="dot", normalizer="monotonic", quick=False),
    put_together(score="general", normalizer="softmax", quick=False),
    put_together(score="general", normalizer="sparsemax"),
    *(
        put_together(score="dot", normalizer=estimator, quick=False)
        for estimator in (
            "gumbel",
            "marginal",
            "reinforce",
            "straight_through",
        )
    ),
]
ATTENTIONS = [named.case for named in NAMED_ATTENTIONS]
