"""A model's loss, taken apart and handed to attention that learns from it."""

import gc

import keras
import numpy as np
import pytest

import keras_attention as ka
from keras_attention import normalizers, reward_mixin
from keras_attention.step_losses import InseparableLoss
from pipelines.training.losses import SmoothedCrossentropy
from tests.backends import needs_compiler, needs_values_in_training
from tests.tensors import numpy, randomize

BATCH, TARGET, SOURCE, CLASSES = 2, 3, 5, 7
WEIGHTS = np.array([[1.0, 0.5, 0.25], [2.0, 0.0, 0.0]], "float32")
MASK = np.array([[True, True, False], [True, False, False]])
SPARSE = keras.losses.SparseCategoricalCrossentropy


class Spy(normalizers.Reinforce):
    """Remembers what it was told, of eager calls."""

    def __init__(self, **kwargs):
        needs_values_in_training()
        super().__init__(**kwargs)
        self.told = []

    def auxiliary_loss(self, notes, losses, weights):
        self.told.append((numpy(notes), numpy(losses), numpy(weights)))
        return super().auxiliary_loss(notes, losses, weights)


@keras.saving.register_keras_serializable("test_reward")
class FromInputs(ka.RewardMixin, keras.Model):
    """Made from inputs and outputs."""


@keras.saving.register_keras_serializable("test_reward")
class WithCall(ka.RewardMixin, keras.Model):
    """Has a `call` of its own."""

    def __init__(self, estimator=None, **kwargs):
        super().__init__(**kwargs)
        estimator = estimator or normalizers.Reinforce(seed=0)
        self.attention = ka.HardAttention(estimator, score="general")
        self.dense = keras.layers.Dense(CLASSES)

    def call(self, inputs, training=False):
        return self.dense(self.attention(inputs, training=training))


def from_inputs(estimator=None):
    query, value = keras.Input((None, 7)), keras.Input((None, 11))
    estimator = estimator or normalizers.Reinforce(seed=0)
    attention = ka.HardAttention(estimator, score="general")
    outputs = keras.layers.Dense(CLASSES)(attention([query, value]))
    return FromInputs([query, value], outputs)


def examples(number=BATCH, seed=0):
    rng = np.random.default_rng(seed)
    inputs = [
        rng.normal(size=(number, TARGET, 7)).astype("float32"),
        rng.normal(size=(number, SOURCE, 11)).astype("float32"),
    ]
    return inputs, rng.integers(0, CLASSES, (number, TARGET))


BOTH = pytest.mark.parametrize("make", [from_inputs, WithCall])


