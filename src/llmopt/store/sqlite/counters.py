"""A few numbers of a run that outlive its process: a small file in shared memory.

What is written there costs no call to the operating system, and is still there when the process
is killed at that very moment. A loss of power may take the last of it.
"""

from __future__ import annotations

import mmap
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from llmopt.core.private_files import open_own
from llmopt.core.store import COUNTERS
from llmopt.errors import StoreError
from llmopt.store.sqlite.lock import claim_of, folder_beside

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SIZE = 8 * COUNTERS


def ledger_of(store: Path, run: str) -> Path:
    """Return the file of a run's numbers, beside its claim."""
    return claim_of(store, run).with_suffix(".ledger")


def moved(store: Path, run: str, name: str | None) -> None:
    """Let a run's numbers follow its new name, or go with it; both names are claimed."""
    path = ledger_of(store, run)
    if name is None:
        path.unlink(missing_ok=True)
    elif path.exists():
        path.replace(ledger_of(store, name))


class MappedCounters:
    """Numbers in memory that the operating system writes to a file."""

    def __init__(self, numbers: memoryview) -> None:
        self._numbers = numbers

    def read(self) -> list[int]:
        """See the protocol."""
        return self._numbers.tolist()

    async def add(self, first: int, *amounts: int) -> None:
        """See the protocol."""
        numbers = self._numbers
        for at, amount in enumerate(amounts, first):
            numbers[at] += amount

    def clear(self) -> None:
        """See the protocol."""
        self._numbers[:] = memoryview(bytes(_SIZE)).cast("q")


@contextmanager
def lent(path: Path) -> Iterator[MappedCounters]:
    """Lend the numbers in a file, which is made where there is none, while the context lasts.

    Raises:
        StoreError: The file cannot be made or written.
    """
    try:
        folder_beside(path)
        with os.fdopen(open_own(path), "r+b") as file:
            if file.seek(0, 2) != _SIZE:
                file.truncate(0)
                # Written, so that the disk has room for it: else the process would be killed
                # when it writes to the memory.
                file.write(bytes(_SIZE))
                file.flush()
            shared = mmap.mmap(file.fileno(), _SIZE)
    except OSError as error:
        raise StoreError(
            f"the counters of a run are a small file that can be written, but got {error} for "
            f"{path}; change the permissions, or name another store with --store"
        ) from error
    with shared, memoryview(shared) as plain, plain.cast("q") as numbers:
        yield MappedCounters(numbers)
