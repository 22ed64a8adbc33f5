"""Rows as they were read, and the texts of files."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from llmopt.errors import DataError, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class DataRecord:
    """One row as it was read, with the place that messages name.

    Attributes:
        place: The file and the line, or the number of the row.
        values: The columns; numbers of JSON are the text that they are written as.
    """

    place: str
    values: Mapping[str, object]


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        beside = []
        with suppress(OSError):  # a folder that cannot be listed gives no hint
            beside = [p.name for p in path.parent.iterdir()]
        raise DataError(
            f"a data file exists, but there is no {str(path)!r}{nearest(path.name, beside)}"
        ) from error
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> DataError:
    return DataError(f"a data file is readable, but {str(path)!r} is not: {error.strerror}")


def read_text(path: Path, encoding: str = "") -> str:
    """Return the file's text without byte order mark; line ends stay as they are.

    Args:
        path: The file.
        encoding: What it is written in; empty: UTF-8.

    Raises:
        DataError: It cannot be read, is not in that encoding, has a NUL character or nothing
            but blanks; or there is no such encoding.
    """
    raw = _read_bytes(path)
    text = _decoded(path, raw, encoding) if encoding else _utf8(path, raw)
    nul = text.find("\0")
    if nul >= 0:
        line = text.count("\n", 0, nul) + 1
        raise DataError(f"{path}, line {line}: text has no NUL bytes, but it has one")
    if not text.strip():
        raise DataError(f"{path}: a data file has rows, but it is empty")
    return text


def _utf8(path: Path, raw: bytes) -> str:
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(
            f"{path}: text is UTF-8, but the file is UTF-16; save it as UTF-8, or set "
            "problem.encoding = 'utf-16'"
        )
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise DataError(
            f"{path}, line {line}: text is UTF-8, but got the byte "
            f"0x{error.object[error.start]:02x}; save the file as UTF-8, or name what it is "
            "written in, such as problem.encoding = 'cp1252' (Excel in western Europe)"
        ) from error


def _decoded(path: Path, raw: bytes, encoding: str) -> str:
    try:
        return raw.decode(encoding).removeprefix("\ufeff")
    except LookupError as error:
        raise DataError(
            f"problem.encoding is one that Python knows, but got {encoding!r}; use utf-8, utf-16 "
            "or cp1252"
        ) from error
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: text is {encoding}, but got bytes that are not: {error.reason}; name "
            "another problem.encoding"
        ) from error
