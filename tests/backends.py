"""What a test asks of the backend that Keras runs on.

The layers' tests run on all three; few of them ask for what one alone has.
"""

import keras
import pytest

BACKEND = keras.backend.backend()
tensorflow_only = pytest.mark.skipif(
    BACKEND != "tensorflow", reason="asks for what only TensorFlow has"
)


def needs_tensorflow():
    """Returns TensorFlow; skips the test where Keras runs on another."""
    if BACKEND != "tensorflow":
        pytest.skip(
            "asks for what only TensorFlow has", allow_module_level=True
        )
    return pytest.importorskip("tensorflow")


def needs_dtype(dtype, recurrent=False):
    """Skips the test where Keras does not compute in this dtype.

    Args:
        dtype: str.
        recurrent: whether recurrent cells are made in it. Only
            TensorFlow has orthogonal matrices in float16.
    """
    if dtype == "float64" and BACKEND != "tensorflow":
        pytest.skip("Keras makes float32 of float64 sums and products here")
    if dtype == "float16" and recurrent and BACKEND != "tensorflow":
        pytest.skip("no orthogonal matrices in float16 here")


def needs_values_in_training():
    """Skips the test where `fit` has no values, also with `run_eagerly`."""
    if BACKEND == "jax":
        pytest.skip("JAX traces to differentiate")


def needs_compiler(jit_compile=True):
    """Skips the test where compiling asks for more than Keras and its backend.

    Args:
        jit_compile: whether the test compiles at all.
    """
    if jit_compile and BACKEND == "torch":
        pytest.skip("torch.compile needs a C++ compiler, and minutes")
