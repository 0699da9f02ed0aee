"""Decoders that hear themselves in training."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_attention as ka
from tests.cases.case import QUERY, SOURCE_VOCABULARY, VOCABULARY
from tests.cases.models import make_token_model
from tests.tensors import numpy

RNG = np.random.default_rng(3)
BATCH, SOURCE_LEN, TARGET_LEN = 3, 5, 6
IDS = {
    "source": RNG.integers(1, SOURCE_VOCABULARY, (BATCH, SOURCE_LEN)),
    "target": RNG.integers(1, VOCABULARY, (BATCH, TARGET_LEN)),
}


def make_model(**options):
    """A model that says something else than the target."""
    model = make_token_model()
    config = model.get_config()
    twin = ka.EncoderDecoder.from_config({**config, **options})
    model(IDS)
    twin(IDS)
    weights = [3.0 * numpy(one) for one in model.weights]
    model.set_weights(weights)
    for one, value in zip(
        [each for each in twin.weights if each.name != "num_batches"],
        weights,
        strict=True,
    ):
        one.assign(value)
    return model, twin


def test_at_rate_one_the_decoder_reads_its_own_words():
    plain, model = make_model(scheduled_sampling=1.0)
    said = numpy(plain(IDS)).argmax(axis=-1)
    heard = np.concatenate([IDS["target"][:, :1], said[:, :-1]], axis=1)
    assert (heard != IDS["target"]).mean() > 0.5
    np.testing.assert_allclose(
        numpy(model(IDS, training=True)),
        numpy(plain({**IDS, "target": heard})),
        atol=1e-5,
    )


@pytest.mark.parametrize("rate, training", [(0.0, True), (1.0, False)])
def test_nothing_is_replaced(rate, training):
    plain, model = make_model(scheduled_sampling=rate)
    np.testing.assert_allclose(
        numpy(model(IDS, training=training)), numpy(plain(IDS)), atol=1e-6
    )


def test_the_rate_is_the_share_that_is_replaced():
    layer = ka.ScheduledSampling(0.3, seed=5)
    target = ops.zeros((100, 101), "int32")
    logits = ops.one_hot(ops.ones((100, 101), "int32"), 4)
    heard = numpy(layer(target, logits, training=True))
    assert not heard[:, 0].any()
    # Four standard deviations of 10,000 draws.
    assert abs(heard[:, 1:].mean() - 0.3) < 4 * (0.3 * 0.7 / 10_000) ** 0.5
    # Drawn for each token, and anew for each batch.
    assert 0 < heard[:, 1:].mean(axis=1).std() < 0.1
    assert (numpy(layer(target, logits, training=True)) != heard).any()


def test_the_rate_grows_with_the_batches():
    layer = ka.ScheduledSampling(0.8, growing_steps=4)
    target, logits = ops.ones((2, 3), "int32"), ops.zeros((2, 3, 4))
    rates = []
    for _ in range(6):
        layer(target, logits)  # counts nothing
        rates.append(float(layer.current_rate()))
        layer(target, logits, training=True)
    np.testing.assert_allclose(rates, [0, 0.2, 0.4, 0.6, 0.8, 0.8], atol=1e-6)


def test_the_gradient_goes_through_the_second_pass_only():
    def losses(model):
        return ops.mean(ops.square(model(IDS, training=True)))

    plain, model = make_model(scheduled_sampling=1.0)
    said = numpy(plain(IDS)).argmax(axis=-1)
    heard = np.concatenate([IDS["target"][:, :1], said[:, :-1]], axis=1)
    changes = []
    for one, ids in ((model, IDS), (plain, {**IDS, "target": heard})):
        before = [numpy(each) for each in one.trainable_weights]
        one.compile(keras.optimizers.SGD(0.1), "mse")
        one.fit(
            ids,
            np.zeros((BATCH, TARGET_LEN, VOCABULARY)),
            batch_size=BATCH,
            verbose=0,
        )
        changes.append(
            [
                numpy(each) - old
                for each, old in zip(one.trainable_weights, before, strict=True)
            ]
        )
    assert max(np.abs(one).max() for one in changes[0]) > 1e-4
    for found, expected in zip(*changes, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_saved_model_knows_how_far_it_was(tmp_path):
    _, model = make_model(
        scheduled_sampling=ka.ScheduledSampling(0.5, growing_steps=10, seed=7)
    )
    for _ in range(3):
        model(IDS, training=True)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    layer = loaded.scheduled_sampling
    assert (layer.rate, layer.growing_steps, layer.seed) == (0.5, 10, 7)
    assert float(layer.current_rate()) == pytest.approx(0.15)
    np.testing.assert_allclose(numpy(loaded(IDS)), numpy(model(IDS)), atol=1e-6)


@pytest.mark.parametrize("rate", [-0.1, 1.1, True, "0.5", None])
def test_wrong_rates(rate):
    with pytest.raises(ValueError, match="`rate` must be a number in"):
        ka.ScheduledSampling(rate)


def test_wrong_growing_steps():
    with pytest.raises(ValueError, match="`growing_steps` must be a positive"):
        ka.ScheduledSampling(0.5, growing_steps=0)


def test_floats_cannot_be_said():
    model = ka.EncoderDecoder(
        encoder=ka.RecurrentEncoder(4),
        decoder=ka.AttentionRNN(ka.AttentionCell(keras.layers.GRUCell(5))),
        scheduled_sampling=0.5,
    )
    floats = {
        "source": np.ones((2, 3, QUERY), "float32"),
        "target": np.ones((2, 3, QUERY), "float32"),
    }
    model(floats)
    with pytest.raises(ValueError, match="needs a target of integer ids"):
        model(floats, training=True)
