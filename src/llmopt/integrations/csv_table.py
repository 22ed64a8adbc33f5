"""Tables as CSV, for spreadsheets and plots of the reader's own."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path


def write_csv(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows with the same keys under a line with these.

    Raises:
        OSError: The file cannot be written.
    """
    with path.open("w", encoding="utf-8", newline="") as file:
        writer: csv.DictWriter[str] = csv.DictWriter(file, fieldnames=[])
        for number, row in enumerate(rows):
            if not number:
                writer.fieldnames = list(row)
                writer.writeheader()
            writer.writerow(row)
