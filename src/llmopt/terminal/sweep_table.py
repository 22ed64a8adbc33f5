"""A sweep, as tables of a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llmopt.core.formatting import p_value
from llmopt.core.text import visible
from llmopt.evidence.scores import PARTIAL
from llmopt.evidence.words import than
from llmopt.terminal.sweep_markup import grid_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from llmopt.core.presentation import Presentation
    from llmopt.statistics import Difference
from llmopt.evidence.sweep_summary import UNTESTED, Done, VariantScore, flat, notes


def print_sweep(console: Console, rows: Sequence[VariantScore], cells: Sequence[Done]) -> None:
    """Print the tables, and what they do and do not say."""
    from rich.text import Text

    tasks, shown = list(dict.fromkeys(row.task for row in rows)), cells[0].shown
    for task in tasks:
        some = [row for row in rows if row.task == task]
        if len(tasks) > 1:
            console.print(Text(f"\n{visible(task) or 'All tasks'}", "bold"))
        console.print()
        console.print(_printed(some, shown))
        for row in some[1:]:
            console.print(Text(f"  {visible(_sentence(row, some[0], shown))}"), soft_wrap=True)
    if len(tasks) > 1:
        console.print(Text("\nMethods by tasks", "bold"))
        console.print()
        measure = {"higher_is_better": shown.higher_is_better, "shares": shown.shares}
        document = {
            "measure": measure | {"decimals": shown.decimals},
            "rows": list(map(flat, rows)),
        }
        console.print(Text(grid_of(document).plain().rstrip()), soft_wrap=True)
    console.print()
    for note in notes(rows, cells):
        console.print(Text(note, "dim"), soft_wrap=True)


def _printed(rows: Sequence[VariantScore], shown: Presentation) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 3, 0, 0), header_style="dim")
    table.add_column("")
    heads = ("test", "± sd", "difference", "p (Holm)", "won-lost", "rank", "start", "calls")
    for head in heads:
        table.add_column(head, no_wrap=True, justify="right")
    for row in rows:
        compared = row.difference is not None
        table.add_row(
            Text(visible(row.variant)),
            shown.amount(shown.facing(row.mean)) + (PARTIAL if row.unmeasured else ""),
            "-" if row.spread is None else shown.number(row.spread),
            _interval(row.difference, shown),
            "-" if row.adjusted is None else p_value(row.adjusted),
            f"{row.won}-{row.lost}" if compared else "-",
            f"{row.rank:.2f}",
            shown.amount(shown.facing(row.start)),
            f"{row.calls:,.0f}",
        )
    return table


def _interval(difference: Difference | None, shown: Presentation) -> str:
    if difference is None:
        return "-"
    found = (difference.mean, difference.interval.low, difference.interval.high)
    mean, low, high = (shown.number(value, signed=True) for value in found)
    return f"{mean} [{low}, {high}]"


def _sentence(row: VariantScore, first: VariantScore, shown: Presentation) -> str:
    if row.difference is None:
        return f"{row.variant}: no test item in common with {first.variant}."
    points = shown.points(row.difference.mean)
    if row.adjusted is None:
        return f"{row.variant}: {points} against {first.variant}; {UNTESTED}."
    p = p_value(row.adjusted)
    return f"{row.variant}: {than(row.words)} {first.variant} ({points}, p = {p})."
