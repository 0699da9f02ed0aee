"""`AttentionMonitor` on models of a user's own; the files are read back."""

import keras
import numpy as np
import pytest
import sacrebleu
import tensorflow as tf

import keras_attention
from pipelines import AttentionMonitor, record_alignments
from pipelines.errors import UserError
from tests import reference
from tests.pipelines.events import read, scalars

BATCH, TARGET, SOURCE, QUERY, UNITS, WORDS = 4, 3, 5, 7, 13, 9
RANDOM = np.random.default_rng(0)
TARGETS, SOURCES = (
    RANDOM.integers(1, WORDS, (BATCH, length)).astype("int32")
    for length in (TARGET, SOURCE)
)
TARGETS[0, 2:], SOURCES[1, 3:] = 0, 0
LENGTHS = [
    (sum(t != 0), sum(s != 0)) for t, s in zip(TARGETS, SOURCES, strict=True)
]
LABELS = RANDOM.integers(0, WORDS, (BATCH, TARGET)).astype("int32")


def functional(layer):
    """A model of ids with an attention layer; its inputs are a list."""
    target, source = keras.Input((None,)), keras.Input((None,))
    embedding = keras.layers.Embedding(WORDS, QUERY, mask_zero=True)
    context = layer([embedding(target), embedding(source)])
    outputs = keras.layers.Dense(WORDS)(context)
    return keras.Model([target, source], outputs), [TARGETS, SOURCES]


def additive():
    return functional(keras_attention.AdditiveAttention(UNITS, name="look"))


def decoder():
    cell = keras_attention.AttentionCell(
        keras.layers.GRUCell(UNITS), keras_attention.AdditiveAttention(11)
    )
    target, source = keras.Input((None,)), keras.Input((None,))
    embedding = keras.layers.Embedding(WORDS, QUERY, mask_zero=True)
    decoded = keras_attention.AttentionRNN(cell, name="look")(
        embedding(target), memory=embedding(source)
    )
    model = keras.Model([target, source], keras.layers.Dense(WORDS)(decoded))
    return model, [TARGETS, SOURCES]


def encoder_decoder(attention=None):
    model = keras_attention.EncoderDecoder(
        encoder=keras_attention.RecurrentEncoder(UNITS),
        decoder=keras_attention.AttentionRNN(
            keras_attention.AttentionCell(
                keras.layers.LSTMCell(UNITS),
                attention or keras_attention.AdditiveAttention(11),
            ),
            name="look",
        ),
        source_embedding=keras.layers.Embedding(WORDS, QUERY, mask_zero=True),
        target_embedding=keras.layers.Embedding(WORDS, QUERY, mask_zero=True),
        output_layer=keras.layers.Dense(WORDS),
    )
    return model, {"target": TARGETS, "source": SOURCES}


def fit(model, inputs, *callbacks, rate=0.5, epochs=1, jit_compile=False):
    model.compile(
        keras.optimizers.SGD(rate, global_clipnorm=0.01),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile=jit_compile,
    )
    return model.fit(
        inputs,
        LABELS,
        batch_size=BATCH // 2,
        validation_data=(inputs, LABELS),
        callbacks=list(callbacks),
        epochs=epochs,
        shuffle=False,
        verbose=0,
    )


def rows(model, inputs):
    """Alignments of all examples, without padding."""
    alignments = record_alignments(model, inputs)["look"].alignments
    return [
        one[:target, :source]
        for one, (target, source) in zip(alignments, LENGTHS, strict=True)
    ]


