"""What a sweep found: its cells, and the table that compares them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from llmopt.evidence.convergence import Converged, VariantCurve, lines_of
from llmopt.evidence.sweep_summary import CELL, Done, VariantScore, courses_of, summarized

if TYPE_CHECKING:
    from collections.abc import Iterable

    from llmopt.core.store import Store
    from llmopt.sweeps.grid import Sweep
    from llmopt.sweeps.parting import SweepPart


@dataclass(frozen=True)
class Swept:
    """What a sweep found.

    Attributes:
        sweep: Its name.
        cells: Every cell, in the order of the sweep; only those of the part as long as other parts
            have cells to do, and then there is no table.
        rows: The table, where cells are compared on test items.
        lines: The table, where nothing is held out and the searches' convergence is compared.
        bought: Calls that models answered, for all cells together, also before it was resumed.
        part: Which part of the cells was to be done, if not all.
        done: How many cells of the whole sweep are done.
        total: How many there are.
    """

    sweep: str
    cells: tuple[Done, ...]
    rows: tuple[VariantScore, ...]
    lines: tuple[VariantCurve, ...]
    bought: int
    part: SweepPart | None = None
    done: int = 0
    total: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data for JSON."""
        cells = [asdict(cell) | {"score": cell.score} for cell in self.cells]
        rows = [asdict(row) | {"words": row.words} for row in self.rows]
        lines = [asdict(line) for line in self.lines]
        found = {"rows": rows} if rows else {"lines": lines}
        document = {"sweep": self.sweep, "cells": cells, **found, "bought": self.bought}
        if self.part:
            document["part"] = asdict(self.part) | {"done": self.done, "cells": self.total}
        return document

    @property
    def complete(self) -> bool:
        """Whether all cells of the sweep are done, so that there is a table."""
        return self.done == self.total

    @property
    def converged(self) -> tuple[Converged, ...]:
        """The cells of which the convergence is compared."""
        return courses_of(self.cells)


def finished(store: Store, sweep: Sweep) -> dict[str, Done]:
    """Return what the finished cells of a sweep found, by the names of their runs.

    Raises:
        StoreError: The store cannot be read.
    """
    if not store.has(sweep.name):
        return {}
    names = {cell.name for cell in sweep.cells}
    found: dict[str, Done] = {}
    for _, record in store.of_kind(CELL, [sweep.name]):
        if record.data["cell"] in names:
            found[record.data["cell"]] = Done.plain(record.data)
    return found


def compared(sweep: Sweep, store: Store, buyers: Iterable[str], part: SweepPart | None) -> Swept:
    """Return the cells and the table that compares them, if all are done.

    Args:
        sweep: The sweep.
        store: Where its runs are kept.
        buyers: The runs that have paid for replies.
        part: Which part of the cells was done; None: all.
    """
    done = finished(store, sweep)
    bought = sum(used.calls for buyer in buyers for used in store.spent(buyer).values())
    complete = len(done) == len(sweep.cells)
    shown = part.cells(sweep) if part and not complete else sweep.cells
    cells = tuple(done[cell.name] for cell in shown)
    courses = courses_of(cells) if complete else ()
    rows = summarized(cells) if complete and not courses else ()
    lines = lines_of(courses)
    return Swept(sweep.name, cells, rows, lines, bought, part, len(done), len(sweep.cells))
