"""The runs of a store, as a table of a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmopt.core.text import visible
from llmopt.evidence.scores import LEGEND, PARTIAL
from llmopt.history.families import families

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

    from llmopt.history.listing import Listed


def print_runs(console: Console, runs: Iterable[Listed], *, tree: bool = False) -> None:
    """Print a line about every run.

    Args:
        console: Where to.
        runs: The runs, in order.
        tree: Whether cells are below their sweep and controls below their run.
    """
    from rich.table import Table
    from rich.text import Text

    found = list(runs)
    levels = [pair for family in families(found) for pair in family.each()]
    rows = [row for _, row in levels] if tree else found
    indents = [_indent(depth) for depth, _ in levels] if tree else [""] * len(found)
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("run", "created (UTC)", "status", "method", "steps", "best on train"):
        table.add_column(name)
    labelled = any(row.info.tags or row.info.note for row in rows)
    if labelled:
        table.add_column("tags and note")
    for row, indent in zip(rows, indents, strict=True):
        info = row.info
        best = "-" if row.best is None else row.header.presentation.amount(row.best)
        best += PARTIAL if info.partial else ""
        words = " ".join((*(f"#{tag}" for tag in info.tags), *info.note.split()))
        table.add_row(
            f"{indent}{info.name}",
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


def _indent(depth: int) -> str:
    blank = "\u00a0"  # at which no line ends
    return f"{2 * blank * (depth - 1)}└{blank}" if depth else ""
