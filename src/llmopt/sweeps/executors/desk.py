"""Who hands out cells to the workers of a cluster, and takes in what comes of them.

It holds no secret longer than it must, and nothing that is needed to continue: when it dies, the
same sweep continues from the store.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from llmopt.sweeps.executors.protocol import CellJob, SweepWork


@dataclass(frozen=True)
class Assignment:
    """What a worker of a cluster gets first.

    Attributes:
        work: What it does.
        folder: The working directory, if that is there, too.
        paths: Where Python looks for modules, those that are there.
        each: How many cores it is pinned to; 0: it is not.
    """

    work: SweepWork
    folder: str
    paths: tuple[str, ...]
    each: int = 0


@dataclass(frozen=True)
class Event:
    """What a worker tells.

    Attributes:
        kind: What it is about.
        number: Number of the cell, from 0.
        what: The progress, or the answer.
    """

    kind: Literal["progress", "answer"]
    number: int
    what: Any


class CellDesk:
    """Hands out cells; an actor, all of whose methods run in one event loop."""

    def __init__(self) -> None:
        self._assignment: Assignment | None = None
        self._waiting: deque[CellJob] = deque()
        self._at_work: dict[str, CellJob] = {}
        self._places: dict[str, tuple[str, int]] = {}
        self._events: list[Event] = []
        self._changed = asyncio.Condition()
        self._gone: set[str] = set()
        self._stopped = False

    async def open(self, assignment: Assignment) -> None:
        """Take what all workers have to know."""
        async with self._changed:
            self._assignment = assignment
            self._changed.notify_all()

    async def enter(self, worker: str, node: str, cores: list[int]) -> tuple[Assignment, list[int]]:
        """Let a worker in.

        Args:
            worker: Its name.
            node: Where it is.
            cores: What it may use there.

        Returns:
            What it gets first, and the cores that are its own: all different on a node.
        """
        async with self._changed:
            await self._changed.wait_for(lambda: self._assignment is not None)
            assert self._assignment is not None  # noqa: S101 - see above
            taken = {place for at, place in self._places.values() if at == node}
            place = next(n for n in range(len(taken) + 1) if n not in taken)
            self._places[worker] = node, place
            each = self._assignment.each
            own = cores[place * each : (place + 1) * each]
            return self._assignment, own

    async def put(self, job: CellJob) -> None:
        """Take a cell that is to be done."""
        async with self._changed:
            self._waiting.append(job)
            self._changed.notify_all()

    async def next(self, worker: str) -> CellJob | None:
        """Return a cell for a worker, once there is one; None: there will be none."""
        async with self._changed:
            await self._changed.wait_for(
                lambda: self._waiting or self._stopped or worker in self._gone
            )
            if self._stopped or worker in self._gone:
                return None
            self._at_work[worker] = self._waiting.popleft()
            return self._at_work[worker]

    async def tell(self, worker: str, event: Event) -> None:
        """Take what a worker tells; the answer frees it for another cell."""
        async with self._changed:
            if event.kind == "answer":
                self._at_work.pop(worker, None)
            self._events.append(event)
            self._changed.notify_all()

    async def events(self, wait: float) -> list[Event]:
        """Return what workers said since the last time; waits `wait` seconds at most."""
        async with self._changed:
            try:
                await asyncio.wait_for(self._changed.wait_for(lambda: bool(self._events)), wait)
            except TimeoutError:
                return []
            collected, self._events = self._events, []
            return collected

    async def lost(self, worker: str) -> CellJob | None:
        """Return the cell that a worker did when it died; it gets none any more."""
        async with self._changed:
            self._gone.add(worker)
            self._places.pop(worker, None)
            self._changed.notify_all()
            return self._at_work.pop(worker, None)

    async def stop(self) -> None:
        """Let all workers end."""
        async with self._changed:
            self._stopped = True
            self._changed.notify_all()

    async def stopped(self) -> None:
        """Return when the workers are to end."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._stopped)
