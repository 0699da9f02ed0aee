"""`EncoderDecoder`: the whole model, over any kind of input and output."""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
from keras import ops, tree

from keras_attention import functional, marginal
from keras_attention.attention_inputs import check_dropout, takes_mask
from keras_attention.attention_rnn import AttentionRNN
from keras_attention.bridge import Bridge
from keras_attention.encoders import SequenceDropout
from keras_attention.memories import check_memory_mask
from keras_attention.model_inputs import check_inputs, known_shape
from keras_attention.piece import PACKAGE
from keras_attention.private_keras import carried_mask
from keras_attention.registry import is_number
from keras_attention.reward_mixin import RewardMixin
from keras_attention.scheduled_sampling import ScheduledSampling
from keras_attention.tied_output import TiedOutput, check_widths

TIED = "tied"
# In a config: the target's embedding is the source's.
SHARED = "source_embedding"


class Memory(NamedTuple):
    """What a decoder looks at: computed once per source.

    Attributes:
        value: `(batch, source_len, memory_dim)`, the encoder's outputs, or a
            grid `(batch, height, width, channels)`.
        keys: `(batch, source_len, units)`, projected once, or `None`; of a
            grid flat, `source_len = height * width`.
        mask: boolean `(batch, source_len)`, `True` = attend, or `None`; of a
            grid `(batch, height, width)`.
    """

    value: Any
    keys: Any
    mask: Any


