"""Whether a file is still the one that was opened: one that was removed keeps nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmopt.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path

Identity = tuple[int, int]


def identity_of(path: Path) -> Identity | None:
    """Return device and number of the file that a path leads to; None: it leads to none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


class Place:
    """The file of a store and its log, which a process that has them open can lose.

    What is written to a file that has no name any more is gone when the process ends.
    """

    def __init__(self, path: Path) -> None:
        """Note which file the path leads to now.

        Args:
            path: The store file, which exists.
        """
        self._log = path.with_name(path.name + "-wal")
        self._known: dict[Path, Identity | None] = {path: identity_of(path)}

    def check(self) -> None:
        """Check that what was just written has a name.

        Raises:
            StoreError: The file or its log was removed, moved or replaced since it was opened.
        """
        # The log comes with the first write, and stays as long as anybody has the store open.
        self._known.setdefault(self._log, identity_of(self._log))
        for path, known in self._known.items():
            if identity_of(path) != known:
                raise StoreError(
                    f"the file of a store stays in its place while it is used, but got another "
                    f"one, or none, at {path}: what is written now would be lost; put it back, or "
                    "a backup, and resume"
                )