@pytest.mark.parametrize("make", [additive, decoder, encoder_decoder])
def test_alignments_in_numbers_and_pictures(tmp_path, make):
    model, inputs = make()
    gold = ["0-0 1-1", "1-0 2?2", "", "4-2"]
    model(inputs)
    first = rows(model, inputs)
    monitor = AttentionMonitor(tmp_path, inputs, gold=gold, images=2)
    fit(model, inputs, monitor, rate=100.0)  # Times 0.01.
    found = read(tmp_path / "validation")
    for place, looked in enumerate((first, rows(model, inputs))):
        measured = {
            "entropy": [
                reference.entropy(row) for one in looked for row in one
            ],
            "peak": [max(row) for one in looked for row in one],
            "coverage": [
                value for one in looked for value in reference.covered(one)
            ],
            "monotonicity": [reference.monotonicity(one) for one in looked],
        }
        for name, values in measured.items():
            step, mean = found[f"look/{name}"][place]
            assert step == 2 * place
            np.testing.assert_allclose(mean, np.mean(values), rtol=1e-4)
            step, buckets = found[f"look_histograms/{name}"][place]
            assert step == 2 * place and buckets[:, 2].sum() == len(values)
            assert buckets[0, 0] == pytest.approx(min(values), abs=1e-5)
            assert buckets[-1, 1] == pytest.approx(max(values), abs=1e-5)
        links = {
            (number, target, int(row.argmax()))
            for number, one in enumerate(looked)
            for target, row in enumerate(one)
        }
        sure = {(0, 0, 0), (0, 1, 1), (1, 0, 1), (3, 2, 4)}
        rate = reference.alignment_error_rate(links, sure, {(1, 2, 2)})
        _, actual = found["look/alignment_error_rate"][place]
        assert actual == pytest.approx(rate)
    pictures = [
        tag for tag in found if tag.startswith("look/") and tag[-1:] in "123"
    ]
    assert pictures == ["look/1", "look/2"]
    (_, before), (_, after) = found["look/1"]
    assert tf.io.decode_png(before[2]).shape[2] == 3
    assert before[2] != after[2]


def test_answers_and_embeddings(tmp_path):
    model, inputs = encoder_decoder()
    words = [f"word {number}" for number in range(WORDS)]
    monitor = AttentionMonitor(
        tmp_path,
        inputs,
        translate=lambda model, sources: [one.upper() for one in sources],
        sources=["a b c d", "e f g h i j k l"],
        references=["A B C D", "E F G H x J K L"],
        tokenize="none",
        embeddings={"source": (model.source_embedding, words)},
    )
    fit(model, inputs, monitor)
    found = read(tmp_path / "validation")
    bleu = sacrebleu.corpus_bleu(
        ["A B C D", "E F G H I J K L"],
        [["A B C D", "E F G H x J K L"]],
        tokenize="none",
    )
    assert [step for step, _ in found["bleu"]] == [0, 2]
    for _, value in found["bleu"]:
        assert value == pytest.approx(bleu.score, rel=1e-6)
    assert found["chrf"][0][1] < 100
    assert found["bleu_by_source_length/04_words"][0][1] == pytest.approx(100)
    assert "| a b c d | A B C D | A B C D |" in str(found["translations"])
    labels = (tmp_path / "train" / "source.tsv").read_text("utf-8")
    assert labels.splitlines() == words


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sources": ["a"]}, "a reference for each"),
        ({"sources": ["a"], "references": ["b"]}, "translate=None"),
        ({"translate": lambda *_: []}, "0 sources"),
        (
            {
                "translate": lambda *_: [],
                "sources": ["a"],
                "references": ["b"],
            },
            "must return a text for each of the 1 sources. Received: 0",
        ),
        ({"embeddings": ["a", "b"]}, "Received: 2 labels"),
    ],
)
def test_answers_that_do_not_fit(tmp_path, options, message):
    model, inputs = encoder_decoder()
    model(inputs)
    if "embeddings" in options:
        labels = options["embeddings"]
        options = {"embeddings": {"words": (model.source_embedding, labels)}}
    with pytest.raises(ValueError, match=message):
        fit(model, inputs, AttentionMonitor(tmp_path, inputs, **options))


def test_the_last_model_is_looked_at(tmp_path):
    model, inputs = additive()
    monitor = AttentionMonitor(tmp_path, inputs, every_epochs=2)
    fit(model, inputs, monitor, epochs=3)
    found = read(tmp_path / "validation")
    assert [step for step, _ in found["look/peak"]] == [0, 4, 6]


def test_evaluation_without_a_training(tmp_path):
    model, inputs = additive()
    fit(model, inputs)
    monitor = AttentionMonitor(tmp_path, inputs)
    before = model.evaluate(inputs, LABELS, verbose=0)
    found = model.evaluate(inputs, LABELS, verbose=0, callbacks=[monitor])
    assert found == before


def test_what_fit_knows(tmp_path):
    model, inputs = additive()
    monitor = AttentionMonitor(
        tmp_path, inputs, every_steps=1, num_target_tokens=12
    )
    history = fit(model, inputs, monitor, epochs=2).history
    train, validation = (
        scalars(tmp_path / part) for part in ("train", "validation")
    )
    for name in ("loss", "accuracy"):
        assert train[name] == pytest.approx(history[name])
        assert validation[name] == pytest.approx(history[f"val_{name}"])
    assert train["learning_rate"] == pytest.approx([0.5, 0.5])
    assert len(train["target_tokens_per_second"]) == 2
    assert min(train["target_tokens_per_second"]) > 0
    by_step = np.array(train["loss_by_step"]).reshape(2, 2).mean(1)
    np.testing.assert_allclose(by_step, history["loss"], rtol=1e-5)


