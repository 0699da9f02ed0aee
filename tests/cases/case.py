"""`Case`: a tiny layer to try, and what to try it on."""

import dataclasses
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

import keras_attention as ka
from keras_attention import auxiliary_losses
from tests.tensors import randomize

# Every axis has a prime number of its own, so that a transposed or mixed-up
# axis cannot pass.
BATCH, TARGET, SOURCE = 2, 3, 5
QUERY, MEMORY, UNITS = 7, 11, 13
HIDDEN, VECTOR = 17, 19
SOURCE_VOCABULARY, VOCABULARY = 29, 23


@keras.saving.register_keras_serializable(package="tests")
class RewardedModel(ka.RewardMixin, keras.Model):
    """A functional model whose parts may learn from a reward."""


@dataclasses.dataclass(frozen=True)
class Case:
    """A layer to try.

    Attributes:
        name: shown by pytest.
        make: makes the layer anew, unbuilt.
        target_dim, source_dim: widths of what it is called on; `None`: token
            ids.
        has_alignments: whether it says where it looked.
        quick: in the sweeps of the quick set; the others are marked slow.
        representative: also part of the sweeps that compile.
        compiled: also in the sweep that trains with XLA, which takes long.
        sums_to_one: whether a row of alignments that sees anything does.
        jumps: whether its loss jumps up and down in training, as that of a
            choice or of random draws does.
        needs_reward: whether it trains in a model that rewards only.
        trains_alone: whether it trains outside an `EncoderDecoder`.
    """

    name: str
    make: Callable[[], Any]
    target_dim: int | None = QUERY
    source_dim: int | None = MEMORY
    has_alignments: bool = True
    quick: bool = True
    representative: bool = False
    compiled: bool = True
    sums_to_one: bool = True
    jumps: bool = False
    needs_reward: bool = False
    trains_alone: bool = True

    def data(self, seed=0, source_len=SOURCE, target_len=TARGET, batch=BATCH):
        """Returns `(target, source)`, floats or ids above the special ones."""
        rng = np.random.default_rng(seed)

        def draw(length, dim, vocabulary):
            if dim is None:
                shape = (batch, length)
                return rng.integers(4, vocabulary, shape).astype("int32")
            return rng.normal(size=(batch, length, dim)).astype("float32")

        return (
            draw(target_len, self.target_dim, VOCABULARY),
            draw(source_len, self.source_dim, SOURCE_VOCABULARY),
        )

    def call(self, layer, target, source, mask=None, **options):
        """Returns `(outputs, alignments or None)`."""
        if not (self.needs_reward and options.get("training")):
            return self.run(layer, target, source, mask, **options)
        # What a model that rewards would do.
        with auxiliary_losses.collecting():
            return self.run(layer, target, source, mask, **options)

    def run(self, layer, target, source, mask, **options):
        """Calls the layer as its class wants it, for `call`."""
        raise NotImplementedError

    def built(self, seed=0):
        """Returns the layer, built and with random weights."""
        layer = self.make()
        self.call(layer, *self.data())
        return randomize(layer, seed)

    def functional(self, layer=None, with_mask=True):
        """Returns a functional model: `[target, source, mask] -> outputs`."""

        def make_input(dim, name):
            if dim is None:
                return keras.Input((None,), dtype="int32", name=name)
            return keras.Input((None, dim), name=name)

        target = make_input(self.target_dim, "target")
        source = make_input(self.source_dim, "source")
        mask = keras.Input((None,), dtype="bool", name="mask")
        outputs, alignments = self.call(
            self.make() if layer is None else layer,
            target,
            source,
            mask if with_mask else None,
        )
        model = RewardedModel if self.needs_reward else keras.Model
        return model(
            [target, source, mask] if with_mask else [target, source],
            [outputs, alignments] if self.has_alignments else [outputs],
        )


class AttentionCase(Case):
    def run(self, layer, target, source, mask, **options):
        return layer(
            [target, source],
            mask=None if mask is None else [None, mask],
            return_attention_scores=True,
            **options,
        )


class DecoderCase(Case):
    def run(self, layer, target, source, mask, **options):
        results = layer(target, memory=source, memory_mask=mask, **options)
        return results if self.has_alignments else (results, None)


class EncoderCase(Case):
    """Reads the source only; the memory is its output."""

    def run(self, layer, target, source, mask, **options):
        del target
        return layer(source, mask=mask, **options)[0], None


class ModelCase(Case):
    def run(self, layer, target, source, mask, **options):
        inputs = {"source": source, "target": target}
        if mask is not None:
            inputs["source_mask"] = mask
        results = layer(
            inputs, return_attention_scores=self.has_alignments, **options
        )
        return results if self.has_alignments else (results, None)
