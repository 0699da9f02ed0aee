"""Package metadata. Tool settings live in `pyproject.toml`.

The ranges below are what the project accepts; `constraints.txt` holds the
one set of exact versions that the tests run with.
"""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).resolve().parent


def read_version():
    """Reads `__version__` as text, so that a build does not import Keras."""
    path = ROOT / "keras_attention" / "__init__.py"
    found = re.search(
        r'^__version__ = "([^"]+)"$',
        path.read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    if found is None:
        raise ValueError(
            f'{path} must hold a line `__version__ = "X.Y.Z"`. Found none.'
        )
    return found.group(1)


# Private functions of Keras are used, in one file, so only minor versions
# that the tests have run with are let in.
KERAS = "keras>=3.15,<3.16"
NUMPY = "numpy>=2.1,<3"
TENSORFLOW = "tensorflow>=2.21,<2.22"
SENTENCEPIECE = "sentencepiece>=0.2,<0.3"
MATPLOTLIB = "matplotlib>=3.11,<4"
SCIKIT_LEARN = "scikit-learn>=1.7,<2"
TESTS = ["hypothesis>=6.100", "pytest>=8.3", "pytest-xdist>=3.6"]
JAX = "jax>=0.10,<0.11"
QUANTIZER = "ai-edge-quantizer>=0.10,<0.11"

EXTRAS = {
    # The layers with the backend that they are mostly used with.
    "tensorflow": [TENSORFLOW],
    # Data, training, evaluation, the command line, SavedModel.
    "pipelines": [
        TENSORFLOW,
        # Ties its minor version to TensorFlow's. No wheels for Windows.
        "tensorflow-text>=2.21,<2.22",
        "tensorboard>=2.21,<3",
        SENTENCEPIECE,
        "sacrebleu>=2.5,<3",
        "rapidfuzz>=3.9,<4",  # edit distances, for error rates
        MATPLOTLIB,
        "rich>=13.9,<16",
        "typer>=0.15,<1",
        "tomli-w>=1.0,<2",
    ],
    # Runs an exported LiteRT file, on a device without TensorFlow.
    "litert": ["ai-edge-litert>=2.1,<3", NUMPY, SENTENCEPIECE],
    # Exports of four bits a weight: `--quantize int4`.
    "quantize": [QUANTIZER],
    # What `examples/` imports besides: data and pictures.
    "examples": [TENSORFLOW, SCIKIT_LEARN, MATPLOTLIB],
    "test": [
        *TESTS,
        "build>=1.2",
        JAX,  # the layers are tested on it too
        QUANTIZER,
        "mypy>=1.15",
        "ruff>=0.9",
        SCIKIT_LEARN,  # the tests run the examples
    ],
    # The layers' tests on the other backends, without TensorFlow.
    "test-backends": [*TESTS, JAX, "torch>=2.13,<3"],
}
EXTRAS["all"] = sorted(
    {*EXTRAS["tensorflow"], *EXTRAS["pipelines"], *EXTRAS["litert"]}
)

setup(
    name="keras-attention",
    version=read_version(),
    description=(
        "Attention for recurrent encoder-decoders in Keras 3, "
        "from a layer to a phone."
    ),
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    keywords="attention keras seq2seq encoder-decoder rnn litert tflite",
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "Operating System :: MacOS",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Topic :: Text Processing :: Linguistic",
    ],
    python_requires=">=3.11,<3.14",
    packages=find_packages(
        include=[
            f"{name}{rest}"
            for name in ("keras_attention", "pipelines", "export")
            for rest in ("", ".*")
        ]
    ),
    package_data={"pipelines": ["recipes/*.toml", "sample/*"]},
    install_requires=[KERAS, NUMPY],
    extras_require=EXTRAS,
    entry_points={
        "console_scripts": ["keras-attention = pipelines.__main__:main"]
    },
    zip_safe=False,
)
