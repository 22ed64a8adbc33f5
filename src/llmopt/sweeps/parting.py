"""Parts of a sweep, which several processes do at once: ``i/n``.

Each part has a run of its own, which pays for the replies that it buys. What it may buy is decided
when it begins, while it holds the claim of the sweep for a moment: what its cells may still be
charged, if the budget of the sweep has that left after what all others have spent and what those
at work may still spend. So the budget holds for all parts together, without a word between them.
"""

from __future__ import annotations

import contextlib
import random
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from llmopt.core.store import STATUS, UNSTORED
from llmopt.errors import ConfigError, StoreError
from llmopt.models.middleware.in_flight import Ledger
from llmopt.sweeps.allowances import note_unstored, take_over

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from llmopt.core.store import RunInfo, Store
    from llmopt.sweeps.grid import Cell, Sweep

GRANT = "grant"
"""Kind of a part's records that say what it may buy: data ``{"at": int, "calls": int | None}``,
where ``at`` is what it had bought by then."""

_WRITTEN = re.compile(r"([1-9][0-9]{0,5})/([1-9][0-9]{0,5})")
_PATIENCE = 120.0  # seconds until the others have written what they write under the sweep's claim
_SOON = 10.0  # seconds after which a process that does the whole sweep is no coincidence
_LONGEST_PAUSE = 0.5