@pytest.mark.parametrize(
    ("sizes", "at_once", "steps"),
    [
        ([1, 3, 2], 1, [1, 2, 3, 4, 5, 6]),
        ([2, 2, 2], 2, [2, 3, 5, 6]),  # Three steps in twos are not four.
    ],
)
def test_losses_of_steps_and_their_numbers(tmp_path, sizes, at_once, steps):
    model, _ = additive()
    places = np.split(np.arange(6) % BATCH, np.cumsum(sizes)[:-1])
    batches = [
        ((TARGETS[rows], SOURCES[rows]), LABELS[rows]) for rows in places
    ]
    data = tf.data.Dataset.from_generator(
        lambda: iter(batches),
        output_signature=(
            (tf.TensorSpec((None, TARGET)), tf.TensorSpec((None, SOURCE))),
            tf.TensorSpec((None, TARGET), tf.int32),
        ),
    ).apply(tf.data.experimental.assert_cardinality(len(sizes)))
    model.compile(
        keras.optimizers.SGD(0.0),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        steps_per_execution=at_once,
        jit_compile=False,
    )
    monitor = AttentionMonitor(tmp_path, batches[0][0], every_steps=1)
    model.fit(
        data,
        epochs=2,
        shuffle=False,
        callbacks=[monitor],
        verbose=0,
    )
    losses = [
        float(model.compute_loss(None, labels, model(list(inputs))))
        for inputs, labels in batches
    ]
    expected = losses if at_once == 1 else [np.mean(losses[:2]), losses[2]]
    points = read(tmp_path / "train")["loss_by_step"]
    assert [step for step, _ in points] == steps
    np.testing.assert_allclose(
        [value for _, value in points], expected * 2, rtol=1e-4
    )


def test_a_metric_with_several_values(tmp_path):
    model, inputs = additive()
    pooled = keras.layers.GlobalAveragePooling1D()(model.outputs[0])
    outputs = keras.layers.Dense(2, activation="sigmoid")(pooled)
    model = keras.Model(model.inputs, outputs)
    model.compile(
        "sgd", "mse", metrics=[keras.metrics.F1Score()], jit_compile=False
    )
    answers = np.eye(2, dtype="float32")[[0, 1, 0, 1]]
    monitor = AttentionMonitor(tmp_path, inputs)
    history = model.fit(
        inputs,
        answers,
        validation_data=(inputs, answers),
        callbacks=[monitor],
        verbose=0,
    ).history
    for part, name in (("train", "f1_score"), ("validation", "val_f1_score")):
        found = scalars(tmp_path / part)
        both = [found[f"f1_score/{place}"][0] for place in (0, 1)]
        np.testing.assert_allclose(both, history[name][0], rtol=1e-6)


class Unreported(keras.Model):
    """A training step that reports what it likes."""

    def train_step(self, data):
        return {"mine": 2.0 * super().train_step(data)["loss"]}


def test_a_training_step_that_reports_no_loss(tmp_path):
    model, inputs = additive()
    model = Unreported(model.inputs, model.outputs)
    model.compile("sgd", "mse", jit_compile=False)
    monitor = AttentionMonitor(tmp_path, inputs, every_steps=1)
    labels = np.ones((BATCH, TARGET, WORDS), "float32")
    history = model.fit(
        inputs, labels, batch_size=2, callbacks=[monitor], verbose=0
    ).history
    found = scalars(tmp_path / "train")
    assert found["mine"] == pytest.approx(history["mine"])
    assert len(found["gradient_norm"]) == 2 and "loss_by_step" not in found


def with_self_attention():
    """A model that also looks from the source at the source."""
    target, source = keras.Input((None,)), keras.Input((None,))
    embedding = keras.layers.Embedding(WORDS, QUERY)
    memory = embedding(source)
    memory = keras_attention.LuongAttention("dot", name="self")(
        [memory, memory]
    )
    context = keras_attention.AdditiveAttention(UNITS, name="look")(
        [embedding(target), memory]
    )
    outputs = keras.layers.Dense(WORDS)(context)
    return keras.Model([target, source], outputs), [TARGETS, SOURCES]


