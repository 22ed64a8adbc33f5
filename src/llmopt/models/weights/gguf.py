"""Reads from a GGUF file whether its model has a chat template.

The file can be anybody's: each length in it is held against what is left of the file and
against a bound before it is used, so that neither memory nor time follows from its numbers.
Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, BinaryIO, Literal

from llmopt.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_TEMPLATE = b"tokenizer.chat_template"
_SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}  # by type
_STRING, _ARRAY = 8, 9
_LENGTH = 8  # bytes of a text's length
_KEY = 65_535  # longest key, by the format
# Far more than real files have: hundreds of keys, and vocabularies of a quarter million tokens.
_KEYS = 1 << 16
_STRINGS = 1 << 22
_SEEK = 1 << 12  # shorter ones are read: it takes less time than to seek


def has_chat_template(path: Path) -> bool:
    """Return whether a GGUF file has a chat template, which base models do not.

    Raises:
        InputError: The file cannot be read, or does not begin as a GGUF file does.
    """
    try:
        with path.open("rb") as file:
            return _Header(file, path).has_chat_template()
    except OSError as error:
        raise InputError(
            f"a local model is a readable .gguf file, but {path} gave: {error.strerror}; "
            "check the path"
        ) from error


class _Header:
    """The metadata of a GGUF file, read from front to back."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._file = file
        self._path = path
        self._left = file.seek(0, os.SEEK_END)
        self._strings = 0
        file.seek(0)

    def has_chat_template(self) -> bool:
        """Go through the metadata until the template, or to their end."""
        magic, version = self._take(len(_MAGIC)), self._number("I")
        if magic != _MAGIC or version not in _VERSIONS:
            raise self._error(f"it begins with {magic!r} and version {version}")
        self._number("Q")  # how many tensors there are
        keys = self._number("Q")
        if keys > _KEYS:
            raise self._error(f"it announces {keys} keys")
        for _ in range(keys):
            length = self._number("Q")
            if length > _KEY:
                raise self._error(f"it has a key of {length} bytes")
            key, kind = self._take(length), self._number("I")
            if key == _TEMPLATE and kind == _STRING:
                return self._number("Q") > 0
            self._skip(kind)
        return False

    def _skip(self, kind: int) -> None:
        """Pass over a value of a type."""
        if kind == _STRING:
            self._pass(self._number("Q"))
        elif kind == _ARRAY:
            inner, count = self._number("I"), self._number("Q")
            if inner == _STRING:
                self._skip_strings(count)
            else:
                self._pass(count * self._size(inner))
        else:
            self._pass(self._size(kind))

    def _skip_strings(self, count: int) -> None:
        self._strings += count
        if self._strings > _STRINGS:
            raise self._error(f"it announces {self._strings} texts")
        read = self._file.read  # most of the time goes here
        for _ in range(count):
            self._spend(_LENGTH)
            self._pass(int.from_bytes(read(_LENGTH), "little"))

    def _size(self, kind: int) -> int:
        """Return the bytes of a number's type; llama.cpp reads no arrays in arrays either."""
        if kind not in _SIZES:
            raise self._error(f"it has a value of the type {kind}")
        return _SIZES[kind]

    def _number(self, form: Literal["I", "Q"]) -> int:
        value: int = struct.unpack(f"<{form}", self._take(struct.calcsize(f"<{form}")))[0]
        return value

    def _take(self, length: int) -> bytes:
        """Return the next bytes, few of them."""
        self._spend(length)
        taken = self._file.read(length)
        if len(taken) < length:  # it became shorter while it is read
            raise self._error("it ends in its metadata")
        return taken

    def _pass(self, length: int) -> None:
        """Go over the next bytes, however many."""
        self._spend(length)
        if length > _SEEK:
            self._file.seek(length, os.SEEK_CUR)
        else:
            self._file.read(length)

    def _spend(self, length: int) -> None:
        if length > self._left:
            raise self._error("it ends in its metadata")
        self._left -= length

    def _error(self, why: str) -> InputError:
        return InputError(
            f"a local model is a GGUF file of version 2 or 3, little-endian, but {self._path} is "
            f"none: {why}; check the file, or fetch it again"
        )