@dataclass(frozen=True)
class SweepPart:
    """The i-th of n parts of the cells of a sweep.

    Attributes:
        number: Which one, from 1.
        of: How many there are.

    Raises:
        ConfigError: There is no such part.
    """

    number: int
    of: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.of:
            raise ConfigError(f"a part of the cells is i/n with 1 <= i <= n, but got {self}")

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    @classmethod
    def read(cls, text: str) -> SweepPart:
        """Return a part as it is written on the command line.

        Raises:
            ConfigError: It is not written like that.
        """
        if not (found := _WRITTEN.fullmatch(text.strip())):
            raise ConfigError(
                f"a part of the cells is i/n, such as 1/8, with 1 <= i <= n, but got {text!r}"
            )
        return cls(int(found[1]), int(found[2]))

    def numbers(self, cells: int) -> range:
        """Return the numbers of its cells, from 0: neighbours, so that they share replies."""
        return range((self.number - 1) * cells // self.of, self.number * cells // self.of)

    def cells(self, sweep: Sweep) -> Sequence[Cell]:
        """Return its cells."""
        own = self.numbers(len(sweep.cells))
        return sweep.cells[own.start : own.stop]

    def run(self, sweep: str) -> str:
        """Return the name of the run that pays for its replies."""
        return f"{sweep}.part-{self.number}-of-{self.of}"


def parts_of(
    store: Store, sweep: str, infos: Sequence[RunInfo] | None = None
) -> dict[str, SweepPart]:
    """Return the parts of a sweep that have begun, by the names of their runs."""
    found = {}
    for info in store.runs() if infos is None else infos:
        if info.name.startswith(f"{sweep}.part-"):
            config = store.config(info.name)
            if "part" in config and config.get("cell") == sweep:
                found[info.name] = SweepPart.read(config["part"])
    return found


@contextlib.contextmanager
def claimed(store: Store, sweep: str) -> Iterator[None]:
    """Hold the claim of a sweep for a moment; waits while another part does.

    Raises:
        StoreError: It is held for long: by a process that does the whole sweep.
    """
    until = time.monotonic() + _PATIENCE
    pause = 0.01
    with contextlib.ExitStack() as stack:
        while True:
            try:
                stack.enter_context(store.claim(sweep))
                break
            except StoreError:
                now = time.monotonic()
                if now > until or (now > until - _PATIENCE + _SOON and _whole(store, sweep)):
                    raise
            # Not all again at the same time.
            time.sleep(pause * random.random())
            pause = min(_LONGEST_PAUSE, 2 * pause)
        yield


def _whole(store: Store, sweep: str) -> bool:
    """Return whether a process does the whole sweep: parts do not say that it is under way.

    They hold its claim for a moment, too, so that its status alone does not tell.
    """
    if all(info.name != sweep or info.status != "running" for info in store.runs()):
        return False
    said = [record.data["status"] for _, record in store.of_kind(STATUS, [sweep])]
    return said[-1:] == ["running"]


def bought_by(store: Store, run: str) -> int:
    """Return how many calls a run has bought, those included that its replies do not show."""
    calls = sum(used.calls for used in store.spent(run).values())
    for _, record in store.of_kind(UNSTORED, [run]):
        for kind in ("doubled", "lost"):
            calls += sum(used["calls"] for used in record.data[kind].values())
    return calls


def has_begun(store: Store, part: str) -> bool:
    """Return whether a part was granted anything, so that it may have paid."""
    return any(store.of_kind(GRANT, [part]))


def begin_part(
    store: Store, sweep: Sweep, part: SweepPart, done: set[str], whole: int | None
) -> int | None:
    """Grant a part what it may buy.

    Args:
        store: Where the runs are kept, the part's too; this process has claimed it, and the sweep.
        sweep: The sweep.
        part: Which part.
        done: Names of the cells that are done.
        whole: Calls that the sweep may buy; None: there is no limit.

    Returns:
        How many calls the part may have bought in the end; None: there is no limit.
    """
    infos = store.runs()
    parts, name = parts_of(store, sweep.name, infos), part.run(sweep.name)
    _settle(store, name, [cell for cell in part.cells(sweep) if cell.name not in done])
    at = bought_by(store, name)
    if whole is None:
        store.append(name, GRANT, {"at": at, "calls": None})
        return None
    running = {info.name for info in infos if info.status == "running"} - {name}
    needs = _needs(store, sweep, done, {info.name for info in infos})
    others, granted_needs = bought_by(store, sweep.name), 0
    for other, its in parts.items():
        if other == name:
            continue
        bought = bought_by(store, other)
        if other not in running and _idle(store, sweep, other, its, done):
            others += bought_by(store, other)
            continue
        most = max(bought, _most(store, other))
        others += most
        # One that is about to begin has been granted less than it needs.
        need = sum(needs[n] for n in its.numbers(len(sweep.cells)))
        granted_needs += min(need, most - bought)
    room = whole - others - at
    own = sum(needs[n] for n in part.numbers(len(sweep.cells)))
    spare = room - (sum(needs) - granted_needs)
    granted = max(0, min(room, own + max(0, spare)))
    store.append(name, GRANT, {"at": at, "calls": granted})
    return at + granted


def _idle(store: Store, sweep: Sweep, run: str, part: SweepPart, done: set[str]) -> bool:
    """Return whether nobody works on a part; what it had on its way is counted then."""
    try:
        with store.claim(run):
            _settle(store, run, [cell for cell in part.cells(sweep) if cell.name not in done])
    except StoreError:
        return False
    return True


def _needs(store: Store, sweep: Sweep, done: set[str], begun: set[str]) -> list[int]:
    """Return how many calls each cell may still be charged."""
    needs = []
    for cell in sweep.cells:
        cap = cell.settings.budget.calls or 0
        if cell.name in done:
            cap = 0
        elif cell.name in begun:
            cap -= sum(used.calls for used in store.spent(cell.name).values())
        needs.append(max(0, cap))
    return needs


def _most(store: Store, part: str) -> int:
    """Return what a part that is at work will have bought in the end, at most."""
    most = 0
    for _, record in store.of_kind(GRANT, [part]):
        most = record.data["at"] + (record.data["calls"] or 0)
    return most


def _settle(store: Store, run: str, cells: Sequence[Cell]) -> None:
    """Count what an earlier process had on its way when it ended; this one has claimed the run."""
    take_over(store, run, cells)
    with store.counters(run) as counters:
        ledger = Ledger(counters)
        note_unstored(store, run, lost=ledger.noted(), doubled=None)
        ledger.clear()


@contextlib.contextmanager
def all_parts(store: Store, sweep: Sweep, done: set[str]) -> Iterator[list[str]]:
    """Hold all parts of a sweep that have begun, so that none is at work meanwhile.

    Yields:
        The names of their runs.

    Raises:
        StoreError: One is at work.
    """
    parts = parts_of(store, sweep.name)
    with contextlib.ExitStack() as stack:
        for name, part in parts.items():
            stack.enter_context(store.claim(name))
            _settle(store, name, [cell for cell in part.cells(sweep) if cell.name not in done])
        yield list(parts)