def test_labels_and_links_of_one_layer_of_several(tmp_path):
    model, inputs = with_self_attention()
    monitor = AttentionMonitor(
        tmp_path,
        inputs,
        tokens={"look": [(["a", "b"], ["x", "y", "z"])] * BATCH},
        gold={"look": ["0-0 2-1"] * BATCH},
    )
    fit(model, inputs, monitor, rate=0.0)
    found = scalars(tmp_path / "validation")
    assert "look/alignment_error_rate" in found
    assert "self/alignment_error_rate" not in found
    for name, (rows, columns) in (
        ("look", (2, 3)),
        ("self", (SOURCE, SOURCE)),
    ):
        looked = record_alignments(model, inputs)[name].alignments
        entropies = [
            reference.entropy(row)
            for one in looked
            for row in one[:rows, :columns]
        ]
        np.testing.assert_allclose(
            found[f"{name}/entropy"], [np.mean(entropies)] * 2, rtol=1e-4
        )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"tokens": {"lok": [(["a"], ["b"])] * BATCH}},
            "layers that are found: self, look. Received: lok",
        ),
        (
            {"tokens": [(["a"] * TARGET, ["b"] * (SOURCE + 1))] * BATCH},
            "If layers differ, give a dictionary by their names",
        ),
        ({"gold": {"look": ["4-2"] * 4}}, None),
        ({"gold": {"look": ["2-4"] * 4}}, "positions in look. Received: 2-4"),
    ],
)
def test_layers_that_differ(tmp_path, options, message):
    model, inputs = with_self_attention()
    monitor = AttentionMonitor(tmp_path, inputs, **options)
    if message is None:
        fit(model, inputs, monitor)
        return
    with pytest.raises(ValueError, match=message):
        fit(model, inputs, monitor)


def test_sources_may_be_arrays(tmp_path):
    monitor = AttentionMonitor(
        tmp_path,
        [TARGETS, SOURCES],
        translate=lambda model, sources: sources,
        sources=np.array(["a", "b"]),
        references=np.array(["a", "c"]),
    )
    assert monitor.answers.sources == ["a", "b"]


@pytest.mark.parametrize("jit_compile", [False, True])
def test_the_norm_of_the_gradient(tmp_path, jit_compile):
    """Before it is clipped, of each step."""
    model, inputs = additive()
    model(inputs)
    twin = keras.models.clone_model(model)
    twin.set_weights(model.get_weights())
    monitor = AttentionMonitor(tmp_path, inputs, every_steps=1)
    # The weights stay, so each step's gradient can be computed afterwards.
    fit(model, inputs, monitor, rate=0.0, jit_compile=jit_compile)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    expected = []
    for part in (slice(0, 2), slice(2, 4)):
        with tf.GradientTape() as tape:
            value = loss(LABELS[part], twin([one[part] for one in inputs]))
        gradients = tape.gradient(
            value, [one.value for one in twin.trainable_variables]
        )
        flat = [np.ravel(tf.convert_to_tensor(one)) for one in gradients]
        expected.append(np.linalg.norm(np.concatenate(flat)))
    actual = scalars(tmp_path / "train")["gradient_norm"]
    np.testing.assert_allclose(actual, expected, rtol=1e-4)
    assert min(expected) > 0.01 and expected[0] != pytest.approx(expected[1])


def test_hard_attention_that_is_rewarded(tmp_path):
    attention = keras_attention.HardAttention(
        keras_attention.normalizers.Reinforce(
            expectation_rate=0.0, entropy_weight=0.0, seed=3
        )
    )
    model, inputs = encoder_decoder(attention)
    monitor = AttentionMonitor(tmp_path, inputs, every_steps=1)
    fit(model, inputs, monitor, rate=0.0)
    train = scalars(tmp_path / "train")
    first, second = train["loss_by_step"]
    # 0.9 baseline + 0.1 loss, and how much less a step lost.
    baselines = [0.1 * first, 0.09 * first + 0.1 * second]
    np.testing.assert_allclose(train["look/baseline"], baselines, rtol=1e-4)
    np.testing.assert_allclose(
        train["look/reward"],
        np.subtract(baselines, [first, second]),
        rtol=1e-4,
    )
    found = read(tmp_path / "validation")
    assert [step for step, _ in found["look_samples/1"]] == [0, 2]
    # What is drawn is not what is looked at with certainty.
    pictures = [f"look{kind}/1" for kind in ("", "_samples")]
    first, second = (found[tag][0][1][2] for tag in pictures)
    assert first != second