class TestMixIn:
    @BOTH
    @pytest.mark.parametrize("jit_compile", [False, True], ids=["", "xla"])
    def test_fit(self, make, jit_compile, tmp_path):
        needs_compiler(jit_compile)
        model = make()
        model.compile("adam", SPARSE(from_logits=True), jit_compile=jit_compile)
        inputs, labels = examples(32)
        losses = model.fit(inputs, labels, epochs=3, verbose=0).history["loss"]
        assert np.isfinite(losses).all()
        attention = next(
            one for one in model.layers if isinstance(one, ka.HardAttention)
        )
        # Between the losses of the first and of the last step.
        baseline = float(attention.estimator.baseline)
        assert 0.9 * min(losses) * 0.271 < baseline < 1.1 * max(losses) * 0.271
        assert not reward_mixin._pending()
        model.save(tmp_path / "m.keras")
        again = keras.saving.load_model(tmp_path / "m.keras")
        assert type(again) is type(model)
        np.testing.assert_array_equal(
            again.predict(inputs, verbose=0), model.predict(inputs, verbose=0)
        )
        again.fit(inputs, labels, verbose=0)

    @BOTH
    def test_what_an_estimator_is_told(self, make):
        """Without `reward_to_go` all of an example comes after every step."""
        estimator = Spy()
        model = make(estimator)
        model.compile("sgd", SPARSE(from_logits=True), run_eagerly=True)
        inputs, labels = examples()
        model.fit(
            inputs, labels, sample_weight=WEIGHTS, shuffle=False, verbose=0
        )
        ((notes, losses, weights),) = estimator.told
        assert notes.shape == (BATCH, TARGET, 2)
        np.testing.assert_array_equal(weights[:, :-1], 0.0)
        np.testing.assert_allclose(weights[:, -1], WEIGHTS.sum(1) / 6)
        assert (losses == losses[:, :1]).all()

        estimator.told.clear()
        type(model).reward_to_go = True
        try:
            model.fit(
                inputs, labels, sample_weight=WEIGHTS, shuffle=False, verbose=0
            )
        finally:
            del type(model).reward_to_go
        ((_, losses, weights),) = estimator.told
        np.testing.assert_allclose(weights, WEIGHTS / 6)
        assert losses.std(axis=1).min() > 0

    @BOTH
    def test_evaluation_is_left_alone(self, make):
        model = make()
        inputs, labels = examples(32)
        model.compile("sgd", SPARSE(from_logits=True))
        first = model.evaluate(inputs, labels, verbose=0)
        expected = SPARSE(from_logits=True)(labels, model(inputs))
        np.testing.assert_allclose(first, numpy(expected), rtol=1e-5)
        assert not reward_mixin._pending()

    def test_the_loss_that_fit_shows(self):
        """That of the model: the surrogate has a gradient and no value."""
        estimator = normalizers.Reinforce(entropy_weight=0, seed=0)
        model = from_inputs(estimator)
        inputs, labels = examples(32)
        model.compile("sgd", SPARSE(from_logits=True))
        outputs = model(inputs, training=True)
        total = model.compute_loss(inputs, labels, outputs)
        expected = SPARSE(from_logits=True)(labels, outputs)
        np.testing.assert_allclose(numpy(total), numpy(expected), rtol=1e-6)

    def test_nothing_is_kept_of_a_call_without_a_loss(self):
        model = from_inputs()
        model.compile("sgd", "mse")
        inputs, _ = examples()
        model(inputs, training=True)
        assert len(reward_mixin._pending()) == 1
        model(inputs)
        assert not reward_mixin._pending()
        model(inputs, training=True)
        del model
        gc.collect()
        assert not reward_mixin._pending()

    def test_a_model_inside_another(self):
        estimator = Spy()
        inner = from_inputs(estimator)
        inner.compile("sgd", "mse")
        query, value = keras.Input((TARGET, 7)), keras.Input((SOURCE, 11))
        outer = FromInputs([query, value], inner([query, value]))
        outer.compile("sgd", SPARSE(from_logits=True), run_eagerly=True)
        outer.fit(*examples(), verbose=0)
        assert len(estimator.told) == 1
        assert not reward_mixin._pending()

    def test_losses_of_its_own(self):
        estimator = Spy()

        class Unusual(FromInputs):
            reward_to_go = True

            def step_losses(self, x, y, y_pred, sample_weight):
                return keras.ops.ones((BATCH, TARGET)), WEIGHTS

        plain = from_inputs(estimator)
        model = Unusual(plain.inputs, plain.outputs)
        model.compile(
            "sgd",
            lambda y, y_pred: keras.ops.mean(y_pred),
            run_eagerly=True,
        )
        model.fit(*examples(), verbose=0)
        ((_, losses, weights),) = estimator.told
        np.testing.assert_array_equal(losses, 1.0)
        np.testing.assert_allclose(weights, WEIGHTS)

    def test_a_loss_that_cannot_be_taken_apart(self):
        model = from_inputs()
        model.compile("sgd", lambda y, y_pred: keras.ops.mean(y_pred))
        with pytest.raises(InseparableLoss, match="one number for a whole"):
            model.fit(*examples(), verbose=0)

    def test_a_piece_that_needs_no_reward(self):
        """Is given the weights, and even ones where there are none."""

        class Counted(normalizers.Softmax):
            num_notes = 1
            told = []

            def notes(self, scores, allowed, past, alignments):
                return alignments[..., :1]

            def auxiliary_loss(self, notes, losses, weights):
                self.told.append(numpy(weights))
                return keras.ops.sum(notes[..., 0] * weights)

        query, value = keras.Input((None, 7)), keras.Input((None, 11))
        attention = ka.Attention("general", normalizer=Counted())
        outputs = keras.layers.Dense(CLASSES)(attention([query, value]))
        model = FromInputs([query, value], outputs)
        inputs, labels = examples()
        model.compile("sgd", SPARSE(from_logits=True), run_eagerly=True)
        model.fit(
            inputs, labels, sample_weight=WEIGHTS, shuffle=False, verbose=0
        )
        model.compile(
            "sgd",
            lambda y, y_pred: keras.ops.mean(y_pred),
            run_eagerly=True,
        )
        model.fit(inputs, labels, verbose=0)
        weighted, even = Counted.told
        np.testing.assert_allclose(weighted, WEIGHTS / 6)
        np.testing.assert_allclose(even, 1 / 6)

    def test_without_the_mix_in(self):
        def make():
            made = from_inputs()
            model = keras.Model(made.inputs, made.outputs)
            model.compile("sgd", SPARSE(from_logits=True))
            return model

        with pytest.raises(ValueError, match=r"keras_attention\.RewardMixin"):
            make().fit(*examples(), verbose=0)
        # At inference nobody needs to know.
        assert make().evaluate(*examples(), verbose=0) > 0

    def test_before_it_is_compiled(self):
        with pytest.raises(ValueError, match="compile it with a loss"):
            from_inputs()(examples()[0], training=True)


