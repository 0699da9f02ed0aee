"""Windows by themselves; `test_windows_and_normalizers.py` has the sweeps."""

import keras
import numpy as np
import pytest

import keras_attention as ka
from keras_attention import windows
from keras_attention.past import Past
from keras_attention.windows import (
    CausalWindow,
    GlobalWindow,
    LocalMonotonicWindow,
    LocalPredictiveWindow,
)
from tests import reference
from tests.cases import (
    BATCH,
    MEMORY,
    QUERY,
    SOURCE,
    TARGET,
    UNITS,
    reference_attention,
)
from tests.gradients import gradients
from tests.tensors import numpy, randomize

MASK = np.array([[True, False, True, True, False], [True] * SOURCE])


def draw(seed=0, source_len=SOURCE, target_len=TARGET):
    rng = np.random.default_rng(seed)
    return (
        rng.normal(size=(BATCH, target_len, QUERY)).astype("float32"),
        rng.normal(size=(BATCH, source_len, MEMORY)).astype("float32"),
    )


def predictive(width=2, **options):
    window = LocalPredictiveWindow(width, **options)
    window.build((BATCH, None, QUERY))
    return randomize(window, seed=1)


def test_names_and_what_they_remember():
    for name, window_class, remembers in (
        ("causal", CausalWindow, ("step",)),
        ("global", GlobalWindow, ()),
        ("local_m", LocalMonotonicWindow, ("step",)),
        ("local_p", LocalPredictiveWindow, ()),
    ):
        layer = ka.Attention(window=name)
        assert type(layer.window) is window_class
        assert layer.remembers == remembers
        assert not layer.is_recurrent
    assert windows.get("local_m").width == windows.get("local_p").width == 10


class TestLocalMonotonic:
    def test_positions_are_those_of_the_steps(self):
        """Rows at steps of their own, with a mask and without."""
        window = LocalMonotonicWindow(1)
        step = np.array([0, 3], "int32")
        for mask in (None, MASK):
            near, weights = window(
                keras.ops.ones((BATCH, TARGET, QUERY)),
                source_len=SOURCE,
                allowed=None if mask is None else mask[:, None],
                past=Past(step=keras.ops.convert_to_tensor(step)),
            )
            assert weights is None
            for row in range(BATCH):
                for query in range(TARGET):
                    expected, _ = reference.local_m(1)(
                        None,
                        [True] * SOURCE if mask is None else mask[row],
                        reference.Past(None, None, step[row] + query),
                    )
                    actual = numpy(near)[row, query]
                    np.testing.assert_array_equal(actual, expected)

    def test_beyond_the_source_there_is_nothing(self):
        layer = ka.LuongAttention("general", window=LocalMonotonicWindow(1))
        query, value = draw(target_len=8)
        context, alignments = layer(
            [query, value], return_attention_scores=True
        )
        sums = numpy(alignments).sum(-1)
        # The last window that touches the source is that of step 5.
        np.testing.assert_allclose(sums[:, :6], 1.0, atol=1e-6)
        np.testing.assert_array_equal(sums[:, 6:], 0.0)
        np.testing.assert_array_equal(numpy(context)[:, 6:], 0.0)


