"""An evaluation as a table for a terminal; model output is escaped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmopt.core.formatting import clock, p_value
from llmopt.core.text import one_line, visible
from llmopt.history.readable_solution import SolutionReader
from llmopt.terminal.result_table import paid

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from llmopt.core.presentation import Presentation
    from llmopt.evidence.comparison import Comparison, Differing, ScoredInstruction

_DIFFERING = 10  # items shown; all of them are in the JSON document
_COLUMNS = 6  # instructions whose answers find room beside each other


def print_comparison(console: Console, found: Comparison) -> None:
    """Print the instructions, the table, the verdict, where they differ, and what it cost."""
    from rich.text import Text

    def say(text: str, style: str = "") -> None:
        # Sentences break between words on a terminal; a file keeps whole lines.
        console.print(Text(visible(text), style=style), soft_wrap=not console.is_terminal)

    read = SolutionReader.compared(found.to_dict()).text
    for number, row in enumerate(found.rows, 1):
        # Not wrapped by us, so that it can be copied as it is.
        text = Text(visible(f"[{number}] {read(row.text) or '(empty)'}"), style="bold")
        console.print(text, soft_wrap=True)
    console.print()
    console.print(_table(found))
    console.print()
    say(found.verdict, "bold")
    methods = sorted({row.difference.method for row in found.rows if row.difference})
    if methods:
        many = len(found.rows) > 2  # noqa: PLR2004 - only then is there anything to correct
        corrected = "; corrected: by Holm; the intervals are not" if many else ""
        say(f"p: {', '.join(methods)}{corrected}.", "dim")
    for note in found.notes:
        say(f"Note: {note}", "yellow")
    if found.differing:
        shown = min(_DIFFERING, len(found.differing))
        say(f"\nItems on which they differ ({shown} of {len(found.differing)}):", "dim")
        console.print(_items(found))
    console.print()
    say(_what(found))
    for line in paid(found.usage, found.stretch):
        say(line)
    cost = "" if found.usd is None else f"Cost: {found.usd:.4f} US dollars. "
    say(f"{cost}Time: {clock(found.seconds)}. Kept as: {found.run}")


def _table(found: Comparison) -> Table:
    from rich.table import Table

    table = Table(box=None, padding=(0, 3, 0, 0), header_style="dim")
    many = len(found.rows) > 2  # noqa: PLR2004 - only then is there anything to correct
    names = ["", "score", "95 % interval", "measured"]
    if len(found.rows) > 1:
        names += ["against [1]", "95 % interval", "won:lost", "p"]
    for name in [*names, "p corrected"] if many else names:
        table.add_column(name, no_wrap=True)
    for number, row in enumerate(found.rows, 1):
        cells = _cells(row, found.shown)
        table.add_row(f"[{number}]", *cells[: len(table.columns) - 1])
    return table


def _cells(row: ScoredInstruction, shown: Presentation) -> tuple[str, ...]:
    measured = f"{row.measured:,}/{row.planned:,}"
    if row.score is None:
        cells: tuple[str, ...] = ("-", "-", measured)
    else:
        interval = row.score.interval
        ends = f"{shown.number(interval.low)} to {shown.number(interval.high)}"
        cells = (shown.amount(row.score.mean), ends, measured)
    difference = row.difference
    if difference is None:
        return (*cells, "", "", "", "", "")
    low, high = difference.interval.low, difference.interval.high
    return (
        *cells,
        shown.number(difference.mean, signed=True),
        f"{shown.number(low, signed=True)} to {shown.number(high, signed=True)}",
        f"{difference.wins}:{difference.losses}",
        p_value(difference.p_value),
        "" if row.corrected is None else p_value(row.corrected),
    )


def _items(found: Comparison) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("item", no_wrap=True)
    table.add_column("input", no_wrap=True, overflow="ellipsis", max_width=44)
    table.add_column("target", no_wrap=True, overflow="ellipsis", max_width=20)
    columns = range(min(_COLUMNS, len(found.rows)))
    for number in columns:
        table.add_column(f"[{number + 1}]", no_wrap=True, overflow="ellipsis", max_width=20)
    for item in found.differing[:_DIFFERING]:
        table.add_row(
            Text(one_line(item.item, 20)),
            Text(one_line(item.input, 200)),
            Text(one_line(item.target, 60)),
            *(Text(_answer(item, number, found.shown)) for number in columns),
        )
    return table


def _answer(item: Differing, number: int, shown: Presentation) -> str:
    """Return the answer with a mark where it is simply right or wrong, else with its score."""
    score, answer = item.scores[number], item.answers[number]
    if score is None:
        return "(unmeasured)"
    mark = {1.0: "+", 0.0: "-"}.get(score) if shown.shares else None
    words = "(none)" if answer is None else one_line(answer, 60)
    return f"{mark or shown.amount(score)} {words}"


def _what(found: Comparison) -> str:
    part = "items" if found.part == "all" else f"{found.part} items"
    often = f", {found.samples} answers to each" if found.samples > 1 else ""
    by = f", answered by {found.scorer}" if found.scorer else ""
    return f"{found.items:,} {part}{often}{by}."
