"""How searches converge, as tables of a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llmopt.core.text import visible

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from llmopt.core.presentation import Presentation

from llmopt.evidence.convergence import (
    Converged,
    CurvePoint,
    Spread,
    VariantCurve,
    lines_of,
    notes,
    points_of,
)

_FAR = 100.0  # share of the optimum, from which on a gap has two digits that mean something


_LONG = 1000  # from which on a deviation is written with an exponent, for which two digits do


def print_convergence(console: Console, cells: Sequence[Converged]) -> None:
    """Print the tables, and how to read them; values are in the direction of the problem."""
    from rich.text import Text

    shown = {cell.task: cell.shown for cell in cells}
    lines = lines_of(cells)
    console.print()
    console.print(_summary(lines, shown))
    console.print()
    console.print(Text("Best value so far, mean ± sd, by number of steps", "dim"))
    points = points_of([cell for cell in cells if cell.course.steps])
    for task in dict.fromkeys(point.task for point in points):
        console.print()
        if task:
            console.print(Text(visible(task), "bold"))
        some = [point for point in points if point.task == task]
        console.print(_by_step(some, shown[task]))
    console.print()
    for note in notes(lines):
        console.print(Text(note, "dim"), soft_wrap=True)


def _summary(lines: Sequence[VariantCurve], shown: Mapping[str, Presentation]) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 3, 0, 0), header_style="dim")
    heads = ("", "", "steps (solved)", "tried", "gap %", "level gap %", "best value")
    for number, head in enumerate(heads):
        table.add_column(head, no_wrap=bool(number), justify="right" if number > 1 else "left")
    before = None
    for line in lines:
        table.add_row(
            Text(visible(line.task) if line.task != before else ""),
            Text(visible(line.variant)),
            _solved(line),
            _digits(line.tried, 1),
            _percent(line.gap),
            _percent(line.level_gap),
            "-" if line.best is None else _best(line.best, shown[line.task]),
        )
        before = line.task
    return table


def _by_step(points: Sequence[CurvePoint], shown: Presentation) -> Any:
    """Return the table of one task: a line for each step, a column for each variant."""
    from rich.table import Table
    from rich.text import Text

    variants = list(dict.fromkeys(point.variant for point in points))
    table = Table(box=None, padding=(0, 3, 0, 0), header_style="dim")
    table.add_column("step", no_wrap=True, justify="right")
    for variant in variants:
        table.add_column(Text(visible(variant)), justify="right")
    found = {(point.step, point.variant): point.best for point in points}
    for step in sorted({point.step for point in points}):
        told = [found.get((step, variant)) for variant in variants]
        table.add_row(str(step), *("" if best is None else _value(best, shown) for best in told))
    return table


def _best(best: Spread, shown: Presentation) -> str:
    return shown.amount(shown.facing(best.mean))


def _value(best: Spread, shown: Presentation) -> str:
    if shown.shares or shown.decimals is not None:
        more = "" if best.sd is None else f" ± {shown.number(best.sd)}"
        return f"{shown.number(shown.facing(best.mean))}{more}"
    digits = 3 if best.sd is None or best.sd < _LONG else 2  # there are many columns
    more = "" if best.sd is None else f" ± {best.sd:.{digits}g}"
    return f"{shown.facing(best.mean):.4g}{more}"


def _solved(line: VariantCurve) -> str:
    if line.solved is None:
        return "-"
    return f"{'N/A' if line.steps is None else _digits(line.steps, 1)} ({line.solved})"


def _digits(found: Spread, digits: int) -> str:
    more = "" if found.sd is None else f" ± {found.sd:.{digits}f}"
    return f"{found.mean:.{digits}f}{more}"


def _percent(found: Spread | None) -> str:
    if found is None:
        return "-"
    if found.mean > _FAR:
        return f"{100 * found.mean:.2g}"
    more = "" if found.error is None else f" ± {100 * found.error:.1f}"
    return f"{100 * found.mean:.1f}{more}"
