"""Reading and writing files, with errors that say what is wrong."""

import gzip
import os
import zipfile
import zlib
from pathlib import Path

from pipelines.errors import UserError

# What reading a damaged or foreign `.keras` file raises.
DAMAGED = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    EOFError,
    zipfile.BadZipFile,
    zlib.error,
)
GZIP_MAGIC = b"\x1f\x8b"
UTF8_MARK = b"\xef\xbb\xbf"
# UTF-32's little-endian mark begins with UTF-16's.
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")


def read_lines(path: str | Path) -> list[str | None]:
    """Reads the lines of a UTF-8 file, plain or gzipped.

    Whether a file is gzipped is seen from its content, not from its name.
    A byte-order mark and the line ends (LF or CRLF) are left out.

    Args:
        path: The file.

    Returns:
        One string a line; None for a line that is not UTF-8 or holds a NUL
        character.

    Raises:
        UserError: If the file is missing, a folder, unreadable, a damaged
            gzip file, or no UTF-8 text: UTF-16, or more than half of its
            lines undecodable.

    Example:

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     _ = Path(file.name).write_bytes(b"Bonjour.\\r\\n\\xff\\nOui.\\n ")
    ...     read_lines(file.name)
    ['Bonjour.', None, 'Oui.', ' ']
    """
    path = Path(path)
    content = _read_bytes(path)
    if content.startswith(UTF16_MARKS):
        raise UserError(
            f"{path} is in UTF-16 or UTF-32; UTF-8 is expected.",
            f"Convert it: `iconv -f UTF-16 -t UTF-8 {path.name} > new.txt`.",
        )
    rows = content.removeprefix(UTF8_MARK).split(b"\n")
    if rows[-1] == b"":
        rows.pop()  # What follows the last line end is no line.
    lines = [decode(row) for row in rows]
    num_bad = lines.count(None)
    if num_bad > (len(lines) - lines.count("")) / 2:
        raise UserError(
            f"{path} is not UTF-8 text: {num_bad:,} of its {len(lines):,} "
            "lines cannot be decoded.",
            "If it is text in another encoding, convert it, for instance "
            f"`iconv -f LATIN1 -t UTF-8 {path.name} > new.txt`.",
        )
    return lines


def partial_name(name: str) -> str:
    """The name of what `write_whole` has not yet put in its place."""
    return f"{name}.partial"


def write_whole(path: str | Path, content: bytes) -> None:
    """Writes a file wholly or not at all.

    Args:
        path: The file; what it held before stays until all is written.
        content: What it shall hold.

    Raises:
        UserError: If the folder is missing or read-only, or the disk full.
    """
    path = Path(path)
    partial = path.with_name(partial_name(path.name))
    try:
        try:
            partial.write_bytes(content)
            os.replace(partial, path)
        except OSError:
            partial.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise UserError(
            f"Cannot write {path}: {error.strerror or error}.",
            "Check the folder, its permissions and the free space.",
        ) from None


def _read_bytes(path: Path) -> bytes:
    """Reads a whole file, unpacked if it is gzipped."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise UserError(
            f"No such file: {path}.", "Check the path and the folder."
        ) from None
    except IsADirectoryError:
        raise UserError(
            f"{path} is a folder; a text file is expected.",
            "Name the file inside it.",
        ) from None
    except OSError as error:
        raise UserError(
            f"{path} cannot be read: {error.strerror or error}.",
            "Check the path and its permissions.",
        ) from None
    if not content.startswith(GZIP_MAGIC):
        return content
    try:
        return gzip.decompress(content)
    except (EOFError, OSError, zlib.error) as error:
        raise UserError(
            f"{path} is a damaged or truncated gzip file ({error}).",
            f"Fetch it again, or check it with `gzip -t {path.name}`.",
        ) from None


def decode(row: bytes) -> str | None:
    """Decodes one line, without its end; None for what is not text."""
    try:
        line = row.removesuffix(b"\r").decode("utf-8")
    except UnicodeDecodeError:
        return None
    return None if "\x00" in line else line