class TestLocalPredictive:
    def test_weights(self):
        """Their names and shapes: what a saved file holds."""
        for units, width in ((None, QUERY), (UNITS, UNITS)):
            window = predictive(units=units)
            assert {one.name: tuple(one.shape) for one in window.weights} == {
                "kernel": (QUERY, width),
                "scale": (width,),
            }

    def test_positions_and_weights_are_those_of_the_equations(self):
        window = predictive(3, units=UNITS)
        query, _ = draw(2)
        near, weights = window(query, source_len=SOURCE, allowed=MASK[:, None])
        right = reference.local_p(
            3, numpy(window.kernel).T, numpy(window.scale)
        )
        for row in range(BATCH):
            for position in range(TARGET):
                inside, gaussian = right(query[row, position], MASK[row], None)
                np.testing.assert_array_equal(
                    numpy(near)[row, position], inside
                )
                np.testing.assert_allclose(
                    numpy(weights)[row, position], gaussian, atol=1e-5
                )

    def test_the_length_is_that_of_the_row(self):
        """And not that of the batch; a hole in the mask counts."""
        window = predictive()
        query = keras.ops.ones((1, 1, QUERY))
        positions = []
        for mask in (
            np.ones((1, 1, 4), bool),
            np.array([[[False, True, False, True] + [False] * 7]]),
        ):
            _, weights = window(query, source_len=mask.shape[-1], allowed=mask)
            positions.append(numpy(weights)[..., :4])
        _, weights = window(query, source_len=4)
        np.testing.assert_allclose(positions[0], positions[1], atol=1e-6)
        np.testing.assert_allclose(positions[0], numpy(weights), atol=1e-6)

    def test_a_mask_for_each_query(self):
        """With a causal mask the length grows from query to query."""
        layer = ka.LuongAttention("general", window=LocalPredictiveWindow(1))
        query, value = draw(3)
        layer([query, value])
        randomize(layer)
        actual = layer(
            [query, value],
            mask=[None, MASK],
            use_causal_mask=True,
            return_attention_scores=True,
        )
        expected = reference_attention(
            layer, query, value, mask=MASK, causal=True
        )
        for one, other in zip(actual, expected, strict=True):
            np.testing.assert_allclose(numpy(one), other, atol=1e-5)

    @pytest.mark.parametrize(
        "dtype", ["float16", "bfloat16", "mixed_float16", "mixed_bfloat16"]
    )
    def test_half_precision_tells_late_positions_apart(self, dtype):
        """Near 3000, neighbours are the same number in half precision."""
        window = LocalPredictiveWindow(2, dtype=dtype)
        window.build((1, None, QUERY))
        query = keras.ops.zeros((1, 1, QUERY))
        near, weights = window(query, source_len=6001)
        chosen = np.flatnonzero(numpy(near)[0, 0])
        # p_t is half of 6001, and not rounded.
        np.testing.assert_array_equal(chosen, [2999, 3000, 3001, 3002])
        np.testing.assert_allclose(
            numpy(weights)[0, 0, chosen],
            np.exp(-0.5 * np.array([1.5, 0.5, 0.5, 1.5]) ** 2),
            atol=1e-5,
        )

    @pytest.mark.parametrize("size", [1.0, 1e4])
    def test_gradients_are_finite(self, size):
        """Where nothing may be seen, and where the sigmoid is flat."""
        layer = ka.LuongAttention("general", window=LocalPredictiveWindow(2))
        query, value = draw(4)
        layer([query, value])
        randomize(layer)
        mask = np.array([[False] * SOURCE, [True] * SOURCE])
        _, (by_query,), by_weight = gradients(
            lambda query: layer([query, value], mask=[None, mask]),
            [np.float32(size) * query],
            layer.weights,
        )
        for gradient in (by_query, *by_weight):
            assert np.isfinite(gradient).all()
        np.testing.assert_array_equal(by_query[0], 0.0)


class TestLuongAttention:
    @pytest.mark.parametrize(
        "window",
        ["local_m", "local_p", "causal", LocalPredictiveWindow(3, units=UNITS)],
    )
    def test_takes_a_window(self, window):
        layer = ka.LuongAttention("general", window=window)
        query, value = draw(5)
        layer([query, value])
        randomize(layer)
        actual = layer([query, value], return_attention_scores=True)
        expected = reference_attention(layer, query, value)
        for one, other in zip(actual, expected, strict=True):
            np.testing.assert_allclose(numpy(one), other, atol=1e-5)
        again = ka.LuongAttention.from_config(layer.get_config())
        assert type(again.window) is type(layer.window)
        assert again.window.get_config() == layer.window.get_config()

    def test_without_one_it_is_global(self):
        assert type(ka.LuongAttention().window) is GlobalWindow


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LocalMonotonicWindow(0), "`width` must be a positive"),
        (lambda: LocalMonotonicWindow(1.5), "Received: width=1.5"),
        (lambda: LocalPredictiveWindow(-1), "Received: width=-1"),
        (lambda: LocalPredictiveWindow(units=0), "`units` must be a positive"),
        (lambda: ka.LuongAttention(window="local"), "Unknown window: 'local'"),
        (lambda: ka.LuongAttention(window=3), "Expected a window"),
    ],
)
def test_errors_help(make, message):
    with pytest.raises(ValueError, match=message):
        make()
