"""What `keras_attention.migrate` says about weights that do not fit."""

import keras
import numpy as np
import pytest

from keras_attention import AdditiveAttention, migrate

UNITS, QUERY, MEMORY, INPUT, SIZE = 13, 7, 11, 3, 19


def ones(*shape):
    return np.ones(shape, "float32")


BAHDANAU = {
    "attention_v": ones(UNITS),
    "query_layer/kernel": ones(QUERY, UNITS),
    "memory_layer/kernel": ones(MEMORY, UNITS),
}
NORMALIZED = {
    **BAHDANAU,
    "attention_g": ones(),
    "attention_b": ones(UNITS),
}
LUONG = {"memory_layer/kernel": ones(MEMORY, QUERY)}
WRAPPER = {
    "_attention_layers/0/kernel": ones(QUERY + MEMORY, SIZE),
    "_cell/kernel": ones(INPUT + SIZE, 4 * QUERY),
    "_cell/recurrent_kernel": ones(QUERY, 4 * QUERY),
    "_cell/bias": ones(4 * QUERY),
}


def wrap(weights=WRAPPER, units=QUERY, mechanism=LUONG, size=SIZE, **options):
    if isinstance(mechanism, dict):
        mechanism = migrate.luong_attention(mechanism)
    return migrate.attention_wrapper(
        weights,
        keras.layers.LSTMCell(units),
        mechanism,
        attention_layer_size=size,
        **options,
    )


def without(weights, *names):
    return {name: weights[name] for name in weights if name not in names}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: migrate.bahdanau_attention(NORMALIZED),
            "not expected: .*attention_g.*normalize=True",
        ),
        (
            lambda: migrate.bahdanau_attention(BAHDANAU, normalize=True),
            "missing: \\['attention_g', 'attention_b'\\]",
        ),
        (
            lambda: migrate.luong_attention({**LUONG, "attention_g": ones()}),
            "scale=True \\(Luong\\)",
        ),
        (lambda: migrate.luong_attention(BAHDANAU), "Bahdanau's attention"),
        (
            lambda: migrate.luong_attention(
                {**LUONG, "attention_score_bias": ones()}
            ),
            "function of its own",
        ),
        (
            lambda: migrate.bahdanau_attention(
                {**BAHDANAU, "query_layer/bias": ones(UNITS)}
            ),
            "query_layer or memory_layer of one's own",
        ),
        (
            lambda: migrate.bahdanau_attention([ones(UNITS)]),
            "3 arrays, in the order of get_weights.*attention_v.*"
            "Received: 1, of shapes \\[\\(13,\\)\\]",
        ),
        (
            lambda: migrate.bahdanau_attention(
                {**BAHDANAU, "memory_layer/kernel": ones(MEMORY, 5)}
            ),
            "`memory_layer/kernel` of BahdanauAttention must be of shape "
            "\\(memory_dim, units\\), where .*'units': 13.*\\(11, 5\\)",
        ),
        (
            lambda: migrate.bahdanau_attention(
                {**BAHDANAU, "attention_v": ones(1, UNITS)}
            ),
            "must be of shape \\(units\\).*Received: \\(1, 13\\)",
        ),
        (
            lambda: migrate.luong_attention(LUONG, probability_fn="sigmoid"),
            "'softmax' or 'hardmax'",
        ),
        (
            lambda: migrate.luong_monotonic_attention(
                {**LUONG, "attention_score_bias": ones()}, mode="soft"
            ),
            "`mode` must be one of",
        ),
        (
            lambda: wrap(without(WRAPPER, "_cell/bias")),
            "`_cell/bias` .*missing",
        ),
        (lambda: wrap(list(WRAPPER.values())[:2]), "too few weights"),
        (lambda: wrap(units=5), "query of width 7, but the cell puts out 5"),
        (
            lambda: wrap({**WRAPPER, "_cell/bias": ones(QUERY)}),
            "`_cell/bias` of AttentionWrapper must be of shape \\(28\\)",
        ),
        (
            lambda: wrap(size=None),
            "more weights than its parts: \\['_attention_layers/0/kernel'\\]",
        ),
        (
            lambda: wrap(size=5),
            "`_attention_layers/0/kernel` .* \\(18, 5\\).*\\(18, 19\\)",
        ),
        (
            lambda: wrap({**WRAPPER, "_cell/kernel": ones(SIZE, 4 * QUERY)}),
            "19 rows, and 19 of them",
        ),
        (lambda: wrap(size=[SIZE]), "in a list if the mechanisms are"),
        (
            lambda: wrap(
                mechanism=[migrate.luong_attention(LUONG)], size=[SIZE, SIZE]
            ),
            "one attention layer for each mechanism",
        ),
        (
            lambda: wrap(attention_layer=keras.layers.Dense(SIZE)),
            "`attention_layer_size` or `attention_layer`, not both",
        ),
        (
            lambda: wrap(mechanism=AdditiveAttention(UNITS)),
            "a function of keras_attention.migrate made",
        ),
    ],
)
def test_errors_help(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_what_is_built_keeps_its_weights():
    dense = keras.layers.Dense(SIZE, use_bias=False)
    dense.build((None, QUERY + MEMORY))
    lstm = keras.layers.LSTMCell(QUERY)
    lstm.build((None, INPUT + SIZE))
    kernels = [dense.get_weights()[0], lstm.get_weights()[0]]
    cell = migrate.attention_wrapper(
        {}, lstm, migrate.luong_attention(LUONG), attention_layer=dense
    )
    np.testing.assert_array_equal(cell.output_layer.kernel, kernels[0])
    np.testing.assert_array_equal(cell.cell.kernel, kernels[1])


class Reader:
    """In place of what `tf.train.load_checkpoint` returns."""

    def __init__(self, weights):
        self.weights = weights

    def get_variable_to_shape_map(self):
        return {name: list(one.shape) for name, one in self.weights.items()}

    def get_tensor(self, name):
        return self.weights[name]


SUFFIX = "/.ATTRIBUTES/VARIABLE_VALUE"
CHECKPOINT = Reader(
    {
        f"decoder/cell/_cell/kernel{SUFFIX}": ones(2),
        f"decoder/cell/_cell/kernel/.OPTIMIZER_SLOT/optimizer/m{SUFFIX}": (
            ones(2)
        ),
        f"decoder/attention/memory_layer/kernel{SUFFIX}": ones(3),
        f"decoder/cellar{SUFFIX}": ones(5),
        "_CHECKPOINTABLE_OBJECT_GRAPH": ones(7),
    }
)


@pytest.mark.parametrize("prefix", ["decoder/cell", "decoder/cell/"])
def test_weights_below_a_prefix(prefix):
    weights = migrate.checkpoint_weights(CHECKPOINT, prefix)
    assert list(weights) == ["_cell/kernel"]
    assert weights["_cell/kernel"].shape == (2,)


def test_all_weights_of_a_checkpoint():
    assert sorted(migrate.checkpoint_weights(CHECKPOINT)) == [
        "decoder/attention/memory_layer/kernel",
        "decoder/cell/_cell/kernel",
        "decoder/cellar",
    ]


def test_a_wrong_prefix_is_told_where_to_look():
    with pytest.raises(
        ValueError, match="\\['decoder/attention', 'decoder/cell'\\]"
    ):
        migrate.checkpoint_weights(CHECKPOINT, "decoder/rnn_cell")
