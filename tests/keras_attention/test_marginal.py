"""The exact likelihood over all positions, against trying each."""

import keras
import numpy as np
import pytest

import keras_attention as ka
from keras_attention import normalizers
from tests import reference
from tests.backends import needs_compiler
from tests.tensors import numpy, randomize

BATCH, TARGET, SOURCE, CLASSES = 2, 3, 5, 7
MASK = np.array([[True] * 3 + [False] * 2, [True] * SOURCE])


class Forced(normalizers.StraightThrough):
    """Looks at one position always, whatever the scores."""

    def __init__(self, position):
        super().__init__()
        self.position = position

    def draw(self, shape, training=False):
        one = np.eye(SOURCE, dtype="float32")[self.position]
        return keras.ops.broadcast_to(1e6 * one, shape)


def make_model(attention, units=None, window=None, **options):
    cell = {"attend": "after", "units": units, **options.pop("cell", {})}
    options.setdefault("output_layer", keras.layers.Dense(CLASSES))
    return ka.EncoderDecoder(
        encoder=ka.RecurrentEncoder(11, cell="gru", bidirectional=False),
        decoder=ka.AttentionRNN(
            ka.AttentionCell(keras.layers.GRUCell(11), attention, **cell)
        ),
        **options,
    )


def make_inputs(masked=True):
    rng = np.random.default_rng(0)
    inputs = {
        "source": rng.normal(scale=3, size=(BATCH, SOURCE, 2)).astype(
            "float32"
        ),
        "target": rng.normal(size=(BATCH, TARGET, 3)).astype("float32"),
    }
    return {**inputs, "source_mask": MASK} if masked else inputs


@pytest.mark.parametrize("units", [None, 13])
@pytest.mark.parametrize("masked", [False, True], ids=["", "masked"])
def test_it_is_the_sum_over_all_positions(units, masked):
    inputs = make_inputs(masked)

    def run(attention, training=False):
        model = make_model(attention, units)
        model(inputs)
        randomize(model)
        outputs, alignments = model(
            inputs, training=training, return_attention_scores=True
        )
        return numpy(outputs), numpy(alignments)

    actual, shown = run(ka.HardAttention("marginal", "general"), training=True)
    _, soft = run(ka.LuongAttention("general"))
    np.testing.assert_allclose(shown, soft, atol=1e-6)
    assert soft.std() > 0.08
    by_position = [
        run(ka.HardAttention(Forced(position), "general"), training=True)[0]
        for position in range(SOURCE)
    ]
    for b in range(BATCH):
        for t in range(TARGET):
            chances = [reference.softmax(one[b, t]) for one in by_position]
            expected = [
                reference.marginal_log_likelihood(
                    soft[b, t], [one[label] for one in chances]
                )
                for label in range(CLASSES)
            ]
            np.testing.assert_allclose(actual[b, t], expected, atol=1e-5)
            # Positions differ, or their order would not matter.
            assert np.std(chances, axis=0).max() > 0.01
    np.testing.assert_allclose(np.exp(actual).sum(-1), 1.0, atol=1e-5)


def test_at_inference_it_looks_at_one_position():
    inputs = make_inputs()
    model = make_model(ka.HardAttention("marginal", "general"))
    model(inputs)
    randomize(model)
    outputs, alignments = model(inputs, return_attention_scores=True)
    assert set(np.unique(numpy(alignments))) == {0.0, 1.0}
    memory, states = model.encode(inputs["source"], MASK)
    for time in range(TARGET):
        step, states, looked = model.decode_step(
            inputs["target"][:, time], states, memory
        )
        np.testing.assert_allclose(
            numpy(step), numpy(outputs)[:, time], atol=1e-5
        )
        np.testing.assert_array_equal(numpy(looked), numpy(alignments)[:, time])


@pytest.mark.parametrize(
    ("policy", "jit_compile"), [("float32", True), ("mixed_float16", False)]
)
def test_fit(policy, jit_compile, tmp_path):
    needs_compiler(jit_compile)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        model = make_model(
            ka.HardAttention("marginal"),
            13,
            dropout=0.1,
            output_layer=keras.layers.Dense(CLASSES, dtype="float32"),
        )
        inputs = make_inputs()
        # A source that is padding only.
        inputs["source_mask"] = np.array([[False] * SOURCE, [True] * SOURCE])
        labels = np.array([[1, 2, 3], [4, 5, 6]])
        model.compile(
            keras.optimizers.Adam(0.01),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            jit_compile=jit_compile,
        )
        losses = model.fit(inputs, labels, epochs=9, verbose=0).history["loss"]
        assert np.isfinite(losses).all()
        assert losses[-1] < losses[0]
        model.save(tmp_path / "m.keras")
        again = keras.saving.load_model(tmp_path / "m.keras")
        np.testing.assert_array_equal(
            numpy(again(inputs)), numpy(model(inputs))
        )
    finally:
        keras.config.set_dtype_policy(before)


def marginal_attention(**options):
    return ka.HardAttention("marginal", **options)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: make_model(marginal_attention(), cell={"attend": "before"}),
            "must not depend on where it looked",
        ),
        (
            lambda: make_model(
                marginal_attention(), 13, cell={"input_feeding": True}
            ),
            "must not depend on where it looked",
        ),
        (
            lambda: make_model([marginal_attention(), ka.LuongAttention()]),
            "give the cell one attention",
        ),
        (
            lambda: make_model(marginal_attention(), output_layer=None),
            "`output_layer`",
        ),
        (
            lambda: make_model(
                marginal_attention(), cell={"output_attention": False}
            ),
            "output_attention=False",
        ),
        (
            lambda: make_model(
                marginal_attention(),
                output_layer=keras.layers.Dense(3, activation="softmax"),
            ),
            "leave activation='softmax' out",
        ),
        (
            lambda: make_model(marginal_attention(dropout=0.1)),
            "set dropout=0",
        ),
    ],
)
def test_what_does_not_allow_for_it(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_elsewhere_in_training():
    layer = marginal_attention(score="dot")
    inputs = [np.ones((2, 3, 7)), np.ones((2, 5, 7))]
    assert layer(inputs).shape == (2, 3, 7)
    with pytest.raises(ValueError, match=r"keras_attention\.EncoderDecoder"):
        layer(inputs, training=True)
