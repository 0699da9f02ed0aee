"""Files that several tests read: written once for all of them."""

import pytest

from export.exporters import get
from tests.export import tiny


@pytest.fixture(scope="session")
def saved_model(tmp_path_factory):
    """A SavedModel of `tiny.model(**tiny.MODELS["lstm_additive_before"])`.

    Version 1, alone in its folder.
    """
    source, target = tiny.tokenizers()
    return get("saved_model").export(
        tiny.model(**tiny.MODELS["lstm_additive_before"]),
        tmp_path_factory.mktemp("models") / "fra-eng",
        source_tokenizer=source,
        target_tokenizer=target,
        settings=tiny.SETTINGS,
    )


@pytest.fixture(scope="session")
def litert_file(tmp_path_factory):
    """A LiteRT file of `tiny.model(**tiny.MODELS["lstm_additive_before"])`."""
    source, target = tiny.tokenizers()
    return get("litert").export(
        tiny.model(**tiny.MODELS["lstm_additive_before"]),
        tmp_path_factory.mktemp("litert") / "m.tflite",
        source_tokenizer=source,
        target_tokenizer=target,
        settings=tiny.SETTINGS,
    )
