"""What is packed into a LiteRT file behind its model: a small zip archive.

Every LiteRT runtime ignores bytes behind the model, and every zip reader
ignores bytes in front of the archive. So one file carries both: the model,
and `source.model`, `target.model` (tokenizers) and `settings.json`.
"""

import hashlib
import json
import pathlib
import zipfile
import zlib
from typing import Any, NamedTuple

from export.errors import ExportError
from export.settings import ExportSettings

FORMAT = "keras_attention.litert"
VERSION = 1
FILE_IDENTIFIER = b"TFL3"  # bytes 4 to 7 of every LiteRT file
CHUNK_BYTES = 2**18
_AGAIN = "Copy the file again, or export it again."


class Package(NamedTuple):
    """What `read_package` finds.

    `source_model` and `target_model` are SentencePiece models or vocabularies
    (bytes); see `export.processors`.
    """

    source_model: bytes
    target_model: bytes
    settings: ExportSettings


def append_package(
    path: pathlib.Path,
    source_model: bytes,
    target_model: bytes,
    settings: ExportSettings,
    exporter: str = "litert",
) -> None:
    """Appends tokenizers and settings to a LiteRT file.

    Args:
        path: The LiteRT file.
        source_model: The source language's tokenizer (bytes).
        target_model: The target language's.
        settings: Limits and names.
        exporter: Name of the format, `"litert"` or `"litert_buckets"`.
    """
    content = path.read_bytes()
    description = {
        "format": FORMAT,
        "version": VERSION,
        "exporter": exporter,
        "model_bytes": len(content),
        "model_sha256": hashlib.sha256(content).hexdigest(),
        "settings": settings.to_dict(),
    }
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("source.model", source_model)
        archive.writestr("target.model", target_model)
        archive.writestr("settings.json", json.dumps(description, indent=2))


def is_package(path: pathlib.Path, exporter: str) -> bool:
    """Tells whether a file is a LiteRT file with our archive behind it.

    Args:
        path: The file.
        exporter: Name of the format that it must be of.

    Returns:
        Whether it is. A file that does not say its format may be of either.
    """
    try:
        description = _description(path)
    except (ExportError, OSError):
        return False
    return description.get("exporter", exporter) == exporter


def read_package(path: pathlib.Path) -> Package:
    """Reads and checks the archive of a LiteRT file.

    Args:
        path: The file.

    Returns:
        The tokenizers and the settings.

    Raises:
        ExportError: If the file is missing, unreadable, no LiteRT file,
            without our archive, damaged, or of an unknown version.
    """
    if not path.exists():
        raise ExportError(f"No such file: {path}.", "Check the path.")
    if path.is_dir():
        raise ExportError(
            f"{path} is a folder; a LiteRT file (.tflite) was expected.",
            "A SavedModel folder is loaded with tf.saved_model.load.",
        )
    try:
        description = _description(path)
        digest = _digest(path, description["model_bytes"])
        if digest != description["model_sha256"]:
            raise ExportError(f"The model in {path} is damaged.", _AGAIN)
        with zipfile.ZipFile(path) as archive:
            return Package(
                archive.read("source.model"),
                archive.read("target.model"),
                ExportSettings.from_dict(description["settings"]),
            )
    except OSError as error:
        raise ExportError(f"Cannot read {path}: {error.strerror}.") from error
    except (zipfile.BadZipFile, zlib.error, KeyError, TypeError) as error:
        raise ExportError(
            f"The archive in {path} is damaged ({error}).", _AGAIN
        ) from error


def _digest(path: pathlib.Path, size: int) -> str:
    """SHA-256 of a file's first `size` bytes, never all in memory."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while size > 0 and (part := file.read(min(size, CHUNK_BYTES))):
            digest.update(part)
            size -= len(part)
    return digest.hexdigest()


def _description(path: pathlib.Path) -> dict[str, Any]:
    """Returns `settings.json`, its format and version checked."""
    with open(path, "rb") as file:
        head = file.read(8)
    if head[4:] != FILE_IDENTIFIER:
        raise ExportError(
            f"{path} is not a LiteRT file.",
            "Give a .tflite file that this package exported.",
        )
    try:
        with zipfile.ZipFile(path) as archive:
            description = json.loads(archive.read("settings.json"))
    except (zipfile.BadZipFile, zlib.error, KeyError, ValueError) as error:
        raise ExportError(
            f"{path} has no tokenizers and settings behind its model: it is "
            "incomplete, or another program wrote it.",
            _AGAIN,
        ) from error
    known = isinstance(description, dict) and {
        "format",
        "version",
        "model_bytes",
        "model_sha256",
        "settings",
    } <= set(description)
    if not known or description["format"] != FORMAT:
        raise ExportError(
            f"The archive in {path} was not written by this package.", _AGAIN
        )
    if description["version"] != VERSION:
        raise ExportError(
            f"{path} is of version {description['version']}; this runtime "
            f"reads version {VERSION}.",
            "Export it again, or use the runtime that it was made with.",
        )
    return description
