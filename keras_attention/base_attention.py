"""`BaseAttention`: what every attention layer shares."""

from __future__ import annotations

import keras
from keras import ops

from keras_attention import (
    auxiliary_losses,
    functional,
    normalizers,
    scores,
    windows,
)
from keras_attention.attend_in_turn import attend_in_turn
from keras_attention.attention_inputs import (
    check_dropout,
    check_mask,
    grid_of,
    refuse_keras_arguments,
    split_inputs,
)
from keras_attention.look import Look
from keras_attention.past import FIELDS, RECURRENT, Past
from keras_attention.registry import check_seed

# Keeps the seed of dropout apart from others of the same number.
DROPOUT_SEED = 1_000_003


class BaseAttention(keras.layers.Layer):
    """A score, a window and a normaliser; see `Attention` for the arguments.

    A subclass hands its pieces to `__init__` and adds its own arguments to
    `get_config`.
    """

    def __init__(
        self,
        score,
        window="global",
        normalizer="softmax",
        dropout=0.0,
        seed=None,
        **kwargs,
    ):
        refuse_keras_arguments(self.name_for_errors, score, kwargs)
        super().__init__(**kwargs)
        check_dropout(dropout)
        check_seed(seed)
        self.score = scores.get(score)
        self.window = windows.get(window)
        self.normalizer = normalizers.get(normalizer)
        for piece in self.pieces:
            # They compute in this layer's dtype, whichever way they came.
            piece.dtype_policy = self.dtype_policy
        self.dropout = dropout
        self.seed = seed
        # A normaliser of the same seed must not draw the same numbers.
        own_seed = None if seed is None else (seed + DROPOUT_SEED) % 2**32
        self.seed_generator = (
            keras.random.SeedGenerator(own_seed) if dropout else None
        )
        self.supports_masking = True

    @property
    def pieces(self):
        """The score, the window and the normaliser."""
        return self.score, self.window, self.normalizer

    @property
    def remembers(self):
        """The fields of `Past` that the pieces want, a tuple of names."""
        wanted = {name for piece in self.pieces for name in piece.remembers}
        return tuple(name for name in FIELDS if name in wanted)

    @property
    def is_recurrent(self):
        """Whether a query needs the alignments of the query before it."""
        return any(name in RECURRENT for name in self.remembers)

    @property
    def num_notes(self):
        """How many numbers are noted at every step in training."""
        return sum(piece.num_notes for piece in self.pieces)

    def build(self, input_shape):
        query_shape, value_shape, key_shape = split_inputs(
            self.name_for_errors, input_shape, are_shapes=True
        )
        del value_shape
        # A grid is read as a sequence.
        key_shape = (key_shape[0], None, key_shape[-1])
        for piece, shapes in (
            (self.score, (query_shape, key_shape)),
            (self.window, (query_shape,)),
            (self.normalizer, ((*query_shape[:2], None),)),
        ):
            if not piece.built:
                piece.build(*shapes)
        self.built = True

    def project_keys(self, key):
        """Returns what `attend` wants as `keys`; once per sequence.

        Args:
            key: `(batch, source_len, key_dim)`, finite everywhere.
        """
        return self.score.project_keys(key)

    def first_past(self, batch_size, source_len):
        """Returns the `Past` before the first step.

        Args:
            batch_size, source_len: integers or scalar tensors.
        """
        shape, dtype = (batch_size, source_len), self.compute_dtype
        make = {
            "alignments": lambda: self.normalizer.first_alignments(
                *shape, dtype
            ),
            # A sum of many small numbers: half precision would lose them.
            "accumulated": lambda: ops.zeros(
                shape, dtype=keras.backend.result_type(dtype, "float32")
            ),
            "step": lambda: ops.zeros((batch_size,), dtype="int32"),
        }
        return Past(**{name: make[name]() for name in self.remembers})

    def draw(self, shape, training=False):
        """Returns the random numbers of a whole sequence, drawn at once.

        A loop over time draws them first and hands a step its part.

        Args:
            shape: `(batch, target_len, source_len)`.
            training: whether there is anything to draw.

        Returns:
            A dictionary of float32 tensors of that shape; empty if there is
            nothing to draw.
        """
        noise = {}
        if training and self.seed_generator is not None:
            noise["dropout"] = keras.random.dropout(
                ops.ones(shape, dtype="float32"),
                self.dropout,
                seed=self.seed_generator,
            )
        drawn = self.normalizer.draw(shape, training)
        if drawn is not None:
            noise["normalizer"] = drawn
        return noise

    def attend(
        self,
        query,
        value,
        keys,
        mask=None,
        training=False,
        past=None,
        noise=None,
        padding_mask=None,
    ):
        """Looks at a memory whose keys were projected beforehand.

        Value and keys must be finite where the mask is off, too; the decoders
        put zeros there, once per sequence.

        Args:
            query: `(batch, target_len, query_dim)`.
            value: `(batch, source_len, value_dim)`.
            keys: what `project_keys` returned.
            mask: boolean, broadcastable to
                `(batch, target_len, source_len)`; `True` = attend.
            training: whether dropout is on.
            past: the `Past` that the call before returned; `None` at the
                start of a sequence.
            noise: what `draw` returned, or `None`: drawn here.
            padding_mask: boolean `(batch, source_len)`: where it is off, value
                and keys may hold anything. Only for a score that guards
                against it, and an attention that is not recurrent.

        Returns:
            A `Look`: context, alignments, past, notes.
        """
        batch, target_len = ops.shape(query)[0], ops.shape(query)[1]
        source_len = ops.shape(value)[1]
        if past is None:
            past = self.first_past(batch, source_len)
        if noise is None:
            noise = self.draw((batch, target_len, source_len), training)
        given = query, value, keys, mask, training, past, noise
        if self._takes_turns(query):
            return attend_in_turn(self, *given)
        return self._attend_at_once(*given, padding_mask)

    def _takes_turns(self, query):
        return self.is_recurrent and query.shape[1] not in (0, 1)

    def scored(
        self, query, keys, source_len, mask=None, past=None, padding_mask=None
    ):
        """Asks the score and the window, before anything is normalised.

        Args:
            query, keys, mask, past: as in `attend`.
            source_len: integer or scalar tensor.
            padding_mask: boolean `(batch, source_len)` where the keys' padding
                may hold anything; the score must guard against it.

        Returns:
            `(scores, allowed, weights)`: scores `(batch, target_len,
            source_len)`, the window's mask and its weights.
        """
        known = {"past": past} if self.score.remembers else {}
        if padding_mask is not None:
            known["padding_mask"] = padding_mask
        scores = self.score(query, keys, **known)
        mask = functional.both(self.score.reach(source_len), mask)
        allowed, weights = self.window(
            query,
            source_len=source_len,
            allowed=mask,
            past=past if self.window.remembers else None,
        )
        return scores, allowed, weights

    def _attend_at_once(
        self,
        query,
        value,
        keys,
        mask,
        training,
        past,
        noise,
        padding_mask=None,
    ):
        scores, mask, weights = self.scored(
            query, keys, ops.shape(value)[1], mask, past, padding_mask
        )
        alignments = self.normalizer(
            scores,
            allowed=mask,
            past=past if self.normalizer.remembers else None,
            noise=noise.get("normalizer"),
            training=training,
        )
        if weights is not None:
            alignments = alignments * ops.cast(weights, alignments.dtype)
        kept = alignments
        if "dropout" in noise:
            kept = kept * ops.cast(noise["dropout"], kept.dtype)
        notes = None
        if training and self.num_notes:
            notes = ops.concatenate(
                [
                    ops.cast(
                        piece.notes(scores, mask, past, alignments),
                        alignments.dtype,
                    )
                    for piece in self.pieces
                    if piece.num_notes
                ],
                axis=-1,
            )
        if padding_mask is None:
            context = functional.weighted_sum(kept, value)
        else:
            context = functional.padded_weighted_sum(kept, value, padding_mask)
        return Look(
            context,
            alignments,
            past.following(alignments),
            notes,
        )

    def call(
        self,
        inputs,
        mask=None,
        training=False,
        return_attention_scores=False,
        use_causal_mask=False,
    ):
        # Integers would come back as integers: alignments of zero.
        query, value, key = (
            ops.cast(one, self.compute_dtype)
            for one in split_inputs(self.name_for_errors, inputs)
        )
        query_mask, value_mask = check_mask(
            self.name_for_errors, mask, query, value
        )
        grid = grid_of(value)
        value, key, value_mask = (
            functional.flatten_grid(value, 1),
            functional.flatten_grid(key, 1),
            functional.flatten_grid(value_mask, 0),
        )
        # What stands at masked positions may be infinite: it must not reach
        # a product, nor the gradient of one.
        query = functional.zero_masked(query, query_mask)
        guarded = {}
        if (
            value_mask is not None
            and self.score.guards_padding
            and not self._takes_turns(query)
        ):
            # No copy of the memory.
            guarded["padding_mask"] = value_mask
        elif key is value:
            key = value = functional.zero_masked(value, value_mask)
        else:
            value = functional.zero_masked(value, value_mask)
            key = functional.zero_masked(key, value_mask)
        keys = self.score.project_keys(key, **guarded)
        allowed = None
        if value_mask is not None:
            allowed = ops.expand_dims(value_mask, 1)
        if use_causal_mask:
            causal = functional.causal_mask(
                ops.shape(query)[1], ops.shape(value)[1]
            )
            allowed = functional.both(causal, allowed)
        look = self.attend(
            query, value, keys, allowed, training=training, **guarded
        )
        self.report(look.notes, query_mask)
        context = functional.zero_masked(look.context, query_mask)
        if not return_attention_scores:
            return context
        return context, functional.unflatten_grid(look.alignments, grid)

    def report(self, notes, mask=None):
        """Hands the notes of a whole sequence to whoever weighs them."""
        if notes is not None:
            auxiliary_losses.report(self, notes, mask)

    def split_notes(self, notes):
        """Returns `(piece, its part of the notes)` pairs."""
        pairs, start = [], 0
        for piece in self.pieces:
            if piece.num_notes:
                end = start + piece.num_notes
                pairs.append((piece, notes[..., start:end]))
                start = end
        return pairs

    def compute_mask(self, inputs, mask=None):
        query, value, _ = split_inputs(self.name_for_errors, inputs)
        return check_mask(self.name_for_errors, mask, query, value)[0]

    def compute_output_shape(self, input_shape):
        query_shape, value_shape, _ = split_inputs(
            self.name_for_errors, input_shape, are_shapes=True
        )
        return (*query_shape[:-1], value_shape[-1])

    def compute_output_spec(
        self,
        inputs,
        mask=None,
        training=False,
        return_attention_scores=False,
        use_causal_mask=False,
    ):
        del training, use_causal_mask
        query, value, _ = split_inputs(self.name_for_errors, inputs)
        check_mask(self.name_for_errors, mask, query, value)
        context = keras.KerasTensor(
            (*query.shape[:-1], value.shape[-1]), dtype=self.compute_dtype
        )
        if not return_attention_scores:
            return context
        return context, keras.KerasTensor(
            (*query.shape[:-1], *value.shape[1:-1]), dtype=self.compute_dtype
        )

    @property
    def name_for_errors(self):
        """The name of the class."""
        return type(self).__name__

    def get_config(self):
        return {
            **super().get_config(),
            "dropout": self.dropout,
            "seed": self.seed,
        }
