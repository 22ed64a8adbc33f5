"""The protocol of an executor, which does cells elsewhere, and the values that pass through it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from types import TracebackType

    from llmopt.core.values import Role, Usage
    from llmopt.engine.progress import Progress
    from llmopt.errors import LlmoptError
    from llmopt.evidence.sweep_summary import Done
    from llmopt.sweeps.grid import Sweep

GRACE = 30.0
"""Seconds that a worker has to end by itself."""


@dataclass(frozen=True)
class CellJob:
    """A cell to be done.

    Attributes:
        number: Which one of the sweep, from 0.
        calls: How many calls models may answer for it; None: as many as it takes.
    """

    number: int
    calls: int | None = None


@dataclass(frozen=True)
class SweepWork:
    """What the workers of a sweep need to know.

    Attributes:
        sweep: The sweep.
        buyer: The run that pays for replies.
        store: Where each opens the store, as for `open_store`.
        share: Which part of each model's rate is a worker's, above 0 and up to 1.
        calls: What all workers may buy together, where the store keeps one budget for them; None:
            there is no limit but what comes with each cell.
    """

    sweep: Sweep
    buyer: str
    store: str | Path | None = None
    share: float = 1.0
    calls: int | None = None


@dataclass(frozen=True)
class Answer:
    """What came of a job.

    Attributes:
        found: What the cell found, or why it could not be done.
        bought: What models answered for it, by role.
        lost: Bounds of calls that were sent and whose answer never came, by role.
        doubled: The part of `bought` whose replies another worker had stored first.
    """

    found: Done | LlmoptError
    bought: Mapping[Role, Usage] = field(default_factory=dict)
    lost: Mapping[Role, Usage] = field(default_factory=dict)
    doubled: Mapping[Role, Usage] = field(default_factory=dict)


class Executor(Protocol):
    """Does cells in workers of its own; a context that starts and ends them.

    Workers open the store by themselves: a reply that one has stored is found by all.

    Attributes:
        name: What the journal says of it.
        slots: How many cells workers do at once; known once they are started.
    """

    name: str
    slots: int

    async def __aenter__(self) -> Self:
        """Start the workers.

        Raises:
            ConfigError: They cannot be started as asked.
        """
        ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the workers: at once where they are idle, after tidying up where they do a cell."""
        ...

    async def answer(self, job: CellJob, listen: Callable[[Progress], None] | None) -> Answer:
        """Let a worker do a cell; no more are asked for at once than there are slots.

        Args:
            job: What to do.
            listen: Gets the progress; None where nobody listens.

        Raises:
            WorkerLostError: The worker died; another one takes its place.
            LlmoptError: No worker can do it.
        """
        ...
