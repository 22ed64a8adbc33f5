"""Files and folders that only their user can read: what models and people said stands in them."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_FILE, _FOLDER = 0o600, 0o700
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)  # Windows has none
_BINARY = getattr(os, "O_BINARY", 0)
_OWN = getattr(os, "O_CLOEXEC", 0) | _BINARY


def private_folder(path: Path) -> None:
    """Make a folder, and those above it that are missing, for this user alone.

    One that is there stays as it is.

    Raises:
        OSError: It cannot be made, or is no folder.
    """
    for folder in (*reversed(path.parents), path):
        if not folder.is_dir():
            folder.mkdir(mode=_FOLDER, exist_ok=True)


def write_private(path: Path, data: bytes) -> None:
    """Write a file for this user alone; one that is there keeps its permissions.

    Raises:
        OSError: It cannot be written.
    """
    with os.fdopen(
        os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | _OWN, _FILE), "wb"
    ) as file:
        file.write(data)


def new_private(path: Path) -> int:
    """Make a new, empty file for this user alone; return its descriptor, open for writing.

    Raises:
        OSError: There is one already, or it cannot be made.
    """
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | _NO_LINK | _OWN, _FILE)


def open_own(path: Path, flags: int = 0) -> int:
    """Open a file of ours for reading and writing, make it where there is none.

    Args:
        path: The file.
        flags: Further flags of ``os.open``, such as ``O_APPEND``.

    Raises:
        OSError: It is a symbolic link, no file, or has a second name, by which it may be a file of
            somebody else's; or it cannot be opened. Nothing is changed then.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | _NO_LINK | _OWN | flags, _FILE)
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1 or path.is_symlink():
        os.close(descriptor)
        raise OSError("a link to another file, or no file")
    return descriptor
