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


def needs_dtype(dtype):
    """Skips the test where Keras does not compute in this dtype."""
    if dtype == "float64" and BACKEND != "tensorflow":
        pytest.skip("Keras makes float32 of float64 sums and products here")


def needs_compiler(jit_compile=True):
    """Skips the test where compiling asks for more than Keras and its backend.

    Args:
        jit_compile: whether the test compiles at all.
    """
    if jit_compile and BACKEND == "torch":
        pytest.skip("torch.compile needs a C++ compiler, and minutes")
