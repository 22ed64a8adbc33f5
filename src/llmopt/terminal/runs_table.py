"""The runs of a store, as a table of a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmopt.core.text import visible
from llmopt.evidence.scores import LEGEND, PARTIAL

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

    from llmopt.history.listing import Listed


def print_runs(console: Console, runs: Iterable[Listed]) -> None:
    """Print a line about every run."""
    from rich.table import Table
    from rich.text import Text

    rows = list(runs)
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("run", "created (UTC)", "status", "method", "steps", "best on train"):
        table.add_column(name)
    labelled = any(row.info.tags or row.info.note for row in rows)
    if labelled:
        table.add_column("tags and note")
    for row in rows:
        info = row.info
        best = "-" if row.best is None else row.header.presentation.amount(row.best)
        best += PARTIAL if info.partial else ""
        words = " ".join((*(f"#{tag}" for tag in info.tags), *info.note.split()))
        table.add_row(
            info.name,
            info.created[:16].replace("T", " "),
            info.status,
            Text(visible(row.algorithm) or "-"),
            str(row.steps),
            best,
            *((Text(visible(words)),) if labelled else ()),
        )
    console.print(table)
    if any(row.info.partial for row in rows):
        console.print(Text(LEGEND, style="dim"), soft_wrap=not console.is_terminal)