def test_soft_attention_draws_no_samples(tmp_path):
    model, inputs = additive()
    fit(model, inputs, AttentionMonitor(tmp_path, inputs))
    assert not [tag for tag in read(tmp_path / "validation") if "sample" in tag]
    assert "look/baseline" not in scalars(tmp_path / "train")


def test_labels_say_how_long_an_example_is(tmp_path):
    model, inputs = additive()

    def tokens(given):
        assert given is inputs
        return [(["a"], ["x", "é", "⏎"])] * BATCH

    monitor = AttentionMonitor(tmp_path, inputs, tokens=tokens)
    fit(model, inputs, monitor, rate=0.0)
    looked = record_alignments(model, inputs)["look"].alignments
    entropies = [reference.entropy(one[0, :3]) for one in looked]
    found = scalars(tmp_path / "validation")
    np.testing.assert_allclose(
        found["look/entropy"], [np.mean(entropies)] * 2, rtol=1e-4
    )


def test_a_function_of_the_users_own(tmp_path):
    model, inputs = additive()

    def alignments(given, batch):
        assert given is model and batch is inputs
        return {"mine": np.full((BATCH, 2, 3), 1 / 3)}

    monitor = AttentionMonitor(
        tmp_path, inputs, alignments=alignments, every_epochs=2
    )
    fit(model, inputs, monitor, epochs=2)
    found = read(tmp_path / "validation")
    assert [step for step, _ in found["mine/entropy"]] == [0, 4]
    assert found["mine/entropy"][0][1] == pytest.approx(np.log(3))
    assert not [tag for tag in found if tag.startswith("look")]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tokens": [(["a"], ["b"])]}, "`tokens` must have an entry for each"),
        ({"tokens": [(["a"] * 4, ["b"])] * BATCH}, "at most as many labels"),
        ({"gold": ["0-0"]}, "`gold` must have an entry for each"),
        ({"gold": ["0-0", "4-0", "", ""]}, "Received: 4-0"),
        ({"alignments": lambda *_: np.ones((2, 3))}, "must return arrays"),
    ],
)
def test_what_does_not_fit_shows_before_the_training(
    tmp_path, options, message
):
    model, inputs = additive()
    before = model.get_weights()
    with pytest.raises(ValueError, match=message):
        fit(model, inputs, AttentionMonitor(tmp_path, inputs, **options))
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_model_without_attention(tmp_path):
    model = keras.Sequential([keras.Input((TARGET,)), keras.layers.Dense(2)])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="Give AttentionMonitor a function"):
        model.fit(
            np.ones((2, TARGET)),
            np.ones((2, 2)),
            callbacks=[AttentionMonitor(tmp_path, np.ones((2, TARGET)))],
            verbose=0,
        )


def test_a_link_that_is_none(tmp_path):
    with pytest.raises(ValueError, match="SOURCE-TARGET"):
        AttentionMonitor(tmp_path, SOURCES, gold=["0:1"])


@pytest.mark.parametrize("name", ["every_steps", "every_epochs"])
def test_intervals(tmp_path, name):
    with pytest.raises(ValueError, match=f"`{name}` must be a positive"):
        AttentionMonitor(tmp_path, SOURCES, **{name: 0})


def test_a_full_disk_costs_no_training(tmp_path, monkeypatch):
    model, inputs = additive()
    before = model(inputs).numpy()
    said = []

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    class FillsUp(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            monkeypatch.setattr(tf.summary, "scalar", full)

    monitor = AttentionMonitor(tmp_path, inputs, every_steps=1, say=said.append)
    history = fit(model, inputs, monitor, FillsUp(), epochs=3)
    assert len(history.epoch) == 3
    assert not np.allclose(model(inputs).numpy(), before)
    [text] = said  # Once.
    assert "No space left on device. The training goes on" in text


def test_a_full_disk_is_a_warning_elsewhere(tmp_path, monkeypatch):
    model, inputs = additive()
    monitor = AttentionMonitor(tmp_path, inputs)

    def full(*_, **__):
        raise tf.errors.ResourceExhaustedError(None, None, "no room")

    monkeypatch.setattr(tf.summary, "image", full)
    with pytest.warns(UserWarning, match="no room. The training goes on"):
        fit(model, inputs, monitor)


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    model, inputs = additive()
    with pytest.raises(UserError, match="Cannot write TensorBoard logs"):
        fit(model, inputs, AttentionMonitor(tmp_path / "file", inputs))
