"""The record of sent batches, by which a later process finds them.

One file per model in a private folder, a JSON object per line, only ever appended to. A line says
which calls a batch was about to be sent with; the next one of the same mark, under which name the
provider accepted it. A process killed between the two leaves a batch that the provider may have:
it is looked for before its calls are sent again.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from llmopt.core.private_files import open_own, private_folder
from llmopt.core.values import digest, packed_keys

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_KEPT = 28 * 86_400.0  # seconds; providers delete results after 29 or 30 days
_PACKED = 43  # characters of a packed key
_NAME = 16  # hex digits of a file's name


@dataclass(frozen=True, slots=True)
class SentBatch:
    """A batch that was sent, or may have been.

    Attributes:
        mark: Its own text, also known to the provider where that keeps one.
        keys: The packed keys of its calls.
        sent: When, in seconds since 1970.
        name: The provider's name of it; empty where it is not known whether it was accepted.
    """

    mark: str
    keys: frozenset[str]
    sent: float
    name: str = ""


class SentBatches:
    """The record of one model.

    Args:
        folder: Where records are kept; it is made where it is missing.
        identity: The model's.
    """

    def __init__(self, folder: Path, identity: str) -> None:
        self._path = folder / f"{digest(identity)[:_NAME]}.jsonl"

    def intend(self, keys: Iterable[str]) -> SentBatch:
        """Note that a batch of these calls is about to be sent.

        Raises:
            OSError: The record cannot be written.
        """
        batch = SentBatch(uuid4().hex, frozenset(map(packed, keys)), time.time())
        self._append({"mark": batch.mark, "keys": "".join(batch.keys), "sent": batch.sent})
        return batch

    def accepted(self, batch: SentBatch, name: str) -> None:
        """Note under which name the provider accepted a batch.

        Raises:
            OSError: The record cannot be written.
        """
        self._append({"mark": batch.mark, "name": name})

    def refused(self, batch: SentBatch) -> None:
        """Note that the provider does not have a batch.

        Raises:
            OSError: The record cannot be written.
        """
        self._append({"mark": batch.mark, "refused": True})

    def read(self) -> list[SentBatch]:
        """Return the batches whose results a provider may still have, the latest last.

        Raises:
            OSError: The record cannot be read.
        """
        found: dict[str, dict[str, Any]] = {}
        for line in self._lines():
            found.setdefault(line["mark"], {}).update(line)
        oldest = time.time() - _KEPT
        return [
            SentBatch(mark, frozenset(_split(line["keys"])), line["sent"], line.get("name", ""))
            for mark, line in found.items()
            if line.get("sent", 0) >= oldest and not line.get("refused")
        ]

    def _lines(self) -> Iterator[dict[str, Any]]:
        if not self._path.exists():
            return
        for text in self._path.read_bytes().splitlines():
            try:
                line = json.loads(text)
            except ValueError:  # cut off by a kill
                continue
            if isinstance(line, dict) and isinstance(line.get("mark"), str):
                yield line

    def _append(self, line: dict[str, Any]) -> None:
        """Write a line that survives a loss of power once this returns."""
        private_folder(self._path.parent)
        descriptor = open_own(self._path, os.O_APPEND)
        try:
            # The line end before it keeps it apart from one that was cut off.
            os.write(descriptor, b"\n" + json.dumps(line).encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def packed(key: str) -> str:
    """Return the key of a call in 43 characters."""
    return packed_keys((key,))


def _split(keys: str) -> Iterator[str]:
    return (keys[at : at + _PACKED] for at in range(0, len(keys), _PACKED))