@keras.saving.register_keras_serializable(package=PACKAGE)
class EncoderDecoder(RewardMixin, keras.Model):
    """A recurrent encoder-decoder with attention, or without.

    `source -> source_embedding -> encoder -> memory, states`;
    `states -> bridge -> the decoder's first states`;
    `target -> target_embedding -> decoder(memory) -> output_layer`.

    Nothing in it assumes text: an embedding is any layer (`None` passes
    floats through), an encoder any layer that returns `(memory, states)`, and
    the output layer may give logits or floats. Train it with teacher forcing
    through plain `compile` and `fit`; decode with `encode` and `decode_step`,
    over which `keras_attention.search` runs.

    It supplies its loss to hard attention that learns from it (see
    `RewardMixin`), and with the estimator `"marginal"` its outputs in training
    are log-probabilities, summed over all positions (see
    `keras_attention.marginal`); take a loss with `from_logits=True`.

    Args:
        encoder: a layer or a model that returns `(memory, states)`, such as
            `RecurrentEncoder`. One of images may be any functional model with
            a grid of features and a list of states, such as the mean of the
            features (Xu et al. 2015, section 3.1.2). Its `call` is given the
            mask of what it reads if it takes one; an encoder that shortens
            what it reads says so in its `compute_mask`.
        decoder: an `AttentionRNN`.
        source_embedding: a layer or a model applied to the source first, or
            `None`. One with `mask_zero=True` in it makes the mask of the
            source.
        target_embedding: a layer applied to the decoder's inputs, or `None`.
            Its mask does not reach the loss: say by `sample_weight`, or the
            loss's `ignore_class`, which labels are padding.
        output_layer: a layer applied to the decoder's outputs, or `None`;
            `"tied"` makes logits with the table of `target_embedding` (see
            `TiedOutput`), whose width the outputs must have. For the searches
            it must make logits, no probabilities: leave out a softmax, and
            compile with a loss with `from_logits=True`.
        bridge: a layer from the list of encoder states to the list of
            decoder states; `None` makes a `Bridge`.
        dropout: share dropped in training, in `[0, 1)`, from the embedded
            source and target, the memory and the decoder's outputs: one mask
            for all positions (Gal and Ghahramani 2016). What has no embedding
            is left whole.
        scheduled_sampling: how often the decoder reads, in training, what the
            model says itself: a `ScheduledSampling`, or its rate in `[0, 1]`;
            `None`: never. For targets of ids and outputs that are logits.
        **kwargs: as in `keras.Model` (`name`, `dtype`, ...).

    Call arguments:
        inputs: `{"source": (batch, source_len, ...), "target": (batch,
            target_len, ...)}`; the target is the decoder's input, one step
            behind what it is to say. `"source_mask"`, boolean `(batch,
            source_len)` (of images `(batch, height, width)`), is optional.
        training: whether dropout is on.
        return_attention_scores: also return the alignments.

    Returns:
        Outputs `(batch, target_len, output_dim)`; with
        `return_attention_scores`, a pair of them and the alignments
        `(batch, target_len, source_len)` (over a grid `(batch, target_len,
        height, width)`; a list if the cell's `attention` is one).

    Raises:
        ValueError: if the decoder is not an `AttentionRNN`, or does not allow
            for the estimator `"marginal"`.

    Example:

    >>> model = keras_attention.EncoderDecoder(
    ...     encoder=keras_attention.RecurrentEncoder(7),
    ...     decoder=keras_attention.AttentionRNN(
    ...         keras_attention.AttentionCell(
    ...             keras.layers.LSTMCell(13),
    ...             keras_attention.AdditiveAttention(11),
    ...         )
    ...     ),
    ...     source_embedding=keras.layers.Embedding(17, 5, mask_zero=True),
    ...     target_embedding=keras.layers.Embedding(19, 5),
    ...     output_layer=keras.layers.Dense(19),
    ... )
    >>> logits = model(
    ...     {
    ...         "source": ops.ones((2, 5), "int32"),
    ...         "target": ops.ones((2, 3), "int32"),
    ...     }
    ... )
    >>> logits.shape
    TensorShape([2, 3, 19])
    """

    # The loss of a step depends on no position that is chosen later.
    reward_to_go = True

    def __init__(
        self,
        encoder,
        decoder,
        source_embedding=None,
        target_embedding=None,
        output_layer=None,
        bridge=None,
        dropout=0.0,
        scheduled_sampling=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if not isinstance(decoder, AttentionRNN):
            raise ValueError(
                "`decoder` must be an AttentionRNN, which runs an "
                f"AttentionCell. Received: decoder={decoder!r}."
            )
        if not callable(encoder):
            raise ValueError(
                "`encoder` must be a layer that returns (memory, states), "
                "such as keras_attention.RecurrentEncoder(256). Received: "
                f"encoder={encoder!r}."
            )
        check_dropout(dropout)
        if output_layer == TIED:
            if not isinstance(target_embedding, keras.layers.Embedding):
                raise ValueError(
                    f'`output_layer="{TIED}"` needs a keras.layers.Embedding '
                    "as the `target_embedding`. Received: target_embedding="
                    f"{target_embedding!r}."
                )
            check_widths(decoder.cell.output_size, target_embedding.output_dim)
            output_layer = TiedOutput(name="output", dtype=self.dtype_policy)
        if marginal.is_marginal(decoder.cell):
            marginal.check(decoder.cell, output_layer)
        self.encoder = encoder
        self.decoder = decoder
        self.source_embedding = source_embedding
        self.target_embedding = target_embedding
        self.output_layer = output_layer
        self.bridge = (
            Bridge(decoder.cell.cell_state_size, dtype=self.dtype_policy)
            if bridge is None
            else bridge
        )
        self.dropout = dropout
        self.dropout_layers = [
            SequenceDropout(dropout, dtype=self.dtype_policy) for _ in range(4)
        ]
        if is_number(scheduled_sampling):
            scheduled_sampling = ScheduledSampling(scheduled_sampling)
        if scheduled_sampling is not None and not scheduled_sampling.built:
            scheduled_sampling.build()
        self.scheduled_sampling = scheduled_sampling

    def call(self, inputs, training=False, return_attention_scores=False):
        check_inputs(inputs)
        memory, states = self._encode(
            inputs["source"], inputs.get("source_mask"), training
        )
        target = inputs["target"]
        if training and self.scheduled_sampling is not None:
            target = self._partly_said(target, memory, states)
        target = _embed(self.target_embedding, target)
        if self.target_embedding is not None:
            target = self.dropout_layers[2](target, training=training)
        # What the embedding of the target calls padding is for the loss.
        outputs, alignments = self._decode(
            target,
            memory,
            states,
            training,
            return_attention_scores,
        )
        if return_attention_scores:
            return outputs, alignments
        return outputs

    def encode(self, source, source_mask=None, training=False):
        """Reads a source.

        Args:
            source: `(batch, source_len)` ids, or `(batch, source_len, dim)`,
                or images `(batch, height, width, channels)`.
            source_mask: boolean, the shape of the source without `dim`, or
                `None`: the mask that the embedding makes, or that Keras
                carries with the source.
            training: whether dropout is on.

        Returns:
            `(memory, states)`: a `Memory` and the decoder's first states, a
            list of `(batch, width)`.
        """
        if not self.decoder.built:
            raise ValueError(
                f"{type(self).__name__} has no weights yet. Call it on a "
                "batch, fit it or load it before `encode`."
            )
        memory, states = self._encode(source, source_mask, training)
        value, mask = memory
        cell = self.decoder.cell
        return (
            Memory(value, cell.project_keys(value), mask),
            self.decoder.full_state(states, ops.shape(value)[0], value),
        )

    def decode_step(self, inputs, states, memory):
        """Says what comes next: one step of the decoder.

        Args:
            inputs: `(batch,)` ids, or `(batch, dim)` floats.
            states: as `encode` or the step before returned them.
            memory: as `encode` returned it.

        Returns:
            `(outputs, states, alignments)`: `(batch, output_dim)`, the next
            states, and `(batch, source_len)` or `None` without attention
            (of several attentions, the mean). Over a grid they are flat, as
            a search keeps them; `functional.unflatten_grid(alignments,
            memory.value.shape[1:3])` gives the grid back.
        """
        # An embedding sees a sequence of length one, as in training.
        inputs = _embed(self.target_embedding, ops.expand_dims(inputs, 1))
        cell = self.decoder.cell
        inputs = ops.cast(ops.squeeze(inputs, 1), cell.compute_dtype)
        output, step = cell.step(
            cell.project_inputs(inputs),
            states,
            cell.memories(*memory),
            training=False,
        )
        output = self._output(output)
        alignments = None
        if step.alignments:
            alignments = sum(step.alignments) / len(step.alignments)
        return output, step.states, alignments

    def _encode(self, source, source_mask, training):
        drop_source, drop_memory = self.dropout_layers[:2]
        embedded = _embed(self.source_embedding, source)
        mask = source_mask
        if mask is None and self.source_embedding is not None:
            mask = self.source_embedding.compute_mask(source, None)
        if mask is None:
            # That of a model that embeds, or of a source without embedding.
            mask = carried_mask(embedded)
        if self.source_embedding is not None:
            embedded = drop_source(embedded, training=training)
        options = {}
        if mask is not None:
            mask = ops.cast(mask, "bool")
            options = {"mask": mask} if takes_mask(self.encoder) else {}
        value, states = self.encoder(embedded, training=training, **options)
        if mask is None:
            # That of an encoder that embeds, and carries it to its outputs.
            mask = carried_mask(value)
        else:
            # The memory may be shorter than the source. Where an encoder has
            # masks for all its outputs, the memory's comes first.
            mask = tree.flatten(self.encoder.compute_mask(embedded, mask))[0]
            check_memory_mask(value, mask)
        value = functional.zero_masked(
            drop_memory(value, training=training), mask
        )
        return (value, mask), self.bridge(states)

    def _partly_said(self, target, memory, states):
        """Returns the target with some of the model's own words."""
        dtype = keras.backend.standardize_dtype(target.dtype)
        if len(target.shape) != 2 or "int" not in dtype:
            raise ValueError(
                "`scheduled_sampling` needs a target of integer ids, (batch, "
                f"target_len). Received: a target of shape "
                f"{tuple(target.shape)} and dtype {dtype}."
            )
        logits, _ = self._decode(
            _embed(self.target_embedding, target), memory, states, False, False
        )
        return self.scheduled_sampling(
            target, ops.stop_gradient(logits), training=True
        )

    def _decode(self, target, memory, states, training, with_alignments):
        """Returns `(outputs, alignments or None)`."""
        value, mask = memory
        target = ops.cast(target, self.decoder.cell.compute_dtype)
        if not self.decoder.built:
            self.decoder.build(
                known_shape(target.shape), known_shape(value.shape)
            )

        def output_of(decoded):
            decoded = self.dropout_layers[3](decoded, training=training)
            return self._output(decoded)

        if training and marginal.is_marginal(self.decoder.cell):
            return marginal.log_likelihoods(
                self.decoder, target, value, states, mask, output_of
            )
        decoded, alignments, _ = self.decoder.run(
            target, value, states, mask, training, with_alignments
        )
        return output_of(decoded), alignments

    def _output(self, decoded):
        if self.output_layer is None:
            return decoded
        if isinstance(self.output_layer, TiedOutput):
            table = ops.convert_to_tensor(self.target_embedding.embeddings)
            return self.output_layer(decoded, table)
        return self.output_layer(decoded)

    def compute_mask(self, inputs, previous_mask=None):
        # The source's padding ends here; the target's is for the loss.
        return None

    def get_config(self):
        parts = {
            name: getattr(self, name)
            for name in (
                "encoder",
                "decoder",
                "source_embedding",
                "target_embedding",
                "output_layer",
                "bridge",
                "scheduled_sampling",
            )
        }
        if isinstance(self.output_layer, TiedOutput):
            parts["output_layer"] = TIED
        if self.source_embedding is self.target_embedding is not None:
            # One layer, not two alike.
            parts["target_embedding"] = SHARED
        return {
            **super().get_config(),
            **{
                name: part and keras.saving.serialize_keras_object(part)
                for name, part in parts.items()
            },
            "dropout": self.dropout,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = {
            name: keras.saving.deserialize_keras_object(
                value, custom_objects=custom_objects
            )
            if isinstance(value, dict)
            else value
            for name, value in config.items()
        }
        if config.get("target_embedding") == SHARED:
            config["target_embedding"] = config["source_embedding"]
        return cls(**config)


def _embed(embedding, inputs):
    return inputs if embedding is None else embedding(inputs)
