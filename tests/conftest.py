"""What all tests share."""

import pytest

from tests.backends import BACKEND


@pytest.fixture(autouse=True, scope="module")
def few_compiled_functions():
    """JAX keeps all it has compiled: too much for a process, in the end."""
    yield
    if BACKEND == "jax":
        import jax

        jax.clear_caches()
