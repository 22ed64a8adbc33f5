"""A run's place in the store, its models with their middleware, and what was spent."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from llmopt.core.store import STATUS, UNSTORED
from llmopt.engine.progress import silent
from llmopt.errors import BudgetError, StoreError, SweepBudgetError
from llmopt.models.middleware.traffic import Traffic
from llmopt.models.providers.null import AbsentModel

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping

    from llmopt.core.model import Model
    from llmopt.core.store import Status, Store
    from llmopt.core.values import Role, Usage
    from llmopt.engine.progress import Progress
    from llmopt.models.middleware.budget import Price

_OFTEN = 1.0  # seconds from note to note of the time


@dataclass
class Ending:
    """How work ends.

    Attributes:
        status: What the journal is told.
    """

    status: Status = "done"


@dataclass
class Session:
    """A run's place in the store, with everything that is shared by whoever works there.

    Attributes:
        store: Where journal and replies are.
        name: Name of the run, which is in the store.
        optimizer: The optimizer LLM with its middleware; a placeholder where none is used.
        scorer: The scorer LLM with its middleware; None where the problem needs none.
        judge: The judge LLM likewise.
        embedder: The embedding model likewise.
        traffic: The middleware of all of them, with their budget.
        seed: Seed of every random choice.
        slots: Evaluations in flight at most.
        tolerance: Share of what is measured together that may stay unmeasured, 0..1.
        listen: Told of changes of progress.
        price_list: Returns what the models cost by role, as far as it is known.
    """

    store: Store
    name: str
    optimizer: Model = field(default_factory=AbsentModel)
    scorer: Model | None = None
    judge: Model | None = None
    embedder: Model | None = None
    traffic: Traffic = field(default_factory=Traffic)
    seed: int = 0
    slots: int = 64
    tolerance: float = 0.5
    listen: Callable[[Progress], None] = silent
    price_list: Callable[[], Mapping[Role, Price]] = dict
    _noted: float = field(default_factory=time.monotonic, init=False)
    _noting: threading.Lock = field(default_factory=threading.Lock, init=False)

    @contextlib.contextmanager
    def under_way(self) -> Iterator[Ending]:
        """Journal that work is under way, and in the end how it ended.

        Without an error it is done, unless whoever works says otherwise.

        Raises:
            StoreError: Nothing can be stored.
        """
        ending = Ending()
        self.store.append(self.name, STATUS, {"status": "running"})
        try:
            yield ending
        except (BudgetError, SweepBudgetError):
            ending.status = "budget"
            raise
        except (asyncio.CancelledError, KeyboardInterrupt):
            ending.status = "interrupted"
            raise
        except BaseException:
            ending.status = "failed"
            raise
        finally:
            self.note_time()
            self.store.append(self.name, STATUS, {"status": ending.status})

    def note_time(self) -> None:
        """Store the time since the last note, which is what a killed process loses at most."""
        with self._noting:
            now = time.monotonic()
            self.store.seconds(self.name, now - self._noted)
            self._noted = now

    @contextlib.asynccontextmanager
    async def timed(self, every: float = _OFTEN) -> AsyncIterator[None]:
        """Note the time again and again, every so many seconds, while the context lasts."""

        async def noting() -> None:
            while True:
                await asyncio.sleep(every)
                # What cannot be stored now is noted later, and ends the run elsewhere.
                with contextlib.suppress(StoreError):
                    await asyncio.to_thread(self.note_time)

        task = asyncio.ensure_future(noting())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    @property
    def seconds(self) -> float:
        """The wall time up to now, earlier parts of the run included."""
        return self.store.seconds(self.name) + time.monotonic() - self._noted

    def paid(self) -> dict[Role, Usage]:
        """Return what was paid up to now by role, also for what others have stored first."""
        doubled = self.traffic.doubled()
        return {role: used + doubled[role] for role, used in self.store.spent(self.name).items()}

    def usd(self) -> float | None:
        """Return what was paid up to now in US dollars, or None where a price is not known."""
        prices, total = self.price_list(), 0.0
        for role, used in self.paid().items():
            if used.calls and role not in prices:
                return None
            if used.calls:
                total += prices[role].paid(used)
        return total

    def remember(self) -> None:
        """Count what earlier parts have paid and their replies do not show."""
        for record in self.store.records(self.name):
            if record.kind == UNSTORED:
                self.traffic.remember(record.data)