@pytest.mark.parametrize("attend", ["before", "after"])
def test_an_encoder_decoder_with_sample_weights(attend):
    """Labels, weights and loss as the text pipeline has them."""
    estimator = Spy(seed=0)
    model = ka.EncoderDecoder(
        encoder=ka.RecurrentEncoder(5, cell="gru"),
        decoder=ka.AttentionRNN(
            ka.AttentionCell(
                keras.layers.GRUCell(7),
                ka.HardAttention(estimator),
                attend=attend,
            )
        ),
        source_embedding=keras.layers.Embedding(11, 3, mask_zero=True),
        target_embedding=keras.layers.Embedding(CLASSES, 3),
        output_layer=keras.layers.Dense(CLASSES),
    )
    model.compile(
        "sgd",
        SmoothedCrossentropy(0.1),
        weighted_metrics=["accuracy"],
        run_eagerly=True,
    )
    rng = np.random.default_rng(0)
    inputs = {
        "source": rng.integers(0, 11, (BATCH, SOURCE)),
        "target": rng.integers(0, CLASSES, (BATCH, TARGET)),
    }
    labels = rng.integers(0, CLASSES, (BATCH, TARGET))
    weights = MASK.astype("float32")
    shown = model.fit(
        inputs, labels, sample_weight=weights, shuffle=False, verbose=0
    )
    ((notes, losses, told),) = estimator.told
    np.testing.assert_allclose(told, weights / weights.sum(), rtol=1e-6)
    entropy = 0.01 * np.sum(told * notes[..., 1])
    np.testing.assert_allclose(
        shown.history["loss"][0], np.sum(losses * told) - entropy, rtol=1e-5
    )


def test_half_precision_and_several_attentions():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        query, value = keras.Input((None, 7)), keras.Input((None, 11))
        contexts = [
            ka.HardAttention(normalizers.Reinforce(seed=seed))([query, value])
            for seed in range(2)
        ]
        outputs = keras.layers.Dense(CLASSES, dtype="float32")(
            keras.layers.Concatenate()(contexts)
        )
        model = randomize(FromInputs([query, value], outputs))
    finally:
        keras.config.set_dtype_policy(before)
    model.compile(keras.optimizers.Adam(0.01), SPARSE(from_logits=True))
    losses = model.fit(*examples(32), epochs=9, verbose=0).history["loss"]
    assert np.isfinite(losses).all()
    assert min(losses[1:]) < losses[0]
