"""Tables as CSV, for spreadsheets and plots of the reader's own."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

from llmopt.core.private_files import write_private

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path


def write_csv(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows with the same keys under a line with these.

    Raises:
        OSError: The file cannot be written.
    """
    with io.StringIO(newline="") as file:
        writer: csv.DictWriter[str] = csv.DictWriter(file, fieldnames=[])
        for number, row in enumerate(rows):
            if not number:
                writer.fieldnames = list(row)
                writer.writeheader()
            writer.writerow(row)
        write_private(path, file.getvalue().encode("utf-8"))
