"""How far a download is, seen by the size of what grows in its folder."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

Progress = Callable[[str, int, int], None]
"""Called with a stage (``download``, ``verify``), bytes done, and bytes in all.

With 0 bytes in all, what stands for the stage is a sentence to be shown. While something is
downloaded, the calls come from a thread of their own.
"""

_TICK = 0.1  # seconds between two looks


def silent(stage: str, done: int, total: int) -> None:
    """Show nothing."""


@contextmanager
def growing(folder: Path, total: int, tell: Progress, before: int = 0) -> Iterator[None]:
    """Tell again and again how far the download of a file into `folder` is.

    Args:
        folder: Where it lies while it grows; nothing else in it is as large.
        total: Bytes of the whole download.
        tell: Told of the stage ``download``.
        before: Bytes of it that are there already.
    """
    over = threading.Event()

    def watch() -> None:
        while not over.wait(_TICK):
            tell("download", min(before + _largest(folder), total), total)

    tell("download", min(before, total), total)
    watcher = threading.Thread(target=watch, name="download", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def _largest(folder: Path) -> int:
    """Return the size of the largest file below `folder`."""
    largest = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                largest = max(largest, (Path(parent) / name).stat().st_size)
            except FileNotFoundError:  # it was moved meanwhile
                continue
    return largest
