"""A few numbers of a run that outlive its process: a small file in shared memory.

What is written there costs no call to the operating system, and is still there when the process
is killed at that very moment. A loss of power may take the last of it.
"""

from __future__ import annotations

import mmap
from contextlib import contextmanager
from typing import TYPE_CHECKING

from llmopt.errors import StoreError
from llmopt.store.claim import claim_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NUMBERS = 16
"""How many whole numbers a ledger holds; each between -2⁶³ and 2⁶³-1, and 0 at first."""

_SIZE = 8 * NUMBERS


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


@contextmanager
def lent(path: Path) -> Iterator[memoryview]:
    """Lend the numbers in a file, which is made where there is none, while the context lasts.

    Raises:
        StoreError: The file cannot be made or written.
    """
    try:
        path.parent.mkdir(exist_ok=True)
        path.touch()
        with path.open("r+b") as file:
            if file.seek(0, 2) != _SIZE:
                file.truncate(0)
                file.truncate(_SIZE)
            shared = mmap.mmap(file.fileno(), _SIZE)
    except OSError as error:
        raise StoreError(
            f"the ledger of a run is a small file that can be written, but got {error} for {path}; "
            "change the permissions, or name another store with --store"
        ) from error
    with shared, memoryview(shared) as plain, plain.cast("q") as numbers:
        yield numbers
